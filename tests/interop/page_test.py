"""A reading that a gateway is given is seen in real Chromium without a reload: starts the nodes, and page/page_test.mjs."""

import os
import subprocess

from harness import HERE, Scenario, main

PAGE = os.path.join(HERE, "page")
ARTEFACTS = os.environ.get("HOLDFAST_ARTEFACTS", "")


class Page(Scenario):
    def test_a_pushed_reading_is_seen_on_the_chart(self):
        if not os.path.isdir(os.path.join(PAGE, "node_modules", "playwright-core")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PAGE, check=True, timeout=120)
        hub, gateway = self.pair(listen="")
        self.wait_live(gateway)
        out = ARTEFACTS or self.path("artefacts")
        os.makedirs(out, exist_ok=True)
        said = subprocess.run(["node", os.path.join(PAGE, "page_test.mjs"), "--hub", f"http://127.0.0.1:{hub.port}", "--push",
                               f"ws://127.0.0.1:{gateway.port}/v1/push", "--out", out], capture_output=True, text=True,
                              timeout=120, check=False)
        print(said.stdout + said.stderr)
        self.assertEqual(said.returncode, 0)
        self.assertGreater(os.path.getsize(os.path.join(out, "page-chart.png")), 1000)


if __name__ == "__main__":
    main()
