"""Bad input: what comes from clients and from sensors. It costs whoever sent it, and nobody else."""

import asyncio
import json
import os
import socket
import struct
import time

import websockets
from harness import Scenario, main, wait_for

MIB = 1 << 20
SENSOR = '[[sensor]]\ndriver = "lines"\npath = "{}"\n'


def connect(node, path):
    return websockets.connect(f"ws://127.0.0.1:{node.port}{path}", ping_interval=None, max_size=16 << 20)


async def push(node_socket, *readings):
    """Pushes readings of a plain connection and returns the answer."""
    await node_socket.send(json.dumps(readings))
    return json.loads(await asyncio.wait_for(node_socket.recv(), 10))


def tcp(node):
    return socket.create_connection(("127.0.0.1", node.port), 10)


def closed_by_peer(connection):
    """Without waiting."""
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Messages(Scenario):
    def test_ten_megabytes_in_one_message(self):
        async def conversation(hub):
            async with connect(hub, "/v1/push") as bystander, connect(hub, "/v1/push") as guilty:
                before = hub.rss_bytes()
                await guilty.send(b'{"channel":"c","value":"'.decode() + "x" * (10 * MIB) + '"}')
                await asyncio.wait_for(guilty.wait_closed(), 10)
                self.assertEqual(guilty.close_code, 1009)
                self.assertEqual(await push(bystander, {"channel": "c", "value": 1}), {"ack": 1})
                self.assertLess(hub.rss_bytes() - before, 8 * MIB)

        asyncio.run(conversation(self.hub().start()))

    def test_invalid_utf8(self):
        async def conversation(hub):
            async with connect(hub, "/v1/push") as bystander, connect(hub, "/v1/push") as guilty:
                await guilty.write_frame(True, 1, b'{"channel":"\xc0\xaf","value":1}')
                await asyncio.wait_for(guilty.wait_closed(), 10)
                self.assertEqual(guilty.close_code, 1007)
                self.assertEqual(await push(bystander, {"channel": "c", "value": 1}), {"ack": 1})

        asyncio.run(conversation(self.hub().start()))

    def test_a_million_channels(self):
        async def conversation(hub):
            refused = 0
            async with connect(hub, "/v1/push") as guilty, connect(hub, "/v1/push") as bystander:
                for message in range(1000):
                    answer = await push(guilty, *({"channel": f"c{message}/{n}", "value": n} for n in range(1000)))
                    refused += "error" in answer
                    if message == 20:
                        before = hub.rss_bytes()
                self.assertEqual(refused, 990)
                self.assertLess(hub.rss_bytes() - before, 32 * MIB)
                answer = await push(bystander, {"channel": "one more", "value": 1})
                self.assertIn("channel", answer["error"])
                self.assertEqual(await push(bystander, {"channel": "c3/7", "value": 1}), {"ack": 1})

        hub = self.hub().start()
        asyncio.run(conversation(hub))
        self.assertEqual(len(hub.get_json("/api/devices/hub/channels")["channels"]), 10_000)

    def test_garbage_in_place_of_http(self):
        hub = self.hub().start()
        for request, answer in ((b"\x16\x03\x01\x02\x00\x01", b"HTTP/1.1 400"), (b"GET\r\n\r\n", b"HTTP/1.1 400"),
                                (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
                                (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 40"),
                                (b"DELETE /api/devices HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405")):
            with tcp(hub) as connection:
                connection.sendall(request)
                got = b""
                try:
                    while len(got) < len(answer):
                        got += connection.recv(4096) or b"(end)"
                except ConnectionResetError:
                    pass
                self.assertTrue(got.startswith(answer), (request[:40], got[:80]))
        self.assertEqual(hub.get("/healthz")[0], 200)

    def test_a_slow_live_reader_is_dropped_and_nobody_waits(self):
        async def conversation(hub):
            lazy = socket.socket()
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect(("127.0.0.1", hub.port))
            lazy.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            wait_for("it listens", lambda: hub.metric("holdfast_connections") >= 1)
            text = "x" * 1000
            seen = 0
            async with connect(hub, "/v1/live") as live, connect(hub, "/v1/push") as giver:
                before, longest = hub.rss_bytes(), 0.0
                for turn in range(200):
                    began = time.monotonic()
                    await push(giver, *({"channel": "c", "value": text + str(n)} for n in range(100)))
                    longest = max(longest, time.monotonic() - began)
                    while seen < 100 * (turn + 1):
                        seen += len(json.loads(await asyncio.wait_for(live.recv(), 10)))
                self.assertEqual(seen, 20_000)
                self.assertLess(hub.rss_bytes() - before, 24 * MIB)
                self.assertLess(longest, 5)
                # Open are those two, and the one that asks.
                await asyncio.to_thread(wait_for, "the slow reader is gone",
                                        lambda: hub.metric("holdfast_connections") == 3, 15)
            lazy.close()

        asyncio.run(asyncio.wait_for(conversation(self.hub().start()), 90))


UPGRADE = (b"GET /v1/push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def frame(opcode, payload):
    """A client's frame of up to 125 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


class Deaf(Scenario):
    """Those who ask and ask and never read an answer are not heard any more; what waits for them is bounded."""

    def flood(self, hub, *chunks):
        """Sends the last chunk again and again, until the hub takes no more."""
        before = hub.rss_bytes()
        with tcp(hub) as connection:
            for chunk in chunks[:-1]:
                connection.sendall(chunk)
            connection.settimeout(1)
            with self.assertRaises(OSError, msg="the hub holds the sender back"):
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    connection.sendall(chunks[-1])
            self.assertLess(hub.rss_bytes() - before, 48 * MIB)
            self.assertEqual(hub.get("/healthz")[0], 200)
            # It listens after all: everything goes on.
            connection.settimeout(20)
            for _ in range(100):
                self.assertTrue(connection.recv(1 << 16))
        wait_for("it is gone", lambda: hub.metric("holdfast_connections") == 1)

    def test_pings(self):
        self.flood(self.hub().start(), UPGRADE, frame(9, b"x" * 125) * 500)

    def test_bad_messages(self):
        self.flood(self.hub().start(), UPGRADE, frame(1, b"x") * 1000)

    def test_requests_one_after_the_other(self):
        async def fill(hub):
            async with connect(hub, "/v1/push") as socket:
                for _ in range(10):
                    await push(socket, *({"channel": "c", "value": n} for n in range(10_000)))

        hub = self.hub().start()
        asyncio.run(fill(hub))
        self.flood(hub, b"GET /api/devices/hub/readings?limit=100000 HTTP/1.1\r\nHost: x\r\n\r\n" * 100)


class Connections(Scenario):
    def test_thousands_of_silent_and_half_open_connections(self):
        hub = self.hub(listen='handshake_timeout = "2 s"\nidle_timeout = "3 s"').start()
        before = hub.rss_bytes()
        silent = [tcp(hub) for _ in range(2000)]
        halves = [tcp(hub) for _ in range(500)]
        upgraded = [tcp(hub) for _ in range(500)]
        for connection in halves:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Half:")
        for connection in upgraded:
            connection.sendall(UPGRADE)
        began = time.monotonic()
        while time.monotonic() - began < 1:
            self.assertEqual(hub.get("/healthz")[0], 200)
        self.assertLess(hub.rss_bytes() - before, 40 * MIB)
        wait_for("silent ones are closed", lambda: all(map(closed_by_peer, silent)), 15, 0.2)
        wait_for("half heads are closed", lambda: all(map(closed_by_peer, halves)), 15, 0.2)
        # These never answer a ping: what they got is read away, so that the end is seen.
        given_up = list(upgraded)
        for connection in upgraded:
            connection.setblocking(False)

        def ended():
            for connection in list(upgraded):
                try:
                    while connection.recv(4096):
                        pass
                    upgraded.remove(connection)
                except BlockingIOError:
                    pass
                except ConnectionResetError:
                    upgraded.remove(connection)
            return not upgraded

        wait_for("silent WebSockets are closed", ended, 15, 0.2)
        wait_for("none is left", lambda: hub.metric("holdfast_connections") == 1)
        for connection in silent + halves + given_up:
            connection.close()

    def test_beyond_max_connections_others_wait(self):
        hub = self.hub(listen='max_connections = 20\nhandshake_timeout = "2 s"').start()
        silent = [tcp(hub) for _ in range(60)]
        self.assertEqual(hub.get("/healthz", 15)[0], 200)
        for connection in silent:
            connection.close()

    def test_a_head_that_comes_byte_by_byte_has_its_time(self):
        hub = self.hub(listen='handshake_timeout = "1 s"').start()
        with tcp(hub) as connection:
            began = time.monotonic()
            with self.assertRaises(OSError):
                for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 1000:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)
            self.assertLess(time.monotonic() - began, 5)

    def test_reset_in_the_middle(self):
        hub = self.hub().start()
        for _ in range(200):
            connection = tcp(hub)
            connection.sendall(b"GET /api/devices HTTP/1.1\r\nHost: x\r\n\r\n"[:self.random.randrange(1, 40)])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        wait_for("none is left", lambda: hub.metric("holdfast_connections") == 1)


class Sensors(Scenario):
    def values(self, hub, channel="c"):
        return [row["value"] for row in hub.readings("gateway") if row["channel"] == channel]

    def line(self, value):
        return f'{{"channel":"c","value":{value}}}\n'

    def test_a_fifo_without_a_writer(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        hub, gateway = self.pair(SENSOR.format(fifo) + '[[sensor]]\ndriver = "procfs"\ninterval = "100 ms"\n')
        wait_for("the other sensor is heard", lambda: len(hub.readings("gateway")) > 20)
        for writer in range(3):
            with open(fifo, "w", encoding="utf-8") as out:
                out.write(self.line(writer))
            wait_for("what a writer wrote is there", lambda: self.values(hub) == list(range(writer + 1)))
        self.assertTrue(gateway.running())

    def test_a_file_that_vanishes_and_returns(self):
        file = self.path("feed.jsonl")
        hub, gateway = self.pair(SENSOR.format(file))
        wait_for("its absence is told", lambda: gateway.logged(file))
        given = []
        for turn in range(3):
            with open(file, "w", encoding="utf-8") as out:
                out.write(self.line(turn) + self.line(turn + 100))
            given += [turn, turn + 100]
            wait_for("it is read", lambda: self.values(hub) == given)
            os.unlink(file)

    def test_a_rotated_file(self):
        file = self.path("feed.jsonl")
        hub, _ = self.pair(SENSOR.format(file))
        for turn in range(3):
            with open(file, "a", encoding="utf-8") as out:
                out.write(self.line(1000 * turn))
                out.flush()
                wait_for("the file is followed", lambda: 1000 * turn in self.values(hub))
                out.writelines(self.line(1000 * turn + n) for n in range(1, 1000))
            os.rename(file, f"{file}.{turn}")
            with open(f"{file}.{turn}", "a", encoding="utf-8") as out:
                out.write(self.line(-1 - turn))  # by a writer that does not know yet
            wait_for("all is read", lambda: -1 - turn in self.values(hub))
        values = self.values(hub)
        self.assertEqual([value for value in values if value >= 0], list(range(3000)))
        self.assertEqual(len(values), 3003)

    def test_lines_that_are_no_readings(self):
        file = self.write("feed.jsonl", self.line(1) + "garbage\n\n[]\n" + '{"channel":"c"}\n' + "\x00\x01\n" + "x" * 200_000 + "\n" +
                          self.line(2))
        with open(file, "ab") as out:
            out.write(b'{"channel":"c","value":"\xff"}\n' + self.line(3).encode())
        hub, gateway = self.pair(SENSOR.format(file))
        wait_for("the good ones are there", lambda: self.values(hub) == [1, 2, 3])
        self.assertTrue(gateway.logged("passed over"))
        self.assertTrue(gateway.status()["sensors"][0]["last_error"])


if __name__ == "__main__":
    main()
