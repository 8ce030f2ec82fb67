"""Bad days of the line: tokens, certificates, a hub that is not there, two gateways with one name."""

import os
import signal

from harness import Scenario, free_port, main, stays, wait_for


class BadLine(Scenario):
    def feed(self, count=2000):
        """A followed file with numbered readings, as a [[sensor]] section."""
        self.lines = self.write("feed.jsonl", "".join(f'{{"channel":"c","value":{n}}}\n' for n in range(count)))
        self.fed = count
        return f'[[sensor]]\ndriver = "lines"\npath = "{self.lines}"\n'

    def feed_more(self, count=500):
        with open(self.lines, "a", encoding="utf-8") as out:
            out.writelines(f'{{"channel":"c","value":{n}}}\n' for n in range(self.fed, self.fed + count))
        self.fed += count

    def wait_journaled(self, gateway):
        wait_for("the gateway journals", lambda: gateway.backlog() == self.fed, 20, 0.1)

    def assert_delivered(self, hub, gateway, device="gateway"):
        self.wait_delivered(gateway)
        self.assertEqual([row["value"] for row in hub.readings(device)], list(range(self.fed)))
        self.assertEqual(hub.get_json(f"/api/devices/{device}")["gap_records"], [])


class Tokens(BadLine):
    def test_wrong_token(self):
        hub = self.hub().start()
        hub.token("gateway")
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", "f" * 64, self.feed()).start()
        wait_for("the gateway says why", lambda: gateway.logged("the device token is not known here"))
        wait_for("the hub says why", lambda: hub.logged("wrong or revoked"))
        self.wait_journaled(gateway)
        self.assertIn("not known here", gateway.status()["uplink"]["last_error"])
        # Put right while it runs: the file is read for each try.
        self.write("gateway.token", hub.token("gateway"))
        self.assert_delivered(hub, gateway)

    def test_missing_token(self):
        hub = self.hub().start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", "x", self.feed())
        os.truncate(self.path("gateway.token"), 0)
        gateway.start()
        wait_for("the gateway says why", lambda: gateway.logged("cannot be read or is empty"))
        self.wait_journaled(gateway)
        self.write("gateway.token", hub.token("gateway"))
        self.assert_delivered(hub, gateway)

    def test_no_token_file_configured(self):
        hub = self.hub().start()
        gateway = self.node("gateway", f'[uplink]\nurl = "ws://127.0.0.1:{hub.port}"\n').start()
        wait_for("the gateway says why", lambda: gateway.logged("no device token was presented"))

    def test_token_of_another_device(self):
        hub = self.hub().start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("someone-else"), self.feed()).start()
        wait_for("the gateway says why", lambda: gateway.logged('the token is of device "someone-else"'))
        self.wait_journaled(gateway)

    def test_revoked_token_ends_the_line(self):
        feed = self.feed()
        hub, gateway = self.pair(feed)
        self.assert_delivered(hub, gateway)
        revoked = hub.ask("token", "revoke", "--device", "gateway")
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        wait_for("the line ends", lambda: gateway.uplink_state() != "live", 10)
        wait_for("the gateway says why", lambda: gateway.logged("the device's token was revoked"))
        self.feed_more()
        wait_for("the gateway journals", lambda: gateway.backlog() == 500, 20, 0.1)


class Certificates(BadLine):
    def distrusted(self, certificate, *reasons):
        """The gateway says what is wrong, journals, tries; and delivers when the certificate is put right."""
        certificates = self.certificates()
        hub = self.hub(certificate=f"{certificates}/{certificate}").start()
        gateway = self.gateway(f"wss://localhost:{hub.port}/v1/uplink", hub.token("gateway"), self.feed(),
                               f'ca_file = "{certificates}/ca.pem"').start()
        wait_for("the gateway says why", lambda: any(gateway.logged(reason) for reason in reasons))
        self.wait_journaled(gateway)
        self.assertTrue(any(reason in gateway.status()["uplink"]["last_error"] for reason in reasons))
        hub.terminate()
        hub.exit_code()
        for ending in ("pem", "key"):
            os.replace(f"{certificates}/server.{ending}", f"{certificates}/{certificate}.{ending}")
        hub.start()
        self.assert_delivered(hub, gateway)

    def test_expired(self):
        self.distrusted("expired", "expired")

    def test_not_yet_valid(self):
        self.distrusted("notyet", "not yet valid")

    def test_self_signed(self):
        self.distrusted("selfsigned", "self-signed", "self signed")

    def test_misnamed(self):
        self.distrusted("wrongname", "localhost")

    def test_of_an_unknown_authority(self):
        self.distrusted("unknown", "authority", "issuer", "unknown")

    def test_client_certificate_in_place_of_a_token(self):
        certificates = self.certificates()
        hub = self.hub(certificate=f"{certificates}/server", listen=f'client_ca = "{certificates}/ca.pem"').start()
        client = "\n".join(f'{key} = "{certificates}/{file}"' for key, file in
                           (("ca_file", "ca.pem"), ("cert_file", "client.pem"), ("key_file", "client.key")))
        gateway = self.node("greenhouse-7", f'[uplink]\nurl = "wss://localhost:{hub.port}"\n{client}\n{self.feed()}').start()
        self.assert_delivered(hub, gateway, "greenhouse-7")


class Absent(BadLine):
    def test_hub_that_comes_later(self):
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), self.feed()).start()
        wait_for("the gateway says why", lambda: gateway.logged("refused"))
        self.wait_journaled(gateway)
        hub.start()
        self.assert_delivered(hub, gateway)

    def test_hub_that_never_comes(self):
        gateway = self.gateway(f"ws://127.0.0.1:{free_port()}/v1/uplink", "x", self.feed()).start()
        self.wait_journaled(gateway)
        status = wait_for("status says why", lambda: gateway.status()["uplink"].get("last_error") and gateway.status())
        self.assertIn("refused", status["uplink"]["last_error"])
        self.assertNotEqual(status["uplink"]["state"], "live")
        self.feed_more()
        self.wait_journaled(gateway)
        # What a hundred tries say is not written a hundred times.
        self.assertEqual(gateway.log_text().count("refused"), 1)

    def test_name_that_does_not_resolve(self):
        gateway = self.gateway("ws://hub.invalid/v1/uplink", "x", self.feed()).start()
        wait_for("the gateway says why", lambda: gateway.logged("hub.invalid"))
        self.wait_journaled(gateway)

    def test_gateway_restarted_while_the_hub_is_away(self):
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), self.feed()).start()
        for _ in range(5):
            self.wait_journaled(gateway)
            gateway.kill()
            self.feed_more(100)
            gateway.start()
        hub.start()
        self.assert_delivered(hub, gateway)

    def test_hub_that_hangs(self):
        """It is there and answers nothing, as a machine that swaps: the line is given up, and all arrives once it is back."""
        hub = self.hub().start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), self.feed(),
                               'heartbeat = "1 s"\npong_timeout = "500 ms"\nconnect_timeout = "1 s"').start()
        self.assert_delivered(hub, gateway)
        hub.child.send_signal(signal.SIGSTOP)
        self.feed_more(1000)
        wait_for("the line is given up", lambda: gateway.status()["uplink"]["reconnects"] > 0, 20, 0.1)
        wait_for("the next tries have their time-out", lambda: gateway.logged("no answer to the WebSocket handshake"), 20, 0.1)
        self.feed_more(1000)
        hub.child.send_signal(signal.SIGCONT)
        self.assert_delivered(hub, gateway)

    def test_gateway_that_hangs(self):
        """The hub gives its line up; when it wakes up it comes again, and nothing is doubled."""
        hub = self.hub(listen='idle_timeout = "2 s"').start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), self.feed()).start()
        self.assert_delivered(hub, gateway)
        gateway.child.send_signal(signal.SIGSTOP)
        wait_for("the hub gives it up", lambda: hub.get_json("/api/devices/gateway")["state"] == "offline", 20, 0.1)
        self.feed_more(1000)
        gateway.child.send_signal(signal.SIGCONT)
        wait_for("it is back", lambda: len(hub.readings("gateway")) == self.fed)
        self.assert_delivered(hub, gateway)

    def test_server_that_is_no_hub(self):
        port = free_port()
        nginx = self.nginx("nginx", port, "http { access_log off; client_body_temp_path t; proxy_temp_path t; "
                           "fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t; "
                           f"server {{ listen 127.0.0.1:{port}; return 404; }} }}").start()
        gateway = self.gateway(f"ws://127.0.0.1:{port}/v1/uplink", "x", self.feed()).start()
        wait_for("the gateway says what came", lambda: gateway.logged("404"))
        self.wait_journaled(gateway)
        self.assertTrue(nginx.running())


class OneName(BadLine):
    def test_the_newer_of_two_gateways_with_one_id_wins(self):
        hub = self.hub().start()
        token = hub.token("twin")
        first = self.node("twin", self.uplink(hub, token), name="first").start()
        self.wait_live(first)
        second = self.node("twin", self.uplink(hub, token), name="second").start()
        self.wait_live(second)
        wait_for("the older is told why", lambda: first.logged("a newer line with this device id has come"))
        wait_for("the hub says it", lambda: hub.logged("share one id"))
        stays("the newer keeps its line, the older does not come back at once",
              lambda: second.uplink_state() == "live" and first.uplink_state() != "live", 2)
        self.assertEqual(hub.get_json("/api/devices/twin")["state"], "online")

    def uplink(self, hub, token):
        file = self.write("twin.token", token)
        return (f'[uplink]\nurl = "ws://127.0.0.1:{hub.port}"\ntoken_file = "{file}"\nretry_min = "50 ms"\n'
                'retry_max = "500 ms"\n')


if __name__ == "__main__":
    main()
