// sockjs-client in node, over every transport that it has there. usage: node node_test.mjs http://127.0.0.1:PORT
import assert from "node:assert/strict";
import SockJS from "sockjs-client";
import { closes, echo } from "./conversation.js";

const server = process.argv[2];
// A message that is not the expected one is thrown in an event handler.
process.on("uncaughtException", (error) => {
  console.error(error);
  process.exit(1);
});

for (const transport of ["websocket", "xhr-streaming", "eventsource", "xhr-polling"]) {
  const begun = Date.now();
  assert.equal(await echo(SockJS, `${server}/echo`, transport), transport);
  assert.equal(await echo(SockJS, `${server}/cookie_needed_echo`, transport), transport);
  assert.equal(await closes(SockJS, `${server}/close`, transport), "3000 Go away! true", transport);
  console.log(`node: ${transport} (${Date.now() - begun} ms)`);
}
assert.equal(await echo(SockJS, `${server}/disabled_websocket_echo`, undefined), "xhr-streaming");
console.log("node: without WebSockets it finds xhr-streaming by itself");
process.exit(0); // sockjs-client leaves timers behind
