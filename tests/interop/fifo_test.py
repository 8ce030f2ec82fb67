"""A FIFO as sensor: the gateway is left alive, hub and nginx are killed."""

import os

from feeds import TIME_OF, Pace, lines_feed
from harness import Scenario, free_port, main, wait_for
from storm import storm

COUNT = 50_000


class Fifo(Scenario):
    def test_nothing_is_lost_while_the_gateway_lives(self):
        hub = self.hub()
        port = free_port()
        nginx = self.nginx("nginx", port, f"""
stream {{
    server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{hub.port}; proxy_timeout 2s; }}
}}""", modules=("ngx_stream_module.so",))
        fifo = self.path("readings.fifo")
        os.mkfifo(fifo)
        gateway = self.gateway(f"ws://127.0.0.1:{port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{fifo}"\n')
        for process in (hub, nginx, gateway):
            process.start()
        pace = Pace(COUNT)
        storm(self, [hub, nginx], pace, [lines_feed(fifo, pace, self.random)])
        self.wait_delivered(gateway)
        readings = hub.readings("gateway")
        self.assert_exactly_once(readings, "lines", COUNT, TIME_OF["lines"])
        self.assertEqual(len(readings), COUNT)
        self.assertEqual(gateway.starts, 1)

    def test_a_healthy_line_writes_nothing(self):
        """While the hub acknowledges in time, a gateway's disk is left alone, and readings arrive within the commit interval."""
        hub = self.hub().start()
        fifo = self.path("readings.fifo")
        os.mkfifo(fifo)
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{fifo}"\n', listen="").start()
        self.wait_live(gateway)
        with open(fifo, "w", encoding="utf-8") as out:
            def give(number):
                out.write(f'{{"channel":"t","value":{number}}}\n')
                out.flush()
            # The first use of a channel makes it durable, once for ever.
            give(0)
            wait_for("the first reading is there", lambda: len(hub.readings("gateway")) == 1)
            self.wait_delivered(gateway)
            # Rows that have been acknowledged are deleted after ten seconds; then the disk is quiet.
            wait_for("the journal is empty", lambda: gateway.status()["journal"]["readings"] == 0)
            before = written_bytes(gateway)
            for number in range(1, 31):
                give(number)
                wait_for(f"reading {number} is at the hub", lambda n=number: len(hub.readings("gateway")) == n + 1)
            self.assertEqual(written_bytes(gateway), before)
            self.assertEqual(gateway.status()["journal"]["readings"], 0)
            self.assertEqual([row["value"] for row in hub.readings("gateway")], list(range(31)))


def written_bytes(node):
    """What the node has passed to write calls so far, but for sockets."""
    with open(f"/proc/{node.child.pid}/io", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


if __name__ == "__main__":
    main()
