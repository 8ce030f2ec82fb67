"""What readings cost that come one by one: bytes on the line, and bytes to disk."""

import contextlib
import json
import os
import random
import threading
import time

from figures.figure import Figure
from nodes import Line, wait_until
from report import Sample


@contextlib.contextmanager
def fed_fifo(path, sensors):
    """A FIFO into which that many readings are written each second."""
    os.mkfifo(path)
    ends, fed = threading.Event(), [0]

    def feed():
        values, dice = [20.0] * sensors, random.Random(1)
        fifo = os.open(path, os.O_RDWR)
        while not ends.wait(1.0):
            values = [round(value + dice.gauss(0, 0.03), 2) for value in values]
            lines = [json.dumps({"channel": f"t{i}", "value": value, "unit": "°C"}) for i, value in enumerate(values)]
            os.write(fifo, ("\n".join(lines) + "\n").encode())
            fed[0] += sensors
        os.close(fifo)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield fed
    finally:
        ends.set()
        feeder.join()


class Moment:
    """What one gateway has counted at one time."""

    def __init__(self, fed, gateway, line):
        io, self.line = gateway.proc("io"), line.counters()
        self.at, self.readings = time.monotonic(), fed[0]
        self.asked, self.written = int(io["wchar"]), int(io["write_bytes"])


class Case:
    def __init__(self, place, stack, state, sensors, healthy, commit_interval):
        name = place.fresh("live")
        fifo = place.path(f"{name}.fifo")
        self.state, self.sensors, self.healthy = state, sensors, healthy
        self.fed = stack.enter_context(fed_fifo(fifo, sensors))
        self.hub = place.hub(f"{name}-hub")
        self.gateway = place.gateway(name, self.hub, sections=f'[[sensor]]\ndriver = "lines"\npath = "{fifo}"\n'
                                     f'[journal]\ncommit_interval = "{commit_interval}"\n')
        if healthy:
            self.hub.start()
        self.gateway.start()
        if healthy:
            wait_until(self.gateway.live, "the line is live")

    def moment(self):
        return Moment(self.fed, self.gateway, Line(self.hub.port))

    def stop(self):
        self.gateway.stop()
        if self.healthy:
            self.hub.stop()


class Live(Figure):
    """A healthy line with one and with ten readings a second, and ten during an outage; all at once."""

    def measure(self):
        with contextlib.ExitStack() as stack:
            cases = [Case(self.place, stack, *case) for case in (
                ("healthy line", 1, True, "200 ms"), ("healthy line", 10, True, "200 ms"),
                ("outage", 10, False, "200 ms"), ("outage, commit_interval 10 s", 10, False, "10 s"))]
            time.sleep(self.sizes.settle_s)
            before = [case.moment() for case in cases]
            time.sleep(self.sizes.live_s)
            for case, begun in zip(cases, before):
                ended = case.moment()
                if case.healthy:
                    yield from line_costs(case.sensors, begun, ended)
                if case.sensors > 1:
                    yield from disk_costs(case.state, begun, ended)
            for case in cases:
                case.stop()


def line_costs(sensors, begun, ended):
    readings = max(1, ended.readings - begun.readings)
    moved = {name: (ended.line[name] - begun.line[name]) / readings for name in begun.line}
    # On Ethernet an IPv4 packet of TCP with time stamps has 52 bytes of heads.
    packets = 52 * (moved["segs_out"] + moved["segs_in"])
    how = f"TCP payload with TLS, {ended.at - begun.at:.0f} s"
    yield Sample(f"wire, {sensors} live at 1 Hz, up", moved["bytes_sent"], "B/reading",
                 f"{how}; heads of TCP and IP, both ways, add {packets:.0f}")
    yield Sample(f"wire, {sensors} live at 1 Hz, down", moved["bytes_received"], "B/reading", how)


def disk_costs(state, begun, ended):
    """What was asked for, and what the file system made of it: whole pages of 4 KiB."""
    seconds, readings = ended.at - begun.at, max(1, ended.readings - begun.readings)
    for count, name, how in ((ended.asked - begun.asked, "", "wchar of /proc/PID/io: bytes given to write()"),
                             (ended.written - begun.written, ", pages",
                              "write_bytes of /proc/PID/io: pages of 4 KiB made dirty")):
        how += f"; {seconds:.0f} s, ten sensors at 1 Hz through a FIFO"
        yield Sample(f"disk{name}, {state}, an hour", count / seconds * 3600 / 1024, "KiB/h", how,
                     "≤ 4" if state == "healthy line" else "")
        yield Sample(f"disk{name}, {state}", count / readings, "B/reading", "the same by reading",
                     "≤ 200" if state == "outage" else "")
