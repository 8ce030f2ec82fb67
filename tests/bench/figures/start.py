"""How soon after its start a node has taken a reading."""

import socket
import time

from figures.figure import Figure
from report import Sample


def push_first(port):
    """Connects as soon as it can be, pushes one reading, and waits for its acknowledgement."""
    while True:
        try:
            line = socket.create_connection(("127.0.0.1", port), 1)
            break
        except OSError:
            time.sleep(0.001)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(b"GET /v1/push HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    text = b'{"channel":"t1","value":21.5}'
    line.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    seen = b""
    while b'{"ack":1}' not in seen:
        more = line.recv(4096)
        if not more:
            raise RuntimeError(f"no acknowledgement: {seen!r}")
        seen += more
    line.close()


class FirstReading(Figure):
    def __init__(self, place):
        super().__init__(place)
        self.rounds = self.sizes.starts

    def measure(self):
        name = self.place.fresh("first")
        gateway = self.place.gateway(name, self.place.hub(f"{name}-hub"))
        for journal in ("new", "old"):
            began = time.monotonic()
            gateway.spawn()
            push_first(gateway.port)
            taken = (time.monotonic() - began) * 1000
            gateway.stop()
            yield Sample(f"first durable reading, {journal} journal", taken, "ms",
                         "fork of the process until one pushed reading is acknowledged, so durable; the client tries every ms",
                         "≤ 100")
