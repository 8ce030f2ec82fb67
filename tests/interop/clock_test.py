"""Clocks that are wrong, or jump: a preloaded library (wall_clock.c) moves a gateway's wall clock while it runs."""

import mmap
import os
import struct
import time

from harness import Scenario, main, microseconds, stays, wait_for

DAY = 86_400
IN_1970 = "in 1970"


class Clock(Scenario):
    def setUp(self):
        with open(self.path("clock"), "wb+") as file:
            file.write(bytes(8))
            file.flush()
            self.clock = mmap.mmap(file.fileno(), 8)
        self.env = {"LD_PRELOAD": os.environ["HOLDFAST_WALL_CLOCK"], "WALL_CLOCK_FILE": self.path("clock")}

    def set_clock(self, offset):
        """Seconds by which it is ahead, or IN_1970."""
        self.clock[:] = struct.pack("=q", int(1e6 * (300 - time.time() if offset == IN_1970 else offset)))

    def test_set_back_a_day_and_forward_while_running(self):
        feed = self.write("feed.jsonl", "")
        hub = self.hub().start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{feed}"\n'
                               '[[sensor]]\ndriver = "procfs"\ninterval = "100 ms"\n',
                               'heartbeat = "1 s"\npong_timeout = "1 s"', env=self.env).start()
        self.wait_live(gateway)
        given, days = [], []
        for shift in (0, -1, 0, 1, IN_1970, 0):
            self.set_clock(shift if shift == IN_1970 else shift * DAY)
            with open(feed, "a", encoding="utf-8") as out:
                for _ in range(100):
                    given.append(len(given))
                    days.append(shift)
                    out.write(f'{{"channel":"c","value":{given[-1]}}}\n')
            wait_for("they arrive at once", lambda: [row["value"] for row in hub.readings("gateway") if
                                                     row["channel"] == "c"] == given)
            # Heartbeat, linger and sampling go on by the monotonic clock.
            before = len(hub.readings("gateway"))
            wait_for("the sampled sensor goes on", lambda: len(hub.readings("gateway")) > before)
        reconnects = gateway.status()["uplink"]["reconnects"]
        self.assertEqual(reconnects, 0, "the line must not care for the wall clock")
        rows = hub.readings("gateway")
        numbers = {row["seq"] for row in rows}
        self.assertEqual([row["seq"] for row in rows], sorted(numbers))
        self.assertEqual(max(numbers) - len(numbers), 1, "the clock's fix takes the one number that is missing")
        self.assertEqual(hub.get_json("/api/devices/gateway")["gap_records"], [])
        now = time.time()
        for row, shift in zip((row for row in rows if row["channel"] == "c"), days):
            # A plausible clock is believed; in 1970 it counts as not set, and the fix gives the right time.
            off = 0 if shift == IN_1970 else shift * DAY
            self.assertAlmostEqual(microseconds(row["time"]) / 1e6, now + off, delta=120)

    def test_starts_in_1970_until_the_hub_tells_the_time(self):
        self.set_clock(IN_1970)
        feed = self.write("feed.jsonl", "")
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{feed}"\n'
                               '[[sensor]]\ndriver = "procfs"\ninterval = "200 ms"\n', env=self.env).start()
        marks = []
        for number in range(5):
            marks.append(time.time())
            with open(feed, "a", encoding="utf-8") as out:
                out.write(f'{{"channel":"c","value":{number}}}\n')
            backlog = gateway.backlog()
            wait_for("it is journaled", lambda: gateway.backlog() > backlog + 40, 10)
        hub.start()
        self.wait_live(gateway)
        wait_for("all has its time", lambda: all(row["time"] for row in hub.readings("gateway")) and
                 len(hub.readings("gateway")) > 100)
        stays("nothing comes back to 1970", lambda: all(row["time"] for row in hub.readings("gateway")), 1)
        rows = hub.readings("gateway")
        for row in (row for row in rows if row["channel"] == "c"):
            self.assertAlmostEqual(microseconds(row["time"]) / 1e6, marks[row["value"]], delta=1.5)
        for channel in {row["channel"] for row in rows}:
            times = [row["time"] for row in rows if row["channel"] == channel]
            self.assertEqual(times, sorted(times))
        self.assertTrue(gateway.logged("the time is known now"))


if __name__ == "__main__":
    main()
