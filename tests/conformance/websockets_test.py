"""A peer that nobody here wrote, python3-websockets: every way to negotiate deflate with it, in both roles."""

import asyncio
import os
import random
import unittest

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

SERVER = os.environ["HOLDFAST_ECHO_SERVER"]
CLIENT = os.environ["HOLDFAST_CASE_CLIENT"]
CASES = 2
WORDS = "the holdfast grips the rock whatever the sea does ≈ κῦμα".split()


def messages(seed):
    """Text that repeats itself, bytes that do not, of all sizes up to 100 KB."""
    chance = random.Random(seed)
    for size in (0, 1, 15, 16, 17, 125, 126, 1000, 4096, 65535, 65536, 100_000):
        yield " ".join(chance.choices(WORDS, k=size // 6))
        yield chance.randbytes(size)
        yield bytes(size)


def factories(factory, window_bits):
    for no_server_takeover in (False, True):
        for no_client_takeover in (False, True):
            for bits in window_bits:
                yield factory(no_server_takeover, no_client_takeover, bits, bits)


class Peer(unittest.IsolatedAsyncioTestCase):
    async def converse(self, socket, seed):
        for message in messages(seed):
            await socket.send(message)
            self.assertEqual(await asyncio.wait_for(socket.recv(), 20), message)
        await (await socket.ping(b"still there"))

    async def server(self, *options):
        server = await asyncio.create_subprocess_exec(
            SERVER, "--address", "127.0.0.1:0", *options, stdout=asyncio.subprocess.PIPE
        )

        async def stop():
            server.terminate()
            self.assertEqual(await server.wait(), 0)

        self.addAsyncCleanup(stop)
        return (await server.stdout.readline()).decode().split()[-1]

    async def test_our_server(self):
        for option in ("--deflate", "--deflate-takeover"):
            address = await self.server(option)
            for seed, factory in enumerate(factories(ClientPerMessageDeflateFactory, (None, 9, 12))):
                with self.subTest(option=option, offer=vars(factory)):
                    async with websockets.connect(
                        f"ws://{address}/any", extensions=[factory], compression=None, ping_interval=None
                    ) as socket:
                        self.assertEqual(len(socket.extensions), 1)
                        await self.converse(socket, seed)

    async def test_our_client(self):
        accepted = list(factories(ServerPerMessageDeflateFactory, (None, 9)))
        for option in ([], ["--deflate-takeover"]):
            done = []

            async def serve(socket, path=None):
                path = path or socket.path
                if path == "/getCaseCount":
                    await socket.send(str(CASES))
                elif path.startswith("/runCase"):
                    await self.converse(socket, len(done))
                    done.append(len(socket.extensions))

            # Each server accepts in one way; the client runs all cases against each.
            for factory in accepted:
                done.clear()
                async with websockets.serve(
                    serve, "127.0.0.1", 0, extensions=[factory], compression=None, ping_interval=None
                ) as server:
                    port = server.sockets[0].getsockname()[1]
                    client = await asyncio.create_subprocess_exec(
                        CLIENT, *option, f"ws://127.0.0.1:{port}", stderr=asyncio.subprocess.DEVNULL
                    )
                    self.assertEqual(await asyncio.wait_for(client.wait(), 60), 0)
                with self.subTest(option=option, accepts=vars(factory)):
                    self.assertEqual(done, [1] * CASES)


if __name__ == "__main__":
    unittest.main()
