"""How fast a backlog goes to the hub, and how many bytes it takes on the way and on disk."""

import os

from figures.backlog import Backlog
from figures.figure import Figure
from nodes import ROOT
from report import Sample

MACHINE_TEMPERATURE = os.path.join(ROOT, "tests/firmware/telemetry/data/machine_temperature.csv")


class Drain(Figure):
    title, kind, per_message = "drain", "ten", 1000

    def __init__(self, place):
        super().__init__(place)
        self.rounds = self.sizes.rounds
        self.readings = self.sizes.drain

    def prepare(self):
        self.backlog = Backlog(self.place, f"drain-{self.kind}-{self.per_message}", self.kind, self.readings,
                               self.per_message)

    def measure(self):
        self.backlog.restore()
        ran = self.backlog.drain()
        yield Sample(self.title, ran["rate"], "readings/s", self.how(), "≥ 1,000,000")
        yield from self.costs(ran)

    def how(self):
        return (f"{self.backlog.readings:,} readings of ten sensors, pushed 1,000 a message while the hub was absent; line "
                "live until last acknowledgement")

    def costs(self, ran):
        pushed = self.backlog.readings
        yield Sample("drain, CPU of the gateway", ran["cpu"][0] * 1e6 / pushed, "s/million",
                     "user and system time of the process; without start")
        yield Sample("drain, CPU of the hub", ran["cpu"][1] * 1e6 / pushed, "s/million", "the same, with its start")
        for direction, name in (("bytes_sent", "up"), ("bytes_received", "down")):
            yield Sample(f"drain, wire {name}", ran["line"][direction] / pushed, "B/reading",
                         "TCP payload by ss -ti, TLS handshake and all")


class DrainOfNoise(Drain):
    title, kind = "drain, doubles of full precision", "noise"

    def how(self):
        return f"the same with {self.backlog.readings:,} random doubles, which nothing makes small"

    def costs(self, ran):
        return ()


class DrainOfSmallRows(Drain):
    title, per_message = "drain, after a slow outage", 10

    def __init__(self, place):
        super().__init__(place)
        self.readings = self.sizes.small_rows

    def how(self):
        return f"the same with {self.backlog.readings:,} readings that were committed ten at a time"

    def costs(self, ran):
        return ()


class Wire(Figure):
    """Of a file of values, or of a counter. The bytes hardly differ between rounds."""

    def __init__(self, place, title, kind, readings, aim):
        super().__init__(place)
        self.title, self.kind, self.readings, self.aim = title, kind, readings, aim

    def prepare(self):
        self.backlog = Backlog(self.place, f"wire-{self.title.split()[0]}", self.kind, self.readings)

    def measure(self):
        self.backlog.restore()
        line, pushed = self.backlog.drain()["line"], self.backlog.readings
        up, down = line["bytes_sent"] / pushed, line["bytes_received"] / pushed
        yield Sample(f"wire, {self.title}", up + down, "B/reading",
                     f"{pushed:,} readings drained as above; TCP payload of the whole connection by ss -ti; {up:.3f} up, "
                     f"{down:.3f} down", self.aim)
        yield Sample(f"journal, {self.title}", self.backlog.grown / pushed, "B/reading",
                     "growth of the pages in use, pushed 1,000 a message")


def wires(place):
    return [Wire(place, "machine temperature", MACHINE_TEMPERATURE, 1, "≤ 4.6"),
            Wire(place, "1 Hz counter", "counter", place.sizes.counter, "≤ 0.5")]


def drains(place):
    return [Drain(place), DrainOfNoise(place), DrainOfSmallRows(place)]
