// sockjs-client in Chromium, over every transport that it has there, from the server's own origin and from another one.
// usage: node browser_test.mjs http://127.0.0.1:PORT [CHROMIUM]
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const server = process.argv[2];
const kFlags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
// "localhost" is not the origin of "127.0.0.1", so this page is a stranger to the server.
const kOrigins = {
  own: [server, ["websocket", "xhr-streaming", "eventsource", "htmlfile", "xhr-polling", "jsonp-polling"]],
  other: [
    server.replace("127.0.0.1", "localhost"),
    ["websocket", "xhr-streaming", "eventsource", "iframe-eventsource", "iframe-htmlfile", "xhr-polling", "iframe-xhr-polling", "jsonp-polling"],
  ],
};
const file = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
/** What the test server does not serve. Its iframe asks for the first. */
const kFiles = {
  "/sockjs.min.js": ["application/javascript", file("node_modules/sockjs-client/dist/sockjs.min.js")],
  "/conversation.js": ["application/javascript", file("conversation.js")],
};

function converse(page, work, url, transport) {
  return page.evaluate(
    async ([what, address, name]) => {
      const conversation = await import("/conversation.js");
      const broken = new Promise((_, reject) => addEventListener("error", (event) => reject(new Error(event.message))));
      return Promise.race([conversation[what](SockJS, address, name), broken]);
    },
    [work, url, transport],
  );
}

async function run(context) {
  for (const [path, [contentType, body]] of Object.entries(kFiles)) {
    await context.route((url) => url.pathname === path, (route) => route.fulfill({ contentType: `${contentType}; charset=utf-8`, body }));
  }
  for (const [name, [origin, transports]] of Object.entries(kOrigins)) {
    const page = await context.newPage();
    // A page that the server itself sent: what is fulfilled here has no address, and may not speak to local ones.
    await page.goto(`${origin}/echo`);
    await page.addScriptTag({ url: "/sockjs.min.js" });
    for (const transport of transports) {
      const begun = Date.now();
      assert.equal(await converse(page, "echo", `${server}/echo`, transport), transport);
      assert.equal(await converse(page, "echo", `${server}/cookie_needed_echo`, transport), transport);
      assert.equal(await converse(page, "closes", `${server}/close`, transport), "3000 Go away! true", transport);
      console.log(`Chromium, ${name} origin: ${transport} (${Date.now() - begun} ms)`);
    }
    assert.equal(await converse(page, "echo", `${server}/disabled_websocket_echo`, undefined), "xhr-streaming");
    await page.close();
  }
}

const profile = mkdtempSync(join(tmpdir(), "holdfast-sockjs-"));
let context;
try {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.argv[3] ?? "/usr/bin/chromium",
    args: kFlags,
  });
  await run(context);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await context?.close();
  rmSync(profile, { recursive: true, force: true });
}
