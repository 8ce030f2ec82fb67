"""The line over SockJS: a device's end by raw HTTP (`sockjs_peer.py`, `line_peer.py`) against a hub as it is shipped."""

import asyncio
import base64
import json
import os
import time

import websockets
from harness import Scenario, free_port, main, wait_for
from line_peer import batch, hello, message_of, open_stream
from sockjs_peer import Closed, Connection, WebSocket, fetch

BATCH_READINGS = 2  # of line_peer.TWO_READINGS


class SockjsLine:
    """One session of SockJS. `transport`: xhr, xhr_streaming, eventsource, websocket or raw."""

    def __init__(self, port, token, transport="xhr_streaming", name=None):
        self.port, self.transport = port, transport
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.path = f"/sockjs/000/{name or os.urandom(8).hex()}"
        self.frames, self.messages, self.text = [], [], ""
        self.sender = self.socket = self.response = None
        self.receiver = None if transport in ("websocket", "raw") else Connection(port)
        if self.receiver is None:
            self.socket = WebSocket(port, "/sockjs/websocket" if transport == "raw" else self.path + "/websocket", self.headers)
        else:
            self.ask()
        if transport != "raw":
            assert self.frame() == "o"

    def ask(self):
        method = "GET" if self.transport == "eventsource" else "POST"
        self.receiver.ask(method, f"{self.path}/{self.transport}", self.headers, b"" if method == "POST" else None)
        if self.transport == "xhr":
            return
        self.response = self.receiver.head()
        assert self.response.status == 200, self.response.status

    def frame(self):
        if self.socket:
            return self.socket.receive()
        if self.transport == "xhr":
            response = self.receiver.whole()
            assert response.status == 200, (response.status, response.body)
            frame = response.body.decode().rstrip("\n")
            if not frame.startswith("c"):
                self.ask()
            return frame
        while True:
            while "\n" in self.text:
                frame, self.text = self.text.split("\n", 1)
                frame = frame.strip("\r").removeprefix("data: ")
                if frame and frame.strip("h"):
                    return frame
            self.text += self.response.chunk().decode()

    def envelope(self):
        """The next one. Raises Closed with code and reason."""
        while not self.messages:
            frame = self.frame()
            if self.transport == "raw":
                self.messages = [frame]
            elif frame.startswith("c"):
                raise Closed(*json.loads(frame[1:]))
            elif frame.startswith("a"):
                self.messages = json.loads(frame[1:])
        return base64.b64decode(self.messages.pop(0))

    def message(self):
        return message_of(self.envelope())

    def post(self, body, headers=None):
        """xhr_send, on a connection that is kept."""
        if self.sender is None:
            self.sender = Connection(self.port)
        self.sender.ask("POST", f"{self.path}/xhr_send", self.headers if headers is None else headers, body)
        response = self.sender.whole()
        if response.header("Connection") == "close":
            self.sender = None
        return response.status

    def send(self, *envelopes):
        texts = [base64.b64encode(envelope).decode() for envelope in envelopes]
        if self.socket:
            for text in texts if self.transport == "raw" else [json.dumps(texts)]:
                self.socket.send(text)
            return
        status = self.post(json.dumps(texts).encode())
        assert status == 204, status

    def greet(self, device, boot=1, **stream):
        """Hello, Welcome; the highest number that is known."""
        self.send(hello(device, boot, [open_stream(1, device, 2, 5, **stream)]))
        name, body = self.message()
        assert name == "welcome", name
        known = message_of(b"\x3a" + bytes([len(body[1][0])]) + body[1][0])[1]  # laid out as an Ack is
        return known.get(2, [0])[0]

    def wait_ack(self, through):
        while True:
            name, body = self.message()
            assert name == "ack", name
            if body[2][0] >= through:
                return body[2][0]

    def goodbye(self):
        """Its reason; the session ends behind it."""
        name, body = self.message()
        assert name == "goodbye", name
        try:
            while True:
                self.message()
        except Closed as closed:
            assert closed.args[0] == 1013, closed.args
        return body[1][0].decode()

    def close(self):
        (self.socket or self.receiver).close()


class Line(Scenario):
    LISTEN = ""

    def setUp(self):
        self.addCleanup(Connection.close_all)
        self.node_ = self.hub(listen=self.LISTEN).start()
        self.token_ = self.node_.token("dev")

    def line(self, transport="xhr_streaming", token=None, **options):
        return SockjsLine(self.node_.port, token or self.token_, transport, **options)

    def sessions(self):
        return self.node_.metric("holdfast_sockjs_sessions")

    def state(self, device="dev"):
        return self.node_.get_json(f"/api/devices/{device}")["state"]

    def assert_closed(self, line, code, words):
        with self.assertRaises(Closed) as caught:
            line.message()
        self.assertEqual(caught.exception.args[0], code)
        self.assertIn(words, caught.exception.args[1])


class Delivery(Line):
    def test_readings_arrive_over_every_transport_and_are_resumed_on_the_next(self):
        through = 0
        for transport in ("xhr_streaming", "xhr", "eventsource", "websocket", "raw"):
            with self.subTest(transport):
                line = self.line(transport)
                self.assertEqual(line.greet("dev"), through)
                self.assertEqual(self.state(), "online")
                # One number that the hub has, several messages in one request, and one more request.
                again = through - 1 if through else 1
                line.send(*[batch(1, first) for first in range(again, again + 10, 2)])
                line.send(batch(1, again + 10))
                through = again + 11
                self.assertEqual(line.wait_ack(through), through)
                line.close()
                wait_for("it is gone", lambda: self.state() == "offline")
        self.assertEqual([row["value"] for row in self.node_.readings("dev")], [21.5, 21.57] * (through // 2))
        wait_for("no session is left", lambda: self.sessions() == 0, 20)

    def test_more_than_the_memory_holds(self):
        """While there is no room for readings, requests wait."""
        self.node_.terminate()
        self.node_.exit_code()
        hub = self.hub('[journal]\nmemory = "64 KiB"', name="small").start()
        count, lines = 3000, []
        for number in range(4):
            device = f"d{number}"
            lines.append(SockjsLine(hub.port, hub.token(device), ("xhr", "xhr_streaming", "websocket", "raw")[number]))
            lines[-1].greet(device)
        for part in range(3):
            for line in lines:
                first = part * count * BATCH_READINGS + 1
                if line.socket and line.transport == "websocket":
                    for begin in range(0, count, 100):  # the peer's frames have at most 65,535 bytes
                        line.send(*[batch(1, first + BATCH_READINGS * n) for n in range(begin, begin + 100)])
                else:
                    line.send(*[batch(1, first + BATCH_READINGS * n) for n in range(count)])
        for line in lines:
            line.wait_ack(3 * count * BATCH_READINGS)
        for number in range(4):
            self.assertEqual(hub.get_json(f"/api/devices/d{number}")["readings"], 3 * count * BATCH_READINGS)

    def test_an_empty_envelope_is_answered(self):
        for transport in ("xhr", "xhr_streaming", "websocket"):
            line = self.line(transport)
            line.send(b"")  # also before Hello: does it pass?
            self.assertEqual(line.message()[0], "result")
            line.greet("dev")
            line.send(b"", b"")
            self.assertEqual([line.message()[0], line.message()[0]], ["result", "result"])

    def test_an_envelope_of_nine_megabytes(self):
        line = self.line("xhr")
        line.greet("dev")
        line.send(batch(1, 1, os.urandom((9 << 20) - 64)))
        self.assertEqual(line.message()[0], "refusal")
        line.send(batch(1, 1))
        self.assertEqual(line.wait_ack(2), 2)

    def test_a_hundred_sessions(self):
        tokens = {f"d{n}": self.node_.token(f"d{n}") for n in range(100)}
        lines = {device: self.line(("xhr", "xhr_streaming")[n % 2], token) for n, (device, token) in enumerate(tokens.items())}
        for device, line in lines.items():
            line.greet(device)
            line.send(batch(1, 1))
        for line in lines.values():
            line.wait_ack(2)
        self.assertEqual(self.sessions(), 100)
        self.assertEqual(sum(each["state"] == "online" for each in self.node_.get_json("/api/devices")["devices"]), 100)
        for line in lines.values():
            line.close()
        wait_for("they are offline", lambda: self.state("d99") == self.state("d0") == "offline")
        wait_for("no session is left", lambda: self.sessions() == 0, 20)

    def test_through_nginx_that_buffers(self):
        port = free_port()
        self.nginx("nginx", port, "http { access_log off; client_body_temp_path t; proxy_temp_path p; fastcgi_temp_path f; "
                   f"uwsgi_temp_path u; scgi_temp_path s; server {{ listen 127.0.0.1:{port}; proxy_buffering on; "
                   f"location / {{ proxy_pass http://127.0.0.1:{self.node_.port}; }} }} }}").start()
        through = 0
        for transport in ("xhr_streaming", "xhr"):
            began = time.monotonic()
            line = SockjsLine(port, self.token_, transport)
            self.assertEqual(line.greet("dev"), through)
            for _ in range(20):
                line.send(batch(1, through + 1))
                through += BATCH_READINGS
                line.wait_ack(through)
            self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(fetch(port, "GET", "/v1/uplink", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                                                           "Sec-WebSocket-Key": WebSocket.KEY}).status, 426)


class HelloWithTheRequest(Line):
    """The header Holdfast-Hello on the request that opens the session."""

    def ask(self, name, transport, value, connection=None):
        connection = connection or Connection(self.node_.port)
        connection.ask("POST", f"/sockjs/000/{name}/{transport}", {"Authorization": f"Bearer {self.token_}", "Holdfast-Hello": value}, b"")
        return connection

    def header(self, device="dev", boot=1):
        return base64.b64encode(hello(device, boot, [open_stream(1, device, 2, 5)])).decode()

    def frames(self, text):
        """Names of messages, closing codes, `o`."""
        out = []
        for frame in text.splitlines():
            if frame.startswith("a"):
                out += [message_of(base64.b64decode(each))[0] for each in json.loads(frame[1:])]
            elif frame.strip("h"):
                out.append(json.loads(frame[1:])[0] if frame.startswith("c") else frame)
        return out

    def stream(self, connection, count):
        """The response and its first frames."""
        response, text = connection.head(), ""
        while len(self.frames(text)) < count:
            text += response.chunk().decode()
        return response, self.frames(text)

    def test_welcome_comes_with_the_first_answer(self):
        response, frames = self.stream(self.ask("s", "xhr_streaming", self.header()), 2)
        self.assertEqual((response.status, response.header("Holdfast-Hello"), frames), (200, "taken", ["o", "welcome"]))
        self.assertEqual(self.state(), "online")
        polling = self.ask("p", "xhr", self.header())
        response = polling.whole()
        self.assertEqual((response.status, response.header("Holdfast-Hello")), (200, "taken"))
        frames = self.frames(response.body.decode())
        if frames == ["o"]:  # Welcome had to wait for the disk
            frames += self.frames(self.ask("p", "xhr", self.header(), polling).whole().body.decode())
        self.assertEqual(frames, ["o", "welcome"])
        # On a session that is there the header says nothing any more.
        again = self.ask("p", "xhr", self.header(), polling)
        sender = Connection(self.node_.port)
        sender.ask("POST", "/sockjs/000/p/xhr_send", {"Authorization": f"Bearer {self.token_}"}, json.dumps([base64.b64encode(batch(1, 1)).decode()]).encode())
        self.assertEqual(sender.whole().status, 204)
        response = again.whole()
        self.assertEqual((self.frames(response.body.decode()), response.header("Holdfast-Hello")), (["ack"], None))

    def test_an_answer_that_lost_its_header_costs_nothing(self):
        """Then Hello comes again, as the first message."""
        for transport in ("xhr_streaming", "xhr"):
            name, value = f"r{transport}", self.header()
            receiver, frames = self.ask(name, transport, value), []
            if transport == "xhr":
                frames = self.frames(receiver.whole().body.decode())
                self.ask(name, transport, value, receiver)
            sender = Connection(self.node_.port)
            for envelope in (hello("dev", 1, [open_stream(1, "dev", 2, 5)]), batch(1, 1)):
                sender.ask("POST", f"/sockjs/000/{name}/xhr_send", {"Authorization": f"Bearer {self.token_}"},
                           json.dumps([base64.b64encode(envelope).decode()]).encode())
                self.assertEqual(sender.whole().status, 204)
            if transport == "xhr_streaming":
                frames = self.stream(receiver, 3)[1]
            while len(frames) < 3:
                frames += self.frames(receiver.whole().body.decode())
                self.ask(name, transport, value, receiver)
            self.assertEqual(frames, ["o", "welcome", "ack"])

    def test_a_gateway_behind_a_proxy_that_drops_the_header(self):
        for number, (buffering, drops) in enumerate((on, drops) for on in ("on", "off") for drops in (
                "", 'proxy_set_header Holdfast-Hello "";', "proxy_hide_header Holdfast-Hello;")):
            with self.subTest(buffering=buffering, drops=drops):
                port, device = free_port(), f"g{number}"
                ignores = "proxy_ignore_headers X-Accel-Buffering;" if buffering == "on" else ""
                self.nginx(f"nginx{number}", port, "http { access_log off; client_body_temp_path t; proxy_temp_path p; fastcgi_temp_path f; "
                           f"uwsgi_temp_path u; scgi_temp_path s; server {{ listen 127.0.0.1:{port}; proxy_buffering {buffering}; {ignores} {drops} "
                           f"location / {{ proxy_pass http://127.0.0.1:{self.node_.port}; }} }} }}").start()
                lines = self.write(f"{device}.jsonl", '{"channel":"t","value":1}\n')
                gateway = self.gateway(f"ws://127.0.0.1:{port}/v1/uplink", self.node_.token(device),
                                       f'[[sensor]]\ndriver = "lines"\npath = "{lines}"\n', name=device).start()
                self.wait_live(gateway)
                wait_for("its reading arrives", lambda device=device: len(self.node_.readings(device)) == 1)
                uplink = gateway.status()["uplink"]
                self.assertEqual((uplink["state"], uplink["path"], uplink["reconnects"]),
                                 ("live", "direct+xhr" if buffering == "on" else "direct+xhr_streaming", 0))
                self.assertFalse(self.node_.logged("second Hello"))

    def test_what_is_no_base64_is_passed_over(self):
        for number, value in enumerate(("", "!", "AAA", self.header() + "=", self.header().replace("C", " ", 1))):
            response = self.ask(f"n{number}", "xhr", value).whole()
            self.assertEqual((value, response.status, response.header("Holdfast-Hello"), response.body), (value, 200, None, b"o\n"))

    def test_what_is_no_hello_ends_the_session(self):
        for number, (value, code) in enumerate((("////", 1002), (base64.b64encode(batch(1, 1)).decode(), 1002), (self.header("other"), 1008))):
            response, frames = self.stream(self.ask(f"s{number}", "xhr_streaming", value), 2)
            self.assertEqual((value, response.header("Holdfast-Hello"), frames), (value, "taken", ["o", code]))
            polling = self.ask(f"p{number}", "xhr", value)
            self.assertEqual(polling.whole().body, b"o\n")
            self.assertEqual(self.frames(self.ask(f"p{number}", "xhr", value, polling).whole().body.decode()), [code])

    def test_a_head_that_is_too_large(self):
        self.assertEqual(self.ask("l", "xhr", "A" * (1 << 20)).whole().status, 431)
        self.assertEqual(self.sessions(), 0)

    def test_who_is_not_welcome_says_no_hello(self):
        token, self.token_ = self.token_, "f" * 64
        self.assertEqual(self.ask("a", "xhr", self.header()).whole().status, 401)
        self.token_ = token
        self.assertEqual(self.sessions(), 0)


class Admission(Line):
    def test_without_a_token_that_is_known_there_is_no_session(self):
        for headers in ({}, {"Authorization": "Bearer " + "f" * 64}, {"Authorization": self.token_}):
            for method, path in (("POST", "xhr"), ("POST", "xhr_streaming"), ("GET", "eventsource"), ("GET", "htmlfile?c=x"), ("GET", "jsonp?c=x"),
                                 ("GET", "websocket")):
                response = fetch(self.node_.port, method, f"/sockjs/000/abc/{path}", headers)
                self.assertEqual((path, response.status), (path, 401))
                self.assertEqual(response.header("WWW-Authenticate"), "Bearer")
            self.assertEqual(fetch(self.node_.port, "GET", "/sockjs/websocket", headers).status, 401)
            self.assertEqual(fetch(self.node_.port, "POST", "/sockjs/000/abc/xhr_send", headers, b'["x"]').status, 404)
        self.assertEqual(fetch(self.node_.port, "OPTIONS", "/sockjs/000/abc/xhr").status, 204)
        self.assertEqual(self.sessions(), 0)
        self.assertTrue(self.node_.logged("no device token was presented"))

    def test_what_needs_no_token(self):
        self.assertEqual(fetch(self.node_.port, "GET", "/sockjs").body, b"Welcome to SockJS!\n")
        self.assertTrue(json.loads(fetch(self.node_.port, "GET", "/sockjs/info").body)["websocket"])
        self.assertEqual(fetch(self.node_.port, "GET", "/sockjs/iframe.html").status, 200)
        self.assertEqual(fetch(self.node_.port, "GET", "/sockjs.min.js").status, 404)
        self.assertEqual(fetch(self.node_.port, "GET", "/sockjsx").status, 404)

    def test_the_name_of_a_session_is_not_enough(self):
        line = self.line()
        line.greet("dev")
        other = {"Authorization": f"Bearer {self.node_.token('other')}"}
        self.assertEqual(line.post(b'["x"]', headers={}), 401)
        self.assertEqual(line.post(b'["x"]', headers=other), 403)
        self.assertEqual(fetch(self.node_.port, "POST", line.path + "/xhr", other).status, 403)
        line.send(batch(1, 1))
        self.assertEqual(line.wait_ack(2), 2)

    def test_a_page_of_another_origin_is_not_let_in(self):
        response = fetch(self.node_.port, "POST", "/sockjs/000/abc/xhr", {"Origin": "http://elsewhere", "Authorization": f"Bearer {self.token_}"})
        self.assertEqual(response.status, 403)

    def test_revoked(self):
        lines = [self.line(transport, self.node_.token(transport.replace("_", "-"))) for transport in ("xhr_streaming", "xhr", "websocket")]
        for line in lines[:2]:
            line.greet(line.transport.replace("_", "-"))
        for line in lines:
            self.node_.ask("token", "revoke", "--device", line.transport.replace("_", "-"))
            self.assertEqual(line.goodbye(), "the device's token was revoked")
        self.assertEqual(self.state("xhr"), "offline")

    def test_a_client_certificate(self):
        certificates = self.certificates()
        hub = self.hub(certificate=f"{certificates}/server", listen=f'client_ca = "{certificates}/ca.pem"', name="tls").start()
        hub.tls.load_cert_chain(f"{certificates}/client.pem", f"{certificates}/client.key")
        connection = Connection(hub.port)
        connection.socket = hub.tls.wrap_socket(connection.socket)
        connection.ask("POST", "/sockjs/000/abc/xhr_streaming", {}, b"")
        self.assertEqual(connection.head().status, 200)


class Ends(Line):
    def test_the_hub_stops(self):
        lines = [self.line("xhr_streaming"), self.line("xhr", self.node_.token("a")), self.line("websocket", self.node_.token("b"))]
        for line, device in zip(lines, ("dev", "a", "b")):
            line.greet(device)
        self.node_.terminate()
        for line in lines:
            if line.transport == "xhr":
                self.assertEqual(line.message()[0], "goodbye")  # the hub is gone before another poll could come
            else:
                self.assertEqual(line.goodbye(), "this hub stops")
        self.assertEqual(self.node_.exit_code(), 0)

    def test_a_receiver_that_is_lost_ends_the_session(self):
        for transport in ("xhr_streaming", "xhr", "websocket", "raw"):
            line = self.line(transport)
            line.greet("dev")
            self.assertEqual(self.state(), "online")
            line.close()
            wait_for("it is offline", lambda: self.state() == "offline", 5)

    def test_a_poll_that_does_not_come_again_ends_the_session(self):
        line = self.line("xhr")
        line.greet("dev")
        line.ask = lambda: None
        line.send(b"")
        self.assertEqual(line.message()[0], "result")
        wait_for("it is offline", lambda: self.state() == "offline", 30)
        self.assertEqual(self.sessions(), 0)

    def test_a_newer_line_takes_over(self):
        async def greet(boot):
            async with websockets.connect(f"ws://127.0.0.1:{self.node_.port}/v1/uplink", subprotocols=["holdfast.v1"],
                                          extra_headers={"Authorization": f"Bearer {self.token_}"}) as socket:
                await socket.send(hello("dev", boot))
                self.assertEqual(message_of(await socket.recv())[0], "welcome")

        polling = self.line("xhr")
        polling.greet("dev", 7)
        streaming = self.line("xhr_streaming")
        streaming.greet("dev", 7)
        self.assertIn("a newer line", polling.goodbye())
        self.assertTrue(self.node_.logged("device dev moves its line"))
        asyncio.run(greet(7))
        self.assertIn("a newer line", streaming.goodbye())
        self.assertFalse(self.node_.logged("share one id"))
        last = self.line("xhr")
        last.greet("dev", 7)
        asyncio.run(greet(8))
        self.assertIn("a newer line", last.goodbye())
        self.assertTrue(self.node_.logged("share one id"))

    def test_the_ninth_line_without_hello_closes_the_oldest(self):
        lines = [self.line(("xhr", "xhr_streaming", "websocket")[n % 3]) for n in range(9)]
        self.assert_closed(lines[0], 1013, "too many lines without Hello")
        for line in lines[1:]:
            line.send(b"")
            self.assertEqual(line.message()[0], "result")

    def test_answers_that_nobody_takes(self):
        """Its acknowledgements wait for a device that never asks for them: up to the limit."""
        line = self.line("xhr")
        line.greet("dev")
        line.ask = lambda: None
        line.send(b"")
        self.assertEqual(line.message()[0], "result")
        for _ in range(5):
            self.assertEqual(line.post(json.dumps([""] * 10_000).encode()), 204)
        self.assertTrue(self.node_.logged("does not take its answers"))
        self.assertEqual(self.state(), "offline")
        self.assertTrue(self.node_.running())
        self.assertLess(self.node_.rss_bytes(), 200 << 20)


class BadInput(Line):
    def test_what_is_no_envelope(self):
        for text, code, words in (("garbage!", 1003, "base64"), ("////", 1002, ""), (base64.b64encode(batch(1, 1)).decode(), 1002, "must be Hello"),
                                  (base64.b64encode(hello("other")).decode(), 1008, "token is of device")):
            for transport in ("xhr", "xhr_streaming", "websocket"):
                line = self.line(transport)
                if line.socket:
                    line.socket.send(json.dumps([text]))
                else:
                    self.assertEqual(line.post(json.dumps([text]).encode()), 204)
                self.assert_closed(line, code, words)
        wait_for("no session is left", lambda: self.sessions() == 0, 20)

    def test_what_is_no_sockjs(self):
        line = self.line()
        line.greet("dev")
        for body in (b"", b"x", b"{}", b"[1]", b'["x"', b'"x"', b"\xff\xfe", b"[" * 60_000):
            self.assertEqual(line.post(body), 500, body[:10])
        line.send(batch(1, 1))
        self.assertEqual(line.wait_ack(2), 2)

    def test_bodies_over_the_limit(self):
        line = self.line()
        line.greet("dev")
        large = b'["' + b"A" * 100_000 + b'"]'
        # Who names no session, or has no right to it, is told before anything is kept.
        self.assertEqual(fetch(self.node_.port, "POST", "/sockjs/000/nothing/xhr_send", line.headers, large).status, 413)
        self.assertEqual(fetch(self.node_.port, "POST", line.path + "/xhr_send", {}, large).status, 413)
        self.assertEqual(fetch(self.node_.port, "POST", line.path + "/xhr", line.headers, large).status, 413)
        self.assertEqual(fetch(self.node_.port, "POST", "/api/devices", line.headers, large).status, 413)
        too_large = Connection(self.node_.port)
        too_large.send(f"POST {line.path}/xhr_send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token_}\r\n"
                       f"Content-Length: {13 << 20}\r\n\r\n".encode())
        self.assertEqual(too_large.whole().status, 413)
        line.send(batch(1, 1))
        self.assertEqual(line.wait_ack(2), 2)

    def test_one_large_body_at_a_time(self):
        line = self.line()
        line.greet("dev")
        head = (f"POST {line.path}/xhr_send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token_}\r\n"
                "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n").encode()
        first = Connection(self.node_.port)
        first.send(head)
        self.assertEqual(first.head().status, 100)
        second = Connection(self.node_.port)
        second.send(head)
        self.assertEqual(second.whole().status, 413)
        first.close()
        wait_for("there is room for another", lambda: line.post(b'["' + b"\\u0041" * 16_000 + b'"]') == 204)
        self.assert_closed(line, 1002, "")

    def test_a_body_that_takes_long_is_met_with_heartbeats(self):
        line = self.line()
        line.greet("dev")
        sender = Connection(self.node_.port)
        body = json.dumps([base64.b64encode(batch(1, 1)).decode()]).encode()
        sender.send((f"POST {line.path}/xhr_send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token_}\r\n"
                     f"Content-Length: {len(body) + 100}\r\n\r\n").encode())
        began = time.monotonic()
        left = 100
        for due in (4, 8):
            while line.receiver.is_silent(0.2):
                sender.send(b" ")
                left -= 1
            self.assertEqual(line.response.chunk(), b"h\n")
            self.assertGreaterEqual(time.monotonic() - began, due - 0.05)
            self.assertLess(time.monotonic() - began, due + 2)
        sender.send(b" " * left + body)
        self.assertEqual(line.wait_ack(2), 2)

    def test_disconnects_at_any_place(self):
        request = (f"POST /sockjs/000/NAME/xhr_streaming HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token_}\r\n"
                   "Content-Length: 0\r\n\r\n")
        for number in range(200):
            connection = Connection(self.node_.port)
            connection.send(request.replace("NAME", f"n{number}").encode()[:self.random.randrange(1, len(request) + 1)])
            connection.close()
        wait_for("none is left", lambda: self.node_.metric("holdfast_connections") == 1)
        wait_for("no session is left", lambda: self.sessions() == 0, 20)


class Idle(Line):
    LISTEN = 'idle_timeout = "1 s"'

    def test_the_sending_connection_of_a_line_is_kept(self):
        line = self.line("xhr_streaming")
        line.greet("dev")
        idle = Connection(self.node_.port)
        idle.ask("GET", "/healthz")
        self.assertEqual(idle.whole().status, 200)
        time.sleep(3.5)
        self.assertTrue(idle.is_ended(0.1))
        line.send(batch(1, 1))
        self.assertEqual(line.wait_ack(2), 2)
        line.close()
        self.assertTrue(line.sender.is_ended())


if __name__ == "__main__":
    main()
