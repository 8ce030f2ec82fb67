"""HTTP/1.x and WebSockets by hand, as far as SockJS needs them: nothing is added, folded or guessed, so that a test sees
what is on the wire."""

import os
import re
import socket
import struct

PATIENCE = 20.0


class Closed(Exception):
    """The server has ended the connection, or the WebSocket."""


class Response:
    def __init__(self, version, status, headers, connection):
        self.version, self.status, self.headers = version, status, headers
        self.connection = connection
        self.body = None

    def header(self, name):
        """The values of all of that name; None: there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def chunked(self):
        return (self.header("Transfer-Encoding") or "").lower() == "chunked"

    def chunk(self):
        """The next chunk; b"": the response is over."""
        size = int(self.connection.line(), 16)
        data = self.connection.exactly(size)
        if self.connection.exactly(2) != b"\r\n":
            raise AssertionError("a chunk does not end where it says")
        return data

    def close(self):
        self.connection.close()


class Connection:
    opened = []  # in this test: `close_all` ends them

    def __init__(self, port):
        self.opened.append(self)
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.unread = b""

    def close(self):
        self.socket.close()

    @classmethod
    def close_all(cls):
        while cls.opened:
            cls.opened.pop().close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        got = self.socket.recv(1 << 16)
        if not got:
            raise Closed
        self.unread += got

    def line(self):
        while b"\r\n" not in self.unread:
            self.more()
        line, self.unread = self.unread.split(b"\r\n", 1)
        return line.decode("latin-1")

    def exactly(self, size):
        while len(self.unread) < size:
            self.more()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def till_end(self):
        try:
            while True:
                self.more()
        except Closed:
            taken, self.unread = self.unread, b""
            return taken

    def is_ended(self, seconds=PATIENCE):
        """The server ends its side in that time, and says nothing before."""
        self.socket.settimeout(seconds)
        try:
            return not self.unread and self.socket.recv(1) == b""
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    def is_silent(self, seconds):
        """Nothing comes in that time, not even the end. What comes is left for who reads next."""
        self.socket.settimeout(seconds)
        try:
            return not self.unread and self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def ask(self, method, target, headers=(), body=None, version="1.1"):
        """Sends a request."""
        headers = dict(headers)
        lines = [f"{method} {target} HTTP/{version}", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def head(self):
        version, status = re.match(r"HTTP/(1\.[01]) (\d{3}) .", self.line()).groups()
        headers = []
        while line := self.line():
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))
        return Response(version, int(status), headers, self)

    def whole(self):
        """The next response, with its body."""
        response = self.head()
        if response.chunked:
            response.body = b"".join(iter(response.chunk, b""))
        elif response.header("Content-Length") is not None:
            response.body = self.exactly(int(response.header("Content-Length")))
        elif response.status in (101, 204, 304):
            response.body = b""
        else:
            assert (response.header("Connection") or "").lower() == "close", response.headers
            response.body = self.till_end()
        return response


def fetch(port, method, target, headers=(), body=None, version="1.1"):
    """One request on a connection of its own."""
    connection = Connection(port)
    try:
        connection.ask(method, target, headers, b"" if method == "POST" and body is None else body, version)
        return connection.whole()
    finally:
        connection.close()


def stream(port, method, target, headers=(), version="1.1"):
    """As `fetch`, without waiting for the body."""
    connection = Connection(port)
    connection.ask(method, target, headers, b"" if method == "POST" else None, version)
    return connection.head()


class WebSocket:
    """RFC 6455, a client's end. Text frames only, whole ones."""

    KEY = "x3JJHMbDL1EzLkh9GBhXDw=="
    ACCEPT = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="

    def __init__(self, port, target, headers=()):
        self.connection = Connection(port)
        self.connection.ask("GET", target, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                                            "Sec-WebSocket-Key": self.KEY, **dict(headers)})
        self.response = self.connection.head()
        assert self.response.status == 101, self.response.status
        assert self.response.header("Sec-WebSocket-Accept") == self.ACCEPT
        self.pings = 0

    def send(self, text, opcode=1):
        data = text.encode() if isinstance(text, str) else text
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        else:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
        self.connection.send(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def frame(self):
        first, second = self.connection.exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.connection.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.connection.exactly(8))[0]
        return first & 15, self.connection.exactly(size)

    def receive(self):
        """The next text. Raises Closed with the code, when a close frame comes."""
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else 1005)
            if opcode == 1:
                return payload.decode()
            self.pings += opcode == 9

    def close(self):
        self.connection.close()


class Hixie76:
    """The WebSocket of 2010: two keys in the head, eight bytes behind it, frames between 00 and ff. Keys and answer are
    those of its specification."""

    KEYS = {"Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00"}
    ANSWERS = {b"^n:ds[4U": b"8jKS'y:G*Co,Wxa-", b"aaaaaaaa": bytes.fromhex("ca3400d8a50847972cd5715ababf437b")}

    def __init__(self, port, target, nonce=b"^n:ds[4U"):
        self.connection = Connection(port)
        self.origin = f"http://127.0.0.1:{port}"
        self.connection.ask("GET", target, {"Connection": "Upgrade", "Upgrade": "WebSocket", "Origin": self.origin, **self.KEYS})
        self.response = self.connection.head()  # it comes before the eight bytes are sent: HAProxy wants it so
        self.connection.send(nonce)
        assert self.connection.exactly(16) == self.ANSWERS[nonce]

    def send(self, text):
        self.connection.send(b"\x00" + text.encode() + b"\xff")

    def receive(self):
        first = self.connection.exactly(1)
        if first == b"\xff":
            assert self.connection.exactly(1) == b"\x00"
            raise Closed(1000)
        assert first == b"\x00"
        text = b""
        while (byte := self.connection.exactly(1)) != b"\xff":
            text += byte
        return text.decode()

    def close(self):
        self.connection.close()
