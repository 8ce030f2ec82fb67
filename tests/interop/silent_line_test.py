"""Lines that say for how long they will be silent, lines without Hello, and a device that moves from one line to another."""

import struct
import time

from harness import Scenario, main, wait_for
from line_peer import hello, message_of
from sockjs_peer import Closed, Connection, WebSocket, fetch

IDLE_S = 2.0
LATE_S = 0.9  # a tick of the wheel of timeouts, and a busy machine
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Line(Scenario):
    LISTEN = ""

    def setUp(self):
        self.addCleanup(Connection.close_all)
        self.node_ = self.hub(listen=self.LISTEN).start()
        self.token_ = self.node_.token("dev")

    def line(self, token=None):
        return WebSocket(self.node_.port, "/v1/uplink",
                         {"Authorization": f"Bearer {token or self.token_}", "Sec-WebSocket-Protocol": "holdfast.v1"})

    def announce(self, line, seconds):
        line.send(struct.pack(">I", int(seconds * 1000)), PING)
        self.assertEqual(line.frame(), (PONG, struct.pack(">I", int(seconds * 1000))))
        return time.monotonic()

    def assert_after(self, since, seconds):
        passed = time.monotonic() - since
        self.assertGreaterEqual(passed, seconds - 0.05)
        self.assertLess(passed, seconds + LATE_S)

    def assert_closed_for_a_newer(self, line):
        self.assertEqual(line.frame(), (CLOSE, struct.pack(">H", 1013) + b"too many lines without Hello"))

    def assert_pinged_and_dropped(self, line, since, quiet):
        """Pinged after that silence, and dropped half an idle_timeout later."""
        self.assertEqual(line.frame()[0], PING)
        self.assert_after(since, quiet)
        with self.assertRaises((Closed, ConnectionError)):
            line.frame()
        self.assert_after(since, quiet + IDLE_S / 2)


class Silence(Line):
    LISTEN = f'idle_timeout = "{IDLE_S:g} s"'

    def test_without_an_announcement(self):
        self.assert_pinged_and_dropped(self.line(), time.monotonic(), IDLE_S / 2)

    def test_announced_silence_is_kept(self):
        line = self.line()
        self.assert_pinged_and_dropped(line, self.announce(line, 2), 2 + IDLE_S / 2)

    def test_each_word_begins_the_silence_anew(self):
        line = self.line()
        self.announce(line, 1)
        for _ in range(3):
            time.sleep(1)
            line.send(b"", PONG)
        self.assert_pinged_and_dropped(line, time.monotonic(), 1 + IDLE_S / 2)

    def test_the_answer_to_the_hubs_ping_keeps_the_line(self):
        line = self.line()
        self.announce(line, 1)
        self.assertEqual(line.frame(), (PING, b""))
        line.send(b"", PONG)
        self.assert_pinged_and_dropped(line, time.monotonic(), 1 + IDLE_S / 2)

    def test_pongs_that_nobody_asked_for_count(self):
        line = self.line()
        for _ in range(10):
            time.sleep(IDLE_S / 4)
            line.send(b"x", PONG)
        self.assert_pinged_and_dropped(line, time.monotonic(), IDLE_S / 2)

    def test_a_shorter_announcement_takes_the_place_of_a_longer_one(self):
        line = self.line()
        self.announce(line, 0xFFFFFFFF / 1000)
        self.assertTrue(line.connection.is_silent(2 * IDLE_S))
        self.assert_pinged_and_dropped(line, self.announce(line, 0), IDLE_S / 2)

    def test_pings_of_other_sizes_announce_nothing(self):
        line = self.line()
        for payload in (b"", b"\0\0\xff", b"\0\0\xff\xff\xff"):
            line.send(payload, PING)
            self.assertEqual(line.frame(), (PONG, payload))
        self.assert_pinged_and_dropped(line, time.monotonic(), IDLE_S / 2)

    def test_a_message_that_takes_long_is_met_with_pongs(self):
        line = self.line()
        # The head of a masked binary message of 1000 bytes, and then a byte now and then.
        line.connection.socket.sendall(struct.pack(">BBHI", 0x80 | BINARY, 0x80 | 126, 1000, 0))
        began = time.monotonic()
        for due in (4, 8):
            while line.connection.is_silent(0.2):
                line.connection.socket.sendall(b"x")
            self.assertEqual(line.frame(), (PONG, b""))
            self.assert_after(began, due)

    def test_a_push_connection_announces_nothing(self):
        push = WebSocket(self.node_.port, "/v1/push")
        self.assert_pinged_and_dropped(push, self.announce(push, 60), IDLE_S / 2)


class WithoutHello(Line):
    def test_the_ninth_line_of_a_device_closes_the_oldest(self):
        lines = [self.line() for _ in range(9)]
        self.assert_closed_for_a_newer(lines.pop(0))
        for line in lines:
            self.announce(line, 60)
        other = self.line(self.node_.token("other"))
        for line in [*lines, other]:
            self.assertTrue(line.connection.is_silent(0.05))
        self.line()
        self.assert_closed_for_a_newer(lines.pop(0))
        known = [device["id"] for device in self.node_.get_json("/api/devices")["devices"]]
        self.assertNotIn("dev", known)
        self.assertNotIn("other", known)

    def test_lines_that_said_hello_or_ended_make_room(self):
        for _ in range(3):
            lines = [self.line() for _ in range(7)]
            for line in lines:
                line.close()
        wait_for("they are gone", lambda: self.node_.metric("holdfast_connections") == 1)
        first = self.line()
        first.send(hello("dev"), BINARY)
        self.assertEqual(message_of(first.frame()[1])[0], "welcome")
        self.announce(first, 60)
        for _ in range(8):
            self.announce(self.line(), 60)
        self.assertTrue(first.connection.is_silent(0.2))
        self.assertEqual(self.node_.get_json("/api/devices/dev")["state"], "online")

    def test_a_message_that_is_not_known_is_answered(self):
        line = self.line()
        line.send(b"", BINARY)
        self.assertEqual(message_of(line.frame()[1])[0], "result")

    def test_they_end_with_the_devices_token(self):
        line = self.line()
        self.announce(line, 60)
        self.node_.ask("token", "revoke", "--device", "dev")
        name, body = message_of(line.frame()[1])
        self.assertEqual((name, body[1]), ("goodbye", [b"the device's token was revoked"]))
        self.assertEqual(line.frame()[0], CLOSE)


class Renewal(Line):
    def welcomed(self, boot):
        line = self.line()
        self.announce(line, 60)
        line.send(hello("dev", boot), BINARY)
        self.assertEqual(message_of(line.frame()[1])[0], "welcome")
        return line

    def test_the_same_boot_moves_quietly(self):
        older = self.welcomed(7)
        newer = self.welcomed(7)
        self.assertEqual(message_of(older.frame()[1])[0], "goodbye")
        self.assertEqual(older.frame()[0], CLOSE)
        self.assertTrue(newer.connection.is_silent(0.2))
        self.assertTrue(self.node_.logged("device dev moves its line"))
        self.assertFalse(self.node_.logged("share one id"))
        self.assertEqual(self.node_.get_json("/api/devices/dev")["state"], "online")

    def test_another_boot_is_told(self):
        older = self.welcomed(7)
        self.welcomed(8)
        self.assertEqual(message_of(older.frame()[1])[0], "goodbye")
        self.assertTrue(self.node_.logged("share one id"))

    def test_the_older_line_may_close_first(self):
        older = self.welcomed(7)
        older.send(struct.pack(">H", 1000), CLOSE)
        self.welcomed(7)
        self.assertEqual(self.node_.get_json("/api/devices/dev")["state"], "online")


class NoUpgrade(Line):
    def test_a_request_whose_upgrade_was_stripped_is_told_so(self):
        for path in ("/v1/uplink", "/v1/push", "/v1/push?source=x", "/v1/live"):
            for headers in ({}, {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": WebSocket.KEY, "Authorization": f"Bearer {self.token_}"}):
                response = fetch(self.node_.port, "GET", path, headers)
                self.assertEqual((response.status, response.header("Upgrade")), (426, "websocket"))
                self.assertIn("upgrade", response.header("Connection").lower())
                self.assertIn(b"WebSocket", response.body)


if __name__ == "__main__":
    main()
