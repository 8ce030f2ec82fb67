"""Those who give numbered readings: into a followed file, into a FIFO, through `/v1/push?source=`; and the pace they keep."""

import asyncio
import json
import os
import threading

import websockets

from harness import Background, rfc3339

BASE_US = 1_790_000_000_000_000
TIME_OF = {"lines": lambda n: BASE_US + n * 1_000, "push": lambda n: BASE_US + 7 + n * 1_234}


def reading(channel, number, **more):
    return {"channel": channel, "value": number, "time": rfc3339(TIME_OF[channel](number)), "unit": "n", **more}


class Pace:
    """How many readings each feed may have given by now; the storm raises it, or keeps it still."""

    def __init__(self, count):
        self.count = count
        self._allowed = 0
        self._changed = threading.Condition()

    def allow(self, fraction):
        with self._changed:
            self._allowed = max(self._allowed, int(self.count * fraction))
            self._changed.notify_all()

    def allowed(self):
        return self._allowed

    def wait_beyond(self, given):
        """Until more than `given` are allowed; how many."""
        with self._changed:
            while self._allowed <= given:
                if not self._changed.wait(120):
                    raise TimeoutError("nobody raised the pace")
            return self._allowed


def feed_lines(descriptor, channel, pace, random):
    """Whole and broken-up lines, in bursts of all sizes."""
    given = 0
    while given < pace.count:
        end = min(pace.wait_beyond(given), given + random.choice((1, 7, 100, 600)))
        text = "".join(json.dumps(reading(channel, n)) + "\n" for n in range(given + 1, end + 1)).encode()
        cut = random.randrange(len(text)) if random.random() < 0.2 else 0
        for part in (text[:cut], text[cut:]):
            while part:
                part = part[os.write(descriptor, part):]
        given = end
        if random.random() < 0.3:
            threading.Event().wait(random.uniform(0, 0.02))


def lines_feed(path, pace, random):
    """Appends to a file, or writes into a FIFO once somebody reads it."""

    def work():
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            feed_lines(descriptor, "lines", pace, random)
        finally:
            os.close(descriptor)

    return Background(f"feed of {os.path.basename(path)}", work)


async def push_once(url, pace, random):
    """One connection, from what the node says it has; True: all is durable."""
    async with websockets.connect(url, open_timeout=5, ping_interval=None, close_timeout=1) as socket:
        durable = json.loads(await asyncio.wait_for(socket.recv(), 10))["through"]
        given = durable
        while durable < pace.count:
            # Sometimes what was already given is given again: it must be ignored.
            again = min(given, random.choice((0, 0, 0, 5)))
            end = min(pace.allowed(), given + random.choice((1, 10, 200, 500)))
            if end > given and given - durable < 3_000:
                batch = [reading("push", n, n=n) for n in range(given - again + 1, end + 1)]
                await socket.send(json.dumps(batch[0] if len(batch) == 1 else batch))
                given = end
                continue
            try:
                answer = json.loads(await asyncio.wait_for(socket.recv(), 0.05 if given == durable else 10))
            except asyncio.TimeoutError:
                if given != durable:
                    raise
                continue
            if "error" in answer:
                raise AssertionError(f"the node refused readings: {answer}")
            if not durable <= answer["through"] <= given:
                raise AssertionError(f"through {answer['through']}, but {durable} was durable and {given} given")
            durable = answer["through"]
    return durable


def push_feed(port, pace, random):
    """Reconnects for as long as it takes, as the contract of `source=` foresees."""
    url = f"ws://127.0.0.1:{port}/v1/push?source=interop"

    async def work():
        while True:
            try:
                if await push_once(url, pace, random) >= pace.count:
                    return
            except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
                await asyncio.sleep(0.05)

    return Background("push feed", lambda: asyncio.run(work()))
