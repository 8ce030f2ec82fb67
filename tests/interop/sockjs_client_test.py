"""The npm sockjs-client, in node and in real Chromium, over every transport that it has there: see sockjs/."""

import os
import subprocess
import unittest

from harness import HERE
from sockjs_test import SockjsScenario

FOLDER = os.path.join(HERE, "sockjs")


class Client(SockjsScenario):
    def run_program(self, program, seconds):
        if not os.path.isdir(os.path.join(FOLDER, "node_modules", "sockjs-client")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True, timeout=120)
        said = subprocess.run(["node", os.path.join(FOLDER, program), f"http://127.0.0.1:{self.port}"], capture_output=True,
                              text=True, timeout=seconds, check=False)
        print(said.stdout + said.stderr)
        self.assertEqual(said.returncode, 0)
        self.assertTrue(self.server.running())

    def test_node(self):
        self.run_program("node_test.mjs", 120)

    def test_chromium(self):
        self.run_program("browser_test.mjs", 240)


def load_tests(loader, _tests, _pattern):
    """Not those of the module that it begins with."""
    return loader.loadTestsFromTestCase(Client)


if __name__ == "__main__":
    unittest.main(verbosity=2)
