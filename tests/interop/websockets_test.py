"""A peer that nobody here wrote, python3-websockets, in both roles."""

import asyncio
import json

import line_peer
import websockets
from harness import Scenario, free_port, main, wait_for
from websockets.frames import OP_CONT, OP_PING, OP_TEXT


def connect(node, path, **options):
    return websockets.connect(f"ws://127.0.0.1:{node.port}{path}", ping_interval=None, max_size=16 << 20, **options)


async def receive(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def closed_with(socket):
    """The close code that the node sends."""
    await asyncio.wait_for(socket.wait_closed(), 10)
    return socket.close_code


class Client(Scenario):
    """python3-websockets as client of /v1/push and /v1/live."""

    def run_with_hub(self, conversation, listen=""):
        hub = self.hub(listen=listen).start()
        asyncio.run(asyncio.wait_for(conversation(hub), 60))
        self.assertTrue(hub.running())
        return hub

    def test_push_acknowledges_what_is_durable(self):
        async def conversation(hub):
            async with connect(hub, "/v1/push") as socket:
                await socket.send('{"channel":"t1","value":21.5,"time":"2026-11-20T10:00:00Z","unit":"°C"}')
                self.assertEqual(await receive(socket), {"ack": 1})
                await socket.send(json.dumps([{"channel": "t1", "value": v} for v in (True, "text", 3, -0.5)]))
                self.assertEqual(await receive(socket), {"ack": 5})

        hub = self.run_with_hub(conversation)
        rows = hub.readings("hub")
        self.assertEqual([row["value"] for row in rows], [21.5, True, "text", 3, -0.5])
        self.assertEqual(rows[0]["time"][:19], "2026-11-20T10:00:00")
        self.assertEqual(rows[0]["unit"], "°C")

    def test_source_goes_on_where_it_was(self):
        async def conversation(hub):
            for through in (0, 2):
                async with connect(hub, "/v1/push?source=s") as socket:
                    self.assertEqual(await receive(socket), {"through": through})
                    await socket.send(json.dumps([{"channel": "c", "value": n, "n": n} for n in (1, 2, 3, 4)][: through + 2]))
                    self.assertEqual(await receive(socket), {"through": through + 2})

        hub = self.run_with_hub(conversation)
        self.assertEqual([row["value"] for row in hub.readings("hub")], [1, 2, 3, 4])

    def test_bad_messages_cost_themselves_only(self):
        async def conversation(hub):
            async with connect(hub, "/v1/push") as socket:
                for bad in ("{", "[]x", '{"value":1}', '{"channel":"c"}', '{"channel":5,"value":1}', '"text"', "null",
                            '{"channel":"c","value":[1]}', '{"channel":"c","value":1,"time":"yesterday"}'):
                    await socket.send(bad)
                    self.assertIn("error", await receive(socket), bad)
                await socket.send('[{"channel":"c","value":1},{"channel":"c","value":{}}]')
                self.assertEqual((await receive(socket))["at"], 1)
                await socket.send('{"channel":"c","value":7}')
                self.assertEqual(await receive(socket), {"ack": 1})

        hub = self.run_with_hub(conversation)
        self.assertEqual([row["value"] for row in hub.readings("hub")], [7])

    def test_fragments_with_pings_between_them(self):
        async def conversation(hub):
            text = '{"channel":"käse","value":"ünïcødé 🧀"}'.encode()
            async with connect(hub, "/v1/push") as socket:
                await socket.send(iter(['{"channel":', '"a","va', "", 'lue":1}']))
                self.assertEqual(await receive(socket), {"ack": 1})
                # Each byte a fragment, so that characters are split, and a ping between any two.
                for at, _ in enumerate(text):
                    last = at == len(text) - 1
                    await socket.write_frame(last, OP_CONT if at else OP_TEXT, text[at:at + 1])
                    if not last:
                        await socket.write_frame(True, OP_PING, b"are you there?")
                self.assertEqual(await receive(socket), {"ack": 2})

        hub = self.run_with_hub(conversation)
        self.assertEqual(hub.readings("hub")[1]["value"], "ünïcødé 🧀")

    def test_pings_are_answered_with_what_they_carry(self):
        async def conversation(hub):
            for path in ("/v1/push", "/v1/live"):
                async with connect(hub, path) as socket:
                    for payload in (b"", b"x", b"y" * 125):
                        await asyncio.wait_for(await socket.ping(payload), 5)
                    await socket.pong(b"nobody asked")
                    await asyncio.wait_for(await socket.ping(), 5)

        self.run_with_hub(conversation)

    def test_close_codes(self):
        async def conversation(hub):
            for code in (1000, 1001, 1011, 3000, 4999):
                async with connect(hub, "/v1/push") as socket:
                    await asyncio.wait_for(socket.close(code, "enough"), 5)
                    self.assertEqual(socket.close_code, code)
            async with connect(hub, "/v1/push") as bystander:
                for path, opcode, payload, code in (("/v1/push", 1, b'{"channel":"\xff"}', 1007), ("/v1/push", 2, b"{}", 1003),
                                                    ("/v1/push", 3, b"", 1002), ("/v1/push", 0, b"", 1002),
                                                    ("/v1/push", 1, b" " * (1 << 20) + b" ", 1009), ("/v1/live", 1, b"{}", 1008)):
                    async with connect(hub, path, compression=None) as socket:
                        socket.write_frame_sync(True, opcode, payload) if opcode != 3 else socket.transport.write(
                            b"\x83\x80\x00\x00\x00\x00")
                        self.assertEqual(await closed_with(socket), code, (path, opcode, payload[:20]))
                await bystander.send('{"channel":"c","value":1}')
                self.assertEqual(await receive(bystander), {"ack": 1})

        self.run_with_hub(conversation)

    def test_a_message_as_large_as_allowed(self):
        async def conversation(hub):
            text = json.dumps([{"channel": "c", "value": n} for n in range(30_000)])
            text += " " * ((1 << 20) - len(text))
            async with connect(hub, "/v1/push") as socket:
                await socket.send(text)
                self.assertEqual(await receive(socket), {"ack": 30_000})

        hub = self.run_with_hub(conversation)
        self.assertEqual([row["value"] for row in hub.readings("hub")], list(range(30_000)))

    def test_deflate_as_configured(self):
        rows = json.dumps([{"channel": "temperature", "value": n} for n in range(2000)])

        def conversation(parameters):
            async def talk(hub):
                async with connect(hub, "/v1/push") as push, connect(hub, "/v1/live") as live:
                    agreed = push.response_headers.get("Sec-WebSocket-Extensions", "")
                    self.assertEqual(agreed, parameters)
                    for n in range(1, 6):
                        await push.send(rows)
                        self.assertEqual(await receive(push), {"ack": 2000 * n})
                    seen = []
                    while len(seen) < 10_000:
                        seen += await receive(live)
                    self.assertEqual([row["value"] for row in seen], list(range(2000)) * 5)
                async with connect(hub, "/v1/push") as bomb:
                    await bomb.send(" " * (2 << 20))  # 2 KiB compressed
                    self.assertEqual(await closed_with(bomb), 1009)

            return talk

        none = "; server_no_context_takeover; client_no_context_takeover"
        for name, choice, parameters in (("default", "", "permessage-deflate" + none),
                                         ("takeover", 'deflate = "context-takeover"', "permessage-deflate"),
                                         ("off", 'deflate = "off"', "")):
            with self.subTest(name):
                hub = self.hub(listen=choice, name=name).start()
                asyncio.run(asyncio.wait_for(conversation(parameters)(hub), 60))
                self.assertTrue(hub.running())

    def test_a_message_must_be_finished_in_time(self):
        async def conversation(hub):
            async with connect(hub, "/v1/push") as patient, connect(hub, "/v1/push") as slow:
                slow.transport.write(b"\x81\xfe\x10\x00\0\0\0\0")

                async def dribble():
                    while not slow.closed:
                        slow.transport.write(b" ")
                        await asyncio.sleep(0.2)

                dribbling = asyncio.create_task(dribble())
                self.assertEqual(await closed_with(slow), 1008)
                dribbling.cancel()
                await patient.send('{"channel":"c","value":1}')
                self.assertEqual(await receive(patient), {"ack": 1})

        self.run_with_hub(conversation, 'message_timeout = "1 s"')

    def test_live_feed_tells_each_reading_once(self):
        async def conversation(hub):
            async with connect(hub, "/v1/live") as live, connect(hub, "/v1/live?device=other") as other, connect(
                    hub, "/v1/push") as push:
                for n in range(100):
                    await push.send(json.dumps({"channel": "c", "value": n, "unit": "K", "time": "2026-11-20T10:00:00Z"}))
                seen = []
                while len(seen) < 100:
                    seen += await receive(live)
                self.assertEqual([row["value"] for row in seen], list(range(100)))
                self.assertEqual({key: seen[0][key] for key in ("device", "channel", "unit", "seq")},
                                 {"device": "hub", "channel": "c", "unit": "K", "seq": 1})
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(other.recv(), 0.2)

        self.run_with_hub(conversation)


class Server(Scenario):
    """python3-websockets as server to our client."""

    def run_with_gateway(self, handler, lines=1000, uplink=""):
        """A gateway with `lines` readings against a hub of `handler`(line number, socket), until it calls `done`."""
        feed = self.write("feed.jsonl", "".join(f'{{"channel":"c{n % 3}","value":{n}}}\n' for n in range(1, lines + 1)))
        port = free_port()
        gateway = self.gateway(f"ws://127.0.0.1:{port}/v1/uplink", "secret", f'[[sensor]]\ndriver = "lines"\npath = "{feed}"\n',
                               uplink)

        async def conversation():
            done = asyncio.get_running_loop().create_future()
            number = 0

            async def each(socket):
                nonlocal number
                number += 1
                try:
                    if await handler(number, socket) == "done" and not done.done():
                        await asyncio.to_thread(self.wait_delivered, gateway)
                        done.set_result(True)
                except websockets.ConnectionClosed:
                    pass
                except BaseException as error:  # pylint: disable=broad-except
                    if not done.done():
                        done.set_exception(error)

            async with line_peer.serve(each, port):
                await asyncio.to_thread(gateway.start)
                await asyncio.wait_for(done, 60)

        asyncio.run(conversation())
        return gateway

    async def take_all(self, hub, socket, until, **options):
        line = await hub.greet(socket, **options)
        while max(hub.through.values()) < until:
            await line.receive()
        return line

    def test_greets_takes_and_acknowledges(self):
        hub = line_peer.Hub()

        async def handler(_, socket):
            self.assertEqual(socket.subprotocol, "holdfast.v1")
            await self.take_all(hub, socket, 1000, fragmented=True)
            return "done"

        gateway = self.run_with_gateway(handler)
        self.assertEqual(hub.headers["Authorization"], "Bearer secret")
        self.assertEqual(hub.hellos[0]["device"], "gateway")
        self.assertEqual(sorted(*[rows.values() for rows in hub.channels.values()]), ["c0", "c1", "c2"])
        self.assertEqual(gateway.status()["journal"]["acknowledged_through"], 1000)

    def test_a_hub_that_never_ends_a_message_is_left(self):
        hub = line_peer.Hub()

        async def handler(number, socket):
            if number == 1:
                socket.transport.write(b"\x82\x7e\x10\x00")
                while not socket.transport.is_closing():
                    socket.transport.write(b" ")
                    await asyncio.sleep(0.2)
                return None
            await self.take_all(hub, socket, 1000)
            return "done"

        gateway = self.run_with_gateway(handler, uplink='message_timeout = "1 s"')
        self.assertTrue(gateway.logged("did not finish a message in time"))

    def test_deflate_on_an_uplink(self):
        hub = line_peer.Hub()

        async def handler(_, socket):
            self.assertEqual([extension.name for extension in socket.extensions], ["permessage-deflate"])
            await self.take_all(hub, socket, 1000, fragmented=True)
            return "done"

        self.run_with_gateway(handler, uplink='deflate = "shared"')

    def test_resumes_behind_what_was_acknowledged(self):
        hub = line_peer.Hub()
        first_seqs = []

        async def handler(number, socket):
            line = await hub.greet(socket)
            if number == 1:  # taken and lost: nothing was acknowledged
                while (await line.receive(acknowledge=False))[1] is None:
                    pass
                await socket.close(1012, "restarting")
                return None
            while max(hub.through.values()) < 1000:
                await line.receive()
            first_seqs.extend(line.first_seqs)
            return "done"

        self.run_with_gateway(handler)
        self.assertEqual(first_seqs[0], 1)

    def test_close_codes_for_a_hub_that_breaks_the_contract(self):
        codes = []

        async def broken(number, socket):
            if number == 1:
                await socket.send("text")
            elif number == 2:
                await socket.send(b"\xff\xff\xff")
            elif number == 3:
                await socket.send(b"\x00" * ((1 << 20) + 1))
            elif number == 4:
                await socket.write_frame(True, OP_TEXT, b"\xff")
            elif number == 5:
                await socket.send(line_peer.ack(1 << 20, 1))
            codes.append(await closed_with(socket))

        hub = line_peer.Hub()

        async def handler(number, socket):
            if number <= 5:
                await hub.greet(socket)
                return await broken(number, socket)
            await self.take_all(hub, socket, 1000)
            return "done"

        self.run_with_gateway(handler)
        self.assertEqual(codes, [1003, 1002, 1009, 1007, 1002])

    def test_pings_unknown_messages_and_large_ones_are_well(self):
        hub = line_peer.Hub()

        async def handler(_, socket):
            line = await self.take_all(hub, socket, 1000)
            for payload in (b"", b"p" * 125):
                await asyncio.wait_for(await socket.ping(payload), 5)
            unknown = line_peer.bytes_field(99, b"\x00" * 500_000)
            await socket.send([unknown[at:at + 100_000] for at in range(0, len(unknown), 100_000)])
            await asyncio.wait_for(await socket.ping(), 5)
            await socket.send(line_peer.bytes_field(9, line_peer.number_field(1, 5) + line_peer.bytes_field(2, b"reboot")))
            while (await line.receive())[0] != "result":
                pass
            return "done"

        self.run_with_gateway(handler)

    def test_goodbye_is_obeyed(self):
        hub = line_peer.Hub()
        times = []

        async def handler(number, socket):
            times.append(asyncio.get_running_loop().time())
            await self.take_all(hub, socket, 1000)
            if number == 1:
                await socket.send(line_peer.goodbye("later", 1500))
                await socket.wait_closed()
                return None
            return "done"

        gateway = self.run_with_gateway(handler)
        self.assertGreaterEqual(times[1] - times[0], 1.4)
        self.assertTrue(gateway.logged("later"), gateway.log_text())

    def test_a_silent_peer_is_found(self):
        hub = line_peer.Hub()
        came_again = asyncio.Event()

        async def handler(number, socket):
            await self.take_all(hub, socket, 1000)
            if number == 1:
                socket.transport.pause_reading()  # as behind a router that forgot the connection
                await came_again.wait()
                socket.transport.abort()
                return None
            came_again.set()
            return "done"

        gateway = self.run_with_gateway(handler, uplink='heartbeat = "1 s"\npong_timeout = "300 ms"')
        wait_for("it says why", lambda: gateway.logged("no answer") or gateway.logged("dead") or gateway.logged("pong"))


if __name__ == "__main__":
    main()
