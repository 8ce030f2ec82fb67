"""What bad peers do to websocket_echo_server: each test starts one, and another line must notice nothing."""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
import zlib

SERVER = os.environ["HOLDFAST_ECHO_SERVER"]
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
MIB = 1 << 20


def frame(opcode, payload, fin=True, rsv1=False, claimed=None):
    """A client's frame, masked with zeros."""
    size = len(payload) if claimed is None else claimed
    head = bytes([fin << 7 | rsv1 << 6 | opcode])
    if size > 65535:
        head += b"\xff" + struct.pack(">Q", size)
    elif size > 125:
        head += b"\xfe" + struct.pack(">H", size)
    else:
        head += bytes([0x80 | size])
    return head + b"\0\0\0\0" + payload


class Line:
    def __init__(self, port, extension="", upgraded=True, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.pending = b""
        if upgraded:
            offer = f"Sec-WebSocket-Extensions: {extension}\r\n".encode() if extension else b""
            self.socket.sendall(REQUEST + offer + b"\r\n")
            self.head = self.read_head()

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            got = self.socket.recv(65536)
            if not got:
                break
            self.pending += got
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return head

    def read(self, size):
        while len(self.pending) < size:
            got = self.socket.recv(1 << 20)
            if not got:
                raise EOFError
            self.pending += got
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def read_frame(self):
        first, second = self.read(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(self.read(2 if size == 126 else 8), "big")
        return first, self.read(size)

    def echo(self, payload):
        self.socket.sendall(frame(2, payload))
        return self.read_frame() == (0x82, payload)

    def close_code(self):
        first, payload = self.read_frame()
        return int.from_bytes(payload[:2], "big") if first == 0x88 else None

    def ended(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class BadInput(unittest.TestCase):
    def start(self, *options):
        self.server = subprocess.Popen(
            [SERVER, "--address", "127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.stop)
        self.port = int(self.server.stdout.readline().rsplit(":", 1)[1])
        self.other = Line(self.port)
        self.addCleanup(self.other.close)
        self.assertTrue(self.other.echo(b"before"))

    def stop(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.wait()

    def line(self, **how):
        line = Line(self.port, **how)
        self.addCleanup(line.close)
        return line

    def memory(self, name="VmHWM"):
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as status:
            return next(int(row.split()[1]) for row in status if row.startswith(name)) * 1024

    def unharmed(self):
        """The other line noticed nothing, and the server ends as it should."""
        self.assertTrue(self.other.echo(b"after"))
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(20), 0)

    def test_slow_request_is_ended(self):
        self.start("--handshake-timeout", "1 s")
        line = self.line(upgraded=False)
        began = time.monotonic()
        try:
            for byte in REQUEST:
                line.socket.sendall(bytes([byte]))
                line.socket.settimeout(0.2)
                try:
                    if (got := line.socket.recv(1000)) is not None:
                        break
                except TimeoutError:
                    pass
        except OSError:
            got = b""
        self.assertTrue(got == b"" or got.startswith(b"HTTP/1.1 408 "), got)
        self.assertLess(time.monotonic() - began, 10)
        self.unharmed()

    def test_silent_peer_is_ended(self):
        self.start("--handshake-timeout", "1 s")
        line = self.line(upgraded=False)
        line.read_head()
        self.assertTrue(line.ended())
        self.unharmed()

    def test_slow_frame_is_ended(self):
        self.start("--frame-timeout", "700 ms")
        slow = {
            "head": frame(2, b"x" * 70000)[:9],
            "payload": frame(2, b"", claimed=100),
            "message": frame(1, b"unfinished", fin=False),
            "control": frame(9, b"", claimed=100),
        }
        lines = {}
        for name, begun in slow.items():
            lines[name] = self.line()
            lines[name].socket.sendall(begun)
        idle = self.line()
        for name, line in lines.items():
            with self.subTest(name):
                self.assertEqual(line.close_code(), 1008)
                self.assertTrue(line.ended())
        self.assertTrue(idle.echo(b"an idle line is no slow one"))
        self.unharmed()

    def test_slow_bytes_do_not_extend_the_time(self):
        self.start("--frame-timeout", "700 ms")
        line = self.line()
        line.socket.sendall(frame(2, b"", claimed=1000))
        line.socket.settimeout(0.1)
        code = None
        for _ in range(100):
            try:
                line.socket.sendall(b"x")
                code = line.close_code()
                break
            except TimeoutError:
                pass
        self.assertEqual(code, 1008)
        self.unharmed()

    def bomb(self, pieces):
        limit = 16 * MIB
        self.start("--deflate", "--max-message", "16 MiB")
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(1024))
        bomb += packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
        before = self.memory()
        line = self.line(extension="permessage-deflate")
        self.assertIn(b"permessage-deflate", line.head)
        step = len(bomb) // pieces + 1
        parts = [bomb[at : at + step] for at in range(0, len(bomb), step)]
        try:
            for number, part in enumerate(parts):
                line.socket.sendall(frame(0 if number else 2, part, fin=number == pieces - 1, rsv1=number == 0))
        except OSError:
            pass
        self.assertEqual(line.close_code(), 1009)
        # While a buffer grows, the one that it outgrew is there as well.
        self.assertLess(self.memory() - before, 2 * limit + 2 * MIB)
        self.unharmed()

    def test_a_gibibyte_of_zeros_in_a_mebibyte(self):
        self.bomb(1)

    def test_a_gibibyte_of_zeros_in_seven_fragments(self):
        self.bomb(7)

    def test_claimed_sizes_cost_nothing(self):
        self.start()
        before = self.memory()
        lines = [self.line() for _ in range(200)]
        for line in lines:
            line.socket.sendall(frame(2, b"x", claimed=60 * MIB))
        self.assertTrue(self.other.echo(b"now"))
        self.assertLess(self.memory() - before, 8 * MIB)
        self.unharmed()

    def test_abrupt_end_while_much_waits(self):
        self.start()
        for _ in range(20):
            line = self.line(receive_buffer=4096)
            line.socket.sendall(frame(2, bytes(4 * MIB)))
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.close()
        for _ in range(20):  # half closed, then gone
            line = self.line(receive_buffer=4096)
            line.socket.sendall(frame(2, bytes(4 * MIB)))
            line.socket.shutdown(socket.SHUT_WR)
            line.close()
        self.unharmed()

    def test_a_peer_that_never_reads_is_not_read(self):
        self.start("--max-message", "1 MiB")
        line = self.line(receive_buffer=4096)
        line.socket.settimeout(0.5)
        message = frame(2, bytes(65536 - 14))
        before = self.memory()
        sent = 0
        try:
            while sent < 256 * MIB:
                sent += line.socket.send(message * 16)
        except TimeoutError:
            pass
        self.assertLess(sent, 64 * MIB)  # the kernel's buffers, and ours
        self.assertLess(self.memory() - before, 8 * MIB)
        self.unharmed()

    def test_thousands_that_say_nothing(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(5000, hard - 200)
        self.start("--handshake-timeout", "60 s")
        before = self.memory("VmRSS")
        silent = []
        self.addCleanup(lambda: [one.close() for one in silent])
        for _ in range(count):
            silent.append(socket.create_connection(("127.0.0.1", self.port)))
        self.assertTrue(self.other.echo(b"still"))
        upgraded = self.line()
        self.assertTrue(upgraded.echo(b"and new ones come"))
        self.assertLess((self.memory("VmRSS") - before) / count, 2048)
        self.unharmed()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
