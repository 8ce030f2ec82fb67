"""In real Chromium, without a reload: a reading that a gateway is given, and the gateway's own uplink. Starts the nodes, and
what is in page/."""

import os
import subprocess

from harness import HERE, Scenario, main, wait_for

PAGE = os.path.join(HERE, "page")
ARTEFACTS = os.environ.get("HOLDFAST_ARTEFACTS", "")


class Page(Scenario):
    def setUp(self):
        if not os.path.isdir(os.path.join(PAGE, "node_modules", "playwright-core")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PAGE, check=True, timeout=120)

    def artefacts(self):
        out = ARTEFACTS or self.path("artefacts")
        os.makedirs(out, exist_ok=True)
        return out

    def browse(self, script, out, *options):
        said = subprocess.run(["node", os.path.join(PAGE, script), *options, "--out", out], capture_output=True, text=True,
                              timeout=120, check=False)
        print(said.stdout + said.stderr)
        self.assertEqual(said.returncode, 0)

    def test_a_pushed_reading_is_seen_on_the_chart(self):
        hub, gateway = self.pair(listen="")
        self.wait_live(gateway)
        out = self.artefacts()
        self.browse("page_test.mjs", out, "--hub", f"http://127.0.0.1:{hub.port}", "--push",
                    f"ws://127.0.0.1:{gateway.port}/v1/push")
        self.assertGreater(os.path.getsize(os.path.join(out, "page-chart.png")), 1000)

    def test_a_site_gateway_shows_its_uplink(self):
        # With so short a longest interval the path is known after seconds.
        hub, gateway = self.pair('[[sensor]]\ndriver = "procfs"', uplink='heartbeat_max = "5 s"', listen="")
        status = gateway.status()
        self.assertEqual(status.keys(), gateway.get_json("/api/node").keys())
        self.assertEqual(status["uplink"]["url"], gateway.get_json("/api/node")["uplink"]["url"])
        self.assertNotIn("uplink", hub.get_json("/api/node"))
        said = gateway.ask("status")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"\Aconnected for [^\n]*\n\nNode\n")
        self.assertEqual(gateway.get_json("/api/node/words").keys(), {"verdict", "level", "sections"})
        for words in ("live", "direct, WebSocket", r"(learning: |no cut up to ).*", r"when idle for .* s; .* KiB a day"):
            self.assertRegex(said.stdout, rf"(?m)  {words}$")

        self.browse("uplink_test.mjs", self.artefacts(), "--hub", f"http://127.0.0.1:{hub.port}", "--gateway",
                    f"http://127.0.0.1:{gateway.port}", "--hub-process", str(hub.child.pid))
        self.assertIn("  no cut up to ", gateway.ask("status").stdout)
        self.assertRegex(gateway.ask("status").stdout, r"\Anot connected for .*: the hub refuses connections; .* none lost")
        # Between two tries: while it tries, it says so.
        wait_for("it waits", lambda: "  down, waiting to try again\n" in gateway.ask("status").stdout)


if __name__ == "__main__":
    main()
