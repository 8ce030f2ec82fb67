"""Boxes that cut idle lines: a router that forgets, nginx, HAProxy. The gateway learns when and how, and is cut no more."""

from lab import CLOUD, HUB_PORT, ROUTER, Lab, main, run

FORWARDED = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"


class Cuts(Lab):
    def learn(self, authority, cut_s, kind, counts, path="direct", uplink=""):
        """A gateway that learns this cut, and beats often enough from then on."""
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, authority, uplink)
        self.wait_path(gateway, path)
        self.feed.give(1000)
        # To find it takes four times the cut at most; then a last side line tells whose traffic counts.
        uplink = self.wait_learned(gateway, cut_s, 6 * cut_s + 10)
        self.assertEqual(uplink["cut_kind"], kind)
        self.assertEqual(uplink["counts"], counts)
        self.assertLessEqual(uplink["reconnects"], 1)
        return hub, gateway

    def test_router_that_forgets_silently(self):
        self.forget_idle_connections(12)
        hub, gateway = self.learn(f"{CLOUD}:{HUB_PORT}", 12, "silent", "either-way")
        self.assert_all_arrived(hub, gateway)
        # It remembers this network.
        gateway.terminate()
        self.assertEqual(gateway.exit_code(), 0)
        gateway.start()
        self.wait_path(gateway, "direct")
        self.assertAlmostEqual(self.uplink(gateway)["learned_cut_s"], 12, delta=0.6)
        self.assert_line_stays(gateway, 24)
        self.pull_cable(1, lambda: self.feed.give(1000))
        self.assert_all_arrived(hub, gateway)
        # Behind another router nothing is known.
        gateway.terminate()
        self.assertEqual(gateway.exit_code(), 0)
        self.pull_cable(2, lambda: run("ip", "-n", "router", "link", "set", "lan", "address", "02:00:00:00:00:77"))
        self.feed.give(500)
        gateway.start()
        self.wait_path(gateway, "direct")
        self.assert_all_arrived(hub, gateway)
        self.assertNotIn("learned_cut_s", self.uplink(gateway))

    def test_nginx_with_a_read_timeout(self):
        """What either end sends counts with it, once the connection is upgraded."""
        self.nginx_in_cloud(FORWARDED + "proxy_read_timeout 5s;")
        hub, gateway = self.learn(CLOUD, 5, "fin", "either-way")
        self.assert_line_stays(gateway, 12)
        self.pull_cable(3, lambda: self.feed.give(1000))
        self.assert_all_arrived(hub, gateway)

    def test_haproxy_with_a_tunnel_timeout(self):
        self.haproxy_in_cloud("mode http\ntimeout client 20s\ntimeout server 20s\ntimeout tunnel 6s")
        hub, gateway = self.learn(CLOUD, 6, "fin", "either-way")
        self.assert_line_stays(gateway, 15)
        self.pull_cable(3, lambda: self.feed.give(1000))
        self.assert_all_arrived(hub, gateway)

    def test_haproxy_that_wants_to_hear_the_hub(self):
        self.haproxy_in_cloud("mode tcp\noption independent-streams\ntimeout client 60s\ntimeout server 5s")
        hub, gateway = self.learn(CLOUD, 5, "fin", "from-hub-only")
        self.assert_line_stays(gateway, 12)
        self.feed.give(1000)
        self.assert_all_arrived(hub, gateway)

    def test_tinyproxy_that_ends_idle_tunnels(self):
        """What is learned is learned of this way: side lines go through the proxy, too."""
        self.rules(forward="")
        self.tinyproxy_on_router(timeout_s=6)
        hub, gateway = self.learn(f"{CLOUD}:{HUB_PORT}", 6, "fin", "either-way", "proxy", f'proxy = "http://{ROUTER}:8888"')
        self.assert_line_stays(gateway, 12)
        self.feed.give(1000)
        self.assert_all_arrived(hub, gateway)


if __name__ == "__main__":
    main()
