"""Reverse proxies that do not forward Upgrade: the line goes another way, and comes back when it can."""

import time

from harness import wait_for
from lab import CLOUD, HUB_PORT, Lab, main

FORWARDED = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
BUFFERED = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"


class Ways(Lab):
    def deliver(self, authority, path, uplink="", scheme="ws"):
        """A gateway whose line comes about as `path` says, also without the cable for a while, and carries everything."""
        hub = self.cloud_hub()
        gateway = self.start_timed(hub, authority, path, uplink, scheme)
        self.assert_all_arrived(hub, gateway)
        self.pull_cable(2, lambda: self.feed.give(500))
        self.assert_all_arrived(hub, gateway)
        self.assertEqual(self.uplink(gateway)["path"], path)
        # What worked here is tried first.
        gateway.kill()
        self.feed.give(500)
        gateway.start()
        self.wait_path(gateway, path)
        self.assert_all_arrived(hub, gateway)
        return hub, gateway

    def start_timed(self, hub, authority, path, uplink="", scheme="ws"):
        self.feed.give(1000)
        gateway = self.field_gateway(hub, authority, uplink, scheme)
        began = time.monotonic()
        self.wait_path(gateway, path)
        print(f"{path} after {time.monotonic() - began:.1f} s", flush=True)
        return gateway

    def test_nginx_without_upgrade(self):
        self.nginx_in_cloud("")
        _, gateway = self.deliver(CLOUD, "direct+xhr_streaming")
        self.wait_said(gateway, "426", "taken Upgrade out of it", "next path: direct+xhr_streaming")

    def test_nginx_without_upgrade_with_tls(self):
        certificate = self.certificate(CLOUD)
        self.nginx_in_cloud("", 443, certificate)
        self.deliver(CLOUD, "direct+xhr_streaming", f'ca_file = "{certificate[0]}"', "wss")

    def test_nginx_without_upgrade_that_buffers(self):
        self.nginx_in_cloud(BUFFERED)
        self.deliver(CLOUD, "direct+xhr")

    def test_nginx_without_upgrade_that_cuts_idle_answers(self):
        """No side lines here: each cut makes the beats come faster, until they are fast enough."""
        self.nginx_in_cloud("proxy_read_timeout 5s;")
        hub = self.cloud_hub()
        gateway = self.start_timed(hub, CLOUD, "direct+xhr_streaming")
        self.feed.give(500)
        wait_for("it was cut", lambda: self.uplink(gateway)["reconnects"] > 0)
        wait_for("the beats are fast enough", lambda: self.uplink(gateway)["heartbeat_interval_s"] < 5, 60, 0.5)
        self.assertLessEqual(self.uplink(gateway)["reconnects"], 4)
        self.wait_path(gateway, "direct+xhr_streaming")
        self.assert_line_stays(gateway, 12)
        self.assert_all_arrived(hub, gateway)

    def test_apache_with_wstunnel(self):
        self.apache("apache", "cloud", CLOUD, 80, ("proxy_http", "proxy_wstunnel"),
                    f"ProxyPass /v1/uplink ws://127.0.0.1:{HUB_PORT}/v1/uplink\nProxyPass / http://127.0.0.1:{HUB_PORT}/")
        self.deliver(CLOUD, "direct")

    def test_apache_without_wstunnel(self):
        self.apache("apache", "cloud", CLOUD, 80, ("proxy_http",), f"ProxyPass / http://127.0.0.1:{HUB_PORT}/")
        self.deliver(CLOUD, "direct+xhr_streaming")


class Blocked(Lab):
    def test_upgrade_is_blocked_for_a_while(self):
        """While the line is up: everything arrives by the lesser way, and the line moves back within the first trials."""
        nginx = self.nginx_in_cloud(FORWARDED)
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, CLOUD)
        self.wait_path(gateway, "direct")
        self.feed.give(500)
        self.assert_all_arrived(hub, gateway)

        self.reload_nginx(nginx, "")
        began = time.monotonic()
        self.feed.give(1000)
        self.wait_path(gateway, "direct+xhr_streaming")
        self.assert_all_arrived(hub, gateway)
        print(f"by the lesser way after {time.monotonic() - began:.1f} s", flush=True)

        self.reload_nginx(nginx, FORWARDED + "proxy_read_timeout 300s;")
        # Old requests end with the old worker: that the line comes back to what worked last is all that holds until a trial.
        self.feed.give(500)
        self.assert_all_arrived(hub, gateway)
        self.wait_path(gateway, "direct", 75)
        self.feed.give(500)
        self.assert_all_arrived(hub, gateway)
        self.assertEqual(gateway.starts, 1)


if __name__ == "__main__":
    main()
