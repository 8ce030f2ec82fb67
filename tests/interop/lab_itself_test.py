"""The lab itself: its router, proxies and servers do to connections what the other lab tests rely on."""

import re
import select
import socket
import time

from harness import Background
from lab import CLOUD, HUB_PORT, ROUTER, Lab, basic, inside, main

UPGRADE = ("GET /v1/uplink HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: holdfast.v1\r\nAuthorization: Bearer {}\r\n\r\n")
UNSOLICITED_PONG = bytes([0x8A, 0x80, 1, 2, 3, 4])
FORWARDED = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"


def ask(connection, text):
    """The head of the answer."""
    connection.sendall(text.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(4096)
        if not part:
            break
        answer += part
    return answer.decode(errors="replace")


def end_of(connection, began, seconds):
    """After how long, and how, an idle connection ends."""
    while select.select([connection], [], [], max(0, began + seconds - time.monotonic()))[0]:
        try:
            if not connection.recv(4096):
                return time.monotonic() - began, "fin"
        except ConnectionResetError:
            return time.monotonic() - began, "reset"
    return seconds, "none"


class Itself(Lab):
    def test_router_forgets_silently(self):
        self.forget_idle_connections(6)
        with inside("cloud"):
            echo = socket.create_server((CLOUD, 7))
        self.addCleanup(echo.close)

        def serve(connection):
            with connection:
                while part := connection.recv(99):
                    connection.sendall(part)

        Background("echo", lambda: [Background("echo", lambda: serve(echo.accept()[0])) for _ in range(2)])
        kept, lost = self.connect(CLOUD, 7), self.connect(CLOUD, 7)
        for connection in (kept, lost):
            self.assertEqual(ask(connection, "hello\r\n\r\n"), "hello\r\n\r\n")
        time.sleep(4.5)
        self.assertEqual(ask(kept, "still there\r\n\r\n"), "still there\r\n\r\n")
        time.sleep(2.5)
        lost.sendall(b"anyone?")
        self.assertEqual(end_of(lost, time.monotonic(), 2)[1], "none")
        self.assertEqual(ask(kept, "and now\r\n\r\n"), "and now\r\n\r\n")

    def test_reverse_proxies_cut_and_strip(self):
        hub = self.cloud_hub()
        token = hub.token("someone")
        self.nginx_in_cloud(FORWARDED + "proxy_read_timeout 3s;", port=80)
        self.haproxy_in_cloud("mode http\ntimeout client 20s\ntimeout server 20s\ntimeout tunnel 4s", 81)
        self.haproxy_in_cloud("mode tcp\noption independent-streams\ntimeout client 20s\ntimeout server 4s", 84, "one-way")
        modules = ("proxy_http", "proxy_wstunnel")
        rules = f"ProxyPass /v1/uplink ws://127.0.0.1:{HUB_PORT}/v1/uplink\nProxyPass / http://127.0.0.1:{HUB_PORT}/"
        self.apache("apache-ws", "cloud", CLOUD, 82, modules, rules)
        self.apache("apache-http", "cloud", CLOUD, 83, modules[:1], f"ProxyPass / http://127.0.0.1:{HUB_PORT}/")
        lines, since = {}, {}
        for port in (80, 81, 82, 84):
            lines[port] = self.connect(CLOUD, port)
            self.assertIn(" 101 ", ask(lines[port], UPGRADE.format(token)))
            since[port] = time.monotonic()
        self.assertNotIn(" 101 ", ask(self.connect(CLOUD, 83), UPGRADE.format(token)))
        # What only the device sends counts with nginx and with HAProxy's tunnels, but not where each direction has its own clock.
        time.sleep(2)
        for port in (80, 81, 84):
            lines[port].sendall(UNSOLICITED_PONG)
        since[80] = since[81] = time.monotonic()
        for port, seconds in ((84, 4), (80, 3), (81, 4)):
            after, how = end_of(lines[port], since[port], 8)
            self.assertNotEqual(how, "none")
            self.assertAlmostEqual(after, seconds, delta=0.5)
        self.nginx_stripped(token)

    def nginx_stripped(self, token):
        nginx = next(each for each in self.processes if each.name == "nginx")
        self.reload_nginx(nginx, "")
        answer = ""
        for _ in range(50):
            answer = ask(self.connect(CLOUD, 80), UPGRADE.format(token))
            if " 101 " not in answer:
                break
            time.sleep(0.1)
        self.assertRegex(answer, r"^HTTP/1\.1 4\d\d ")

    def test_forward_proxies(self):
        self.rules(forward="")
        self.cloud_hub()
        self.squid_on_router("gw", "secret")
        self.tinyproxy_on_router()
        self.apache("apache-forward", "router", ROUTER, 8081, ("proxy_connect",),
                    f"ProxyRequests On\nAllowCONNECT {HUB_PORT}")
        with self.assertRaises(TimeoutError):
            self.connect(CLOUD, HUB_PORT, seconds=1)

        def status(port, target, more=""):
            answer = ask(self.connect(ROUTER, port), f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{more}\r\n")
            return int(re.match(r"HTTP/1\.[01] (\d+)", answer)[1])

        def authorization(password):
            return f"Proxy-Authorization: {basic('gw', password)}\r\n"

        self.assertEqual(status(3128, f"{CLOUD}:{HUB_PORT}"), 407)
        self.assertEqual(status(3128, f"{CLOUD}:{HUB_PORT}", authorization("wrong")), 407)
        self.assertEqual(status(3128, f"{CLOUD}:{HUB_PORT}", authorization("secret")), 200)
        self.assertEqual(status(3128, f"hub.lab:{HUB_PORT}", authorization("secret")), 200)
        self.assertEqual(status(3128, f"{CLOUD}:443", authorization("secret")), 503)
        self.assertEqual(status(3128, f"{CLOUD}:22", authorization("secret")), 403)
        self.assertEqual(status(8888, f"{CLOUD}:{HUB_PORT}"), 200)
        self.assertEqual(status(8888, f"{CLOUD}:443"), 403)
        self.assertEqual(status(8081, f"{CLOUD}:{HUB_PORT}"), 200)
        self.assertEqual(status(8081, "no.such.name.invalid:8080"), 502)

    def test_portal_and_cable(self):
        self.cloud_hub()
        self.rules(redirect='iifname "lan" tcp dport 1-65535 redirect to :80')
        self.pages_on_router(lambda path: (200, {}, "log in") if path == "/login" else (302, {"Location": "/login"}, ""))
        self.assertIn(" 302 ", ask(self.connect(CLOUD, HUB_PORT), UPGRADE.format("x")))
        self.rules()
        line = self.connect(CLOUD, HUB_PORT)
        self.pull_cable(0.5, lambda: line.sendall(UPGRADE.format("x").encode()))
        self.assertIn(b" 401 ", line.recv(4096))


if __name__ == "__main__":
    main()
