"""Forward proxies, where nothing else leads out: squid with passwords, tinyproxy; and those that do not let the line through."""

from lab import CLOUD, HUB_PORT, ROUTER, Lab, main

HUB = f"{CLOUD}:{HUB_PORT}"
SQUID = f"{ROUTER}:3128"


class Proxies(Lab):
    def setUp(self):
        super().setUp()
        self.rules(forward="")  # nobody gets past the router but through what runs on it

    def assert_delivers(self, hub, gateway, path="proxy"):
        self.wait_path(gateway, path)
        self.feed.give(500)
        self.assert_all_arrived(hub, gateway)

    def assert_refused(self, gateway, *words):
        """The log and the status name the proxy and what is wrong; readings are kept."""
        self.wait_said(gateway, *words)
        self.wait_status(gateway, *words)
        self.assertNotEqual(gateway.uplink_state(), "live")
        self.assertNotIn("secret", gateway.log_text())

    def test_squid_with_a_password(self):
        squid = self.squid_on_router("gw", "secret")
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, HUB, f'proxy = "http://gw:secret@{SQUID}"')
        self.assert_delivers(hub, gateway)
        self.pull_cable(3, lambda: self.feed.give(500))
        self.assert_delivers(hub, gateway)
        squid.stop()
        self.feed.give(500)
        self.wait_said(gateway, SQUID, "refused")
        squid.start()
        self.assert_delivers(hub, gateway)
        self.assertNotIn("secret", gateway.log_text())

    def test_squid_with_tls_to_a_hub_whose_name_only_the_proxy_resolves(self):
        certificate = self.certificate("hub.lab", "DNS")
        self.squid_on_router()
        hub = self.cloud_hub(certificate)
        gateway = self.field_gateway(hub, f"hub.lab:{HUB_PORT}", f'proxy = "http://{SQUID}"\nca_file = "{certificate[0]}"', "wss")
        self.assert_delivers(hub, gateway)

    def test_squid_before_nginx_without_upgrade(self):
        self.squid_on_router()
        self.nginx_in_cloud("")
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, f"{CLOUD}:80", f'proxy = "http://{SQUID}"')
        self.assert_delivers(hub, gateway, "proxy+xhr_streaming")

    def test_squid_with_a_wrong_password(self):
        self.squid_on_router("gw", "right")
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, HUB, f'proxy = "http://gw:secret@{SQUID}"')
        self.assert_refused(gateway, SQUID, "407")

    def test_squid_that_does_not_reach_the_hub(self):
        self.squid_on_router()
        hub = self.cloud_hub()
        hub.kill()
        gateway = self.field_gateway(hub, HUB, f'proxy = "http://{SQUID}"')
        self.assert_refused(gateway, SQUID, "503")
        hub.start()
        self.assert_delivers(hub, gateway)

    def test_squid_that_forbids_the_port(self):
        self.squid_on_router()
        gateway = self.field_gateway(self.cloud_hub(), f"{CLOUD}:22", f'proxy = "http://{SQUID}"')
        self.assert_refused(gateway, SQUID, "403")

    def test_proxy_that_answers_502(self):
        self.pages_on_router(lambda _: (502, {}, "<h1>Bad Gateway</h1>"), 3128)
        gateway = self.field_gateway(self.cloud_hub(), HUB, f'proxy = "http://{SQUID}"')
        self.assert_refused(gateway, SQUID, "502")

    def test_proxy_that_is_down_where_the_direct_way_is_open(self):
        self.rules()
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, HUB, f'proxy = "http://{SQUID}"')
        self.assert_delivers(hub, gateway, "direct")
        self.wait_said(gateway, SQUID, "refused")

    def test_tinyproxy_named_by_the_environment(self):
        self.tinyproxy_on_router()
        hub = self.cloud_hub()
        gateway = self.field_gateway(hub, HUB, env={"https_proxy": f"http://{ROUTER}:8888", "no_proxy": "10.99.0.0/16"})
        self.assert_delivers(hub, gateway)
        self.pull_cable(3, lambda: self.feed.give(500))
        self.assert_delivers(hub, gateway)
        # The hub among those that are to be reached without it: there is no way out then.
        gateway.kill()
        gateway.env["no_proxy"] = "10.77.2.0/24"
        gateway.start()
        self.feed.give(500)
        self.wait_status(gateway, "no answer within")
        self.assertEqual(self.uplink(gateway)["path"], "direct")
        self.rules()
        self.assert_delivers(hub, gateway, "direct")


if __name__ == "__main__":
    main()
