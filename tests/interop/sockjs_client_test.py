"""Clients and servers that others wrote: the npm sockjs-client in node and in real Chromium, over every transport that it
has there (see sockjs/), and our client's end against sockjs-node and through nginx."""

import os
import subprocess
import unittest

from harness import HERE, Process, free_port, wait_for
from sockjs_test import SockjsScenario

FOLDER = os.path.join(HERE, "sockjs")
ECHO_CLIENT = os.environ.get("SOCKJS_ECHO_CLIENT", "")


def install_packages():
    """Those of the lock file, if it is newer than what is there."""
    lock, installed = (os.path.join(FOLDER, name) for name in ("package-lock.json", "node_modules/.package-lock.json"))
    if not os.path.exists(installed) or os.path.getmtime(lock) > os.path.getmtime(installed):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True, timeout=120)
        os.utime(installed)


class Client(SockjsScenario):
    def run_program(self, program, seconds):
        install_packages()
        said = subprocess.run(["node", os.path.join(FOLDER, program), f"http://127.0.0.1:{self.port}"], capture_output=True,
                              text=True, timeout=seconds, check=False)
        print(said.stdout + said.stderr)
        self.assertEqual(said.returncode, 0)
        self.assertTrue(self.server.running())

    def test_node(self):
        self.run_program("node_test.mjs", 120)

    def test_chromium(self):
        self.run_program("browser_test.mjs", 240)


class OurClient(SockjsScenario):
    def converse(self, port, path, *options):
        """What our client says at the end, and whether all came back."""
        said = subprocess.run([ECHO_CLIENT, f"http://127.0.0.1:{port}{path}", *options], capture_output=True, text=True,
                              timeout=60, check=False)
        return said.returncode == 0, said.stdout + said.stderr

    def expect_all(self, port):
        for options, transport in (((), "xhr_streaming"), (("--polling",), "xhr")):
            self.assertEqual(self.converse(port, "/echo", *options),
                             (True, f"1000 Envelopes came back by {transport}, 2 connections\n"))
            came, said = self.converse(port, "/close", *options)
            self.assertFalse(came)
            self.assertIn("the server closed the session: 3000 Go away!", said)

    def test_our_own_server(self):
        self.expect_all(self.port)
        self.assertIn("404", self.converse(self.port, "/nothing")[1])
        self.assertIn("refused", self.converse(free_port(), "/echo")[1])

    def test_sockjs_node(self):
        install_packages()
        port = free_port()
        server = Process("sockjs-node", ["node", os.path.join(FOLDER, "echo_server.mjs"), str(port)], self.path("node.log"))
        self.processes.append(server)
        server.spawn()
        wait_for("sockjs-node listens", lambda: server.logged("listening"))
        self.expect_all(port)

    def proxy(self, name, directives):
        """An nginx that speaks HTTP/1.0 to the server, and forwards no Upgrade, as it does unless it is told otherwise."""
        port = free_port()
        self.nginx(name, port, f"""http {{ access_log off; client_body_temp_path {self.path(name)}-bodies;
            proxy_temp_path {self.path(name)}-responses;
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{self.port}; {directives} }} }} }}""").start()
        return port

    def test_nginx(self):
        self.expect_all(self.proxy("nginx", ""))
        self.expect_all(self.proxy("nginx-11", 'proxy_http_version 1.1; proxy_set_header Connection "";'))

    def test_a_proxy_that_holds_streaming_responses_back(self):
        port = self.proxy("nginx", "proxy_ignore_headers X-Accel-Buffering;")
        came, said = self.converse(port, "/echo")
        self.assertFalse(came)
        self.assertIn("a proxy may hold streaming answers back", said)
        self.assertTrue(self.converse(port, "/echo", "--polling")[0])


def load_tests(loader, _tests, _pattern):
    """Not those of the module that it begins with."""
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Client, OurClient))


if __name__ == "__main__":
    unittest.main(verbosity=2)
