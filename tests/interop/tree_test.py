"""Device, site gateway, hub: the site gateway is killed in the middle of its work."""

from feeds import TIME_OF, Pace, lines_feed, push_feed
from harness import Scenario, main, wait_for
from storm import storm

COUNT = 20_000


class Tree(Scenario):
    def test_exactly_once_through_a_site_gateway(self):
        hub = self.hub().start()
        site = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("site", "--relay"), listen="", name="site")
        lines = self.write("readings.jsonl", "")
        device = self.gateway(f"ws://127.0.0.1:{site.port}/v1/uplink", site.token("device"),
                              f'[[sensor]]\ndriver = "lines"\npath = "{lines}"\n', listen="", name="device")
        site.start()
        device.start()
        pace = Pace(COUNT)
        feeds = [lines_feed(lines, pace, self.random), push_feed(device.port, pace, self.random)]
        storm(self, [site], pace, feeds, kills_each=10)
        self.wait_delivered(device)
        self.wait_delivered(site)
        readings = hub.readings("device")
        for channel in ("lines", "push"):
            self.assert_exactly_once(readings, channel, COUNT, TIME_OF[channel])
        self.assertEqual(len(readings), 2 * COUNT)
        about = hub.get_json("/api/devices/device")
        self.assertEqual(about["gap_records"], [])
        self.assertEqual(about["via"], "site")

    def test_a_token_without_relay_speaks_for_its_device_only(self):
        hub = self.hub().start()
        site = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("site"), listen="", name="site").start()
        lines = self.write("readings.jsonl", '{"channel":"lines","value":1}\n')
        device = self.gateway(f"ws://127.0.0.1:{site.port}/v1/uplink", site.token("device"),
                              f'[[sensor]]\ndriver = "lines"\npath = "{lines}"\n', name="device").start()
        self.wait_delivered(device)
        wait_for("the site says why", lambda: site.logged("may not speak for"))
        self.assertEqual(hub.get("/api/devices/device")[0], 404)
        self.assertTrue(site.running())


if __name__ == "__main__":
    main()
