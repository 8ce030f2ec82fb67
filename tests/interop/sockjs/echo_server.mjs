// An echo service by sockjs-node, for our client. usage: node echo_server.mjs PORT
import http from "node:http";
import sockjs from "sockjs";

const echo = sockjs.createServer({ prefix: "/echo", response_limit: 4096, heartbeat_delay: 200, log: () => {} });
echo.on("connection", (connection) => connection.on("data", (message) => connection.write(message)));
const close = sockjs.createServer({ prefix: "/close", log: () => {} });
close.on("connection", (connection) => connection.close(3000, "Go away!"));

const server = http.createServer();
for (const service of [echo, close]) service.installHandlers(server);
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
