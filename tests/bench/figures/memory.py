"""What a gateway has resident."""

import os
import re
import time

from figures.backlog import Backlog
from figures.figure import Figure
from report import Sample

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"


class Memory(Figure):
    def __init__(self, place, variant, ca_file):
        super().__init__(place)
        self.variant, self.ca_file = variant, ca_file
        self.rounds = min(3, self.sizes.rounds)

    def prepare(self):
        self.backlog = Backlog(self.place, "memory" + re.sub(r"\W", "", self.variant), "ten", self.sizes.memory,
                               ca_file=self.ca_file)

    def measure(self):
        self.backlog.restore()
        gateway = self.backlog.gateway.start()
        time.sleep(self.sizes.settle_s / 5)
        idle = gateway.memory()
        gateway.stop()
        drained = self.backlog.drain()["memory"]
        yield Sample(f"memory, hub absent{self.variant}", idle["rss"], "MiB",
                     f"VmRSS with TLS and a backlog of {self.backlog.readings:,}; {own(idle)}", "≤ 8")
        yield Sample(f"memory, drained{self.variant}", drained["rss"], "MiB",
                     f"VmRSS when that has been drained; {own(drained)}; VmHWM {drained['peak']:.1f}", "≤ 8")


def own(memory):
    return f"heap, stacks and other anonymous pages {memory['anonymous']:.1f}, the rest is the executable's and libraries'"


def system_bundle(place):
    """The system's roots, and the hub's own, which must be among them."""
    bundle = place.path("bundle.pem")
    with open(bundle, "w", encoding="utf-8") as out:
        for file in (SYSTEM_CAS, place.path("tls/ca.pem")):
            with open(file, encoding="utf-8") as roots:
                out.write(roots.read() + "\n")
    return bundle


def memories(place):
    own_ca, static = place.path("tls/ca.pem"), place.other_preset("static")
    variants = [Memory(place, "", own_ca)]
    if os.path.exists(SYSTEM_CAS):
        variants.append(Memory(place, ", system's ca_file", system_bundle(place)))
    if os.path.exists(static):
        variants.append(Memory(place.running(static), ", static", own_ca))
    return variants
