"""A captive portal: it answers in place of the hub until somebody has logged in."""

from lab import CLOUD, HUB_PORT, Lab, main

ALL_TO_PORTAL = 'iifname "lan" tcp dport 1-65535 redirect to :80'


class Portal(Lab):
    def portal(self, first):
        """Whoever asks for anything gets `first`, with the login page where that leads to."""
        self.rules(redirect=ALL_TO_PORTAL)
        self.pages_on_router(lambda path: (200, {"Content-Type": "text/html"}, "<h1>Welcome to our hotel</h1>")
                             if path == "/login" else first)

    def assert_named_and_passed(self, *words, status):
        """`words` are said in the log; `status` is what the best of the ways that were tried met."""
        hub = self.cloud_hub()
        self.feed.give(1000)
        gateway = self.field_gateway(hub, f"{CLOUD}:{HUB_PORT}")
        self.wait_said(gateway, *words)
        self.wait_status(gateway, status)
        self.assertNotEqual(gateway.uplink_state(), "live")
        self.feed.give(1000)
        self.rules()
        # By whichever way was being tried when it opened.
        self.wait_live(gateway)
        self.assert_all_arrived(hub, gateway)
        return hub, gateway

    def test_portal_that_redirects(self):
        self.portal((302, {"Location": "http://10.77.1.1/login"}, ""))
        hub, gateway = self.assert_named_and_passed("302", "to http://10.77.1.1: a captive portal", "captive portal", status="captive portal")
        # A login that runs out: what is established goes on, and the cable ends that.
        self.rules(redirect=ALL_TO_PORTAL)
        self.pull_cable(1)
        self.feed.give(500)
        self.assert_all_arrived(hub, gateway)

    def test_portal_that_shows_its_page_at_once(self):
        self.portal((200, {"Content-Type": "text/html"}, "<h1>Welcome to our hotel</h1>" * 1000))
        self.assert_named_and_passed("200", "captive portal", status="captive portal")

    def test_portal_before_a_hub_with_tls(self):
        """It speaks HTTP where TLS is expected, so its words are not heard; that it is no TLS is said."""
        self.portal((302, {"Location": "/login"}, ""))
        certificate = self.certificate(CLOUD)
        hub = self.cloud_hub(certificate)
        self.feed.give(1000)
        gateway = self.field_gateway(hub, f"{CLOUD}:{HUB_PORT}", f'ca_file = "{certificate[0]}"', "wss")
        self.wait_said(gateway, "not TLS")
        self.rules()
        self.wait_path(gateway, "direct")
        self.assert_all_arrived(hub, gateway)


if __name__ == "__main__":
    main()
