"""Both ends of `holdfast.v1` by hand, from proto/README.md, with nobody else's code: a device's messages, and a small hub over
python3-websockets, which greets, checks that numbers come without holes, keeps what it got in memory, and acknowledges.
"""

import struct
import time

import websockets

MESSAGES = {1: "hello", 2: "welcome", 3: "open", 4: "batch", 5: "gap", 6: "clock_fix", 7: "ack", 8: "goodbye", 10: "result", 11: "refusal"}


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def take_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """A protobuf message as {field: [values]}."""
    out, at = {}, 0
    while at < len(data):
        tag, at = take_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = take_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 2:
            size, at = take_varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a field ends behind its message"
        else:
            raise AssertionError(f"wire type {kind}")
        out.setdefault(tag >> 3, []).append(value)
    return out


def number_field(number, value):
    return varint(number << 3) + varint(value)


def bytes_field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def fixed64_field(number, value):
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def message_of(envelope):
    """(name, fields) of an Envelope."""
    ((kind, (body,)),) = fields(envelope).items()
    return MESSAGES[kind], fields(body)


# ---- What a device says

# Channel 1: 21.5 and 21.57, as in the example of proto/README.md.
TWO_READINGS = bytes.fromhex("11020006c2e880b00d03010012cc210e00")


def open_stream(stream, origin, journal, run, channels=("t",)):
    declared = b"".join(bytes_field(5, number_field(1, number) + bytes_field(2, name.encode()) + bytes_field(3, b"C"))
                        for number, name in enumerate(channels, 1))
    return number_field(1, stream) + bytes_field(2, origin.encode()) + fixed64_field(3, journal) + number_field(4, run) + declared


def hello(device, boot=1, opened=()):
    return bytes_field(1, bytes_field(1, device.encode()) + fixed64_field(2, boot) + bytes_field(3, b"line_peer") +
                       b"".join(bytes_field(4, each) for each in opened))


def batch(stream, first, columns=TWO_READINGS):
    return bytes_field(4, number_field(1, stream) + number_field(2, first) + bytes_field(3, columns))


# ---- What a hub says

def ack(stream, through):
    return bytes_field(7, number_field(1, stream) + number_field(2, through))


def welcome(acknowledged, now_us=None):
    rows = b"".join(bytes_field(1, number_field(1, stream) + number_field(2, through)) for stream, through in acknowledged)
    now_us = int(time.time() * 1e6) if now_us is None else now_us
    return bytes_field(2, rows + number_field(2, now_us) + number_field(3, 8 << 20) + number_field(4, 1 << 20) +
                       number_field(5, 0))


def goodbye(reason, retry_after_ms):
    return bytes_field(8, bytes_field(1, reason.encode()) + number_field(2, retry_after_ms))


def count_of(columns):
    """How many readings a batch holds: its second field, or third after a boot id."""
    return take_varint(columns, 9 if columns[0] & 8 else 1)[0]


class Hub:
    """What outlives a line: highest number of each (origin, journal, run), and the channels that were declared."""

    def __init__(self):
        self.through = {}
        self.channels = {}
        self.hellos = []
        self.headers = None

    async def greet(self, socket, fragmented=False):
        """Reads Hello, answers Welcome; returns the line."""
        self.headers = socket.request_headers
        message = fields(await socket.recv())
        assert list(message) == [1], f"Hello must come first, not {list(message)}"
        hello = fields(message[1][0])
        self.hellos.append({"device": hello[1][0].decode(), "software": hello[3][0].decode()})
        line = Line(self, socket)
        for opened in hello.get(4, []):
            line.open(fields(opened))
        answer = welcome([(stream, self.through[key]) for stream, key in line.streams.items()])
        await socket.send([answer[at:at + 1] for at in range(len(answer))] if fragmented else answer)
        return line


class Line:
    def __init__(self, hub, socket):
        self.hub = hub
        self.socket = socket
        self.streams = {}
        self.first_seqs = []

    def open(self, opened):
        key = (opened[2][0].decode(), opened[3][0], opened.get(4, [0])[0])
        self.streams[opened.get(1, [0])[0]] = key
        self.hub.through.setdefault(key, 0)
        declared = self.hub.channels.setdefault(key[:2], {})
        for row in opened.get(5, []):
            channel = fields(row)
            declared[channel[1][0]] = channel[2][0].decode()

    async def receive(self, acknowledge=True):
        """One message: (name, last number or None)."""
        message = await self.socket.recv()
        assert isinstance(message, bytes), "a line carries binary messages"
        ((kind, (body,)),) = fields(message).items()
        name = MESSAGES[kind]
        body = fields(body)
        if name == "open":
            self.open(body)
            return name, None
        if name not in ("batch", "gap", "clock_fix"):
            return name, None
        stream, first = body[1][0], body[2][0]
        last = {"batch": lambda: first + count_of(body[3][0]) - 1, "gap": lambda: body[3][0], "clock_fix": lambda: first}[name]()
        key = self.streams[stream]
        assert first == self.hub.through[key] + 1, f"{first} came after {self.hub.through[key]}"
        self.first_seqs.append(first)
        if acknowledge:
            self.hub.through[key] = last
            await self.socket.send(ack(stream, last))
        return name, last


def serve(handler, port):
    return websockets.serve(handler, "127.0.0.1", port, subprotocols=["holdfast.v1"], max_size=16 << 20, ping_interval=None)
