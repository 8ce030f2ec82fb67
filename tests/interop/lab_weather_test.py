"""A router that loses packets, knows nothing any more, or lets HTTP pass and nothing else."""

from lab import CLOUD, HUB_PORT, Lab, main

LOSS = "numgen random mod 100 < 10 drop"
# The first byte of an unmasked binary message or pong: what follows a handshake is dropped, and TCP sends it in vain.
NO_FRAMES = 'iifname "wan" @ih,0,8 { 0x82, 0x8a } drop'


class Weather(Lab):
    def test_every_tenth_packet_is_lost(self):
        self.rules(weather=LOSS)
        hub = self.cloud_hub()
        self.feed.give(500)
        gateway = self.field_gateway(hub, f"{CLOUD}:{HUB_PORT}")
        for _ in range(20):
            self.feed.give(500)
            self.assert_all_arrived(hub, gateway)

    def test_connections_are_forgotten_at_once(self):
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, f"{CLOUD}:{HUB_PORT}")
        for _ in range(2):
            self.wait_path(gateway, "direct")
            self.renew_wan()
            self.feed.give(500)
            self.assert_all_arrived(hub, gateway)
        self.assertGreaterEqual(self.uplink(gateway)["reconnects"], 2)

    def test_no_frames_pass(self):
        self.rules(weather=NO_FRAMES)
        hub = self.cloud_hub()
        self.feed.give(500)
        gateway = self.field_gateway(hub, f"{CLOUD}:{HUB_PORT}")
        self.wait_path(gateway, "direct+xhr_streaming")
        self.wait_said(gateway, "nothing passes", "next path: direct+xhr_streaming")
        self.assert_all_arrived(hub, gateway)


if __name__ == "__main__":
    main()
