"""What idle lines cost a hub: as `./dev bench connections`, with few of them and for a short time."""

import contextlib
import os

import idle_lines
from figures.figure import Figure
from report import Sample

HEARTBEAT_S = 2  # of a line: often, so that a short time shows what heartbeats cost


class Connections(Figure):
    def __init__(self, place):
        super().__init__(place)
        self.rounds = min(3, self.sizes.rounds)

    def measure(self):
        lines = self.sizes.lines
        directory = self.place.path(self.place.fresh("connections"))
        os.mkdir(directory)
        with contextlib.ExitStack() as cleanup:
            held = idle_lines.hold(self.place.holdfast, self.place.tool("line_load"), directory, cleanup, lines,
                                   self.sizes.lines_s, HEARTBEAT_S, settle_s=min(2, self.sizes.lines_s))
        if held.lost():
            raise RuntimeError(f"{held.lost()} of {lines} lines were lost")
        how = f"{lines:,} lines, a ping each {HEARTBEAT_S} s, held for {self.sizes.lines_s} s"
        yield Sample("connections, RSS of the hub", held.growth("rss") / lines, "B/line", how)
        yield Sample("connections, CPU to let them in", held.cpu_to_let_in() / lines * 1e6, "us/line",
                     "request, token, Hello and what is noted durably of a device")
        yield Sample("connections, CPU while held", held.cpu_share() / lines * 1e6, "us/s a line", how)


def connections(place):
    return [Connections(place)]
