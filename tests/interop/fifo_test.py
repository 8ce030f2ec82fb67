"""A FIFO as sensor: the gateway is left alive, hub and nginx are killed."""

import os

from feeds import TIME_OF, Pace, lines_feed
from harness import Scenario, free_port, main
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


if __name__ == "__main__":
    main()
