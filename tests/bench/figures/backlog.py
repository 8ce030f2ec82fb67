"""A backlog that is made once, and drained again and again."""

import os
import shutil
import time

from nodes import Line, wait_until


class Backlog:
    """Hub and gateway, both down; the gateway has a backlog, of which a copy is kept for each round."""

    def __init__(self, place, name, kind, readings, per_message=1000, ca_file=None):
        """With ten a message, each message waits for the one before, so that each is a commit of its own."""
        self.hub = place.hub(f"{name}-hub")
        self.gateway = place.gateway(name, self.hub, ca_file)
        self.gateway.start()
        before = self.gateway.metric("holdfast_journal_bytes")
        window = 20_000 if per_message >= 100 else 1
        self.readings = place.push(self.gateway, kind, readings, per_message, window)["readings"]
        # All is acknowledged, so written.
        self.grown = self.gateway.metric("holdfast_journal_bytes") - before
        self.gateway.stop()
        self.kept = place.path(f"{name}.kept")
        shutil.move(self.gateway.data_dir, self.kept)

    def restore(self):
        self.hub.forget()
        shutil.rmtree(self.gateway.data_dir, ignore_errors=True)
        shutil.copytree(self.kept, self.gateway.data_dir)
        os.sync()

    def drain(self):
        """Seconds from the line being live until the last acknowledgement; what the line and the nodes took for it."""
        hub, gateway = self.hub, self.gateway
        gateway.start()
        line = Line(hub.port)
        cpu_before = gateway.cpu_seconds()
        hub.start()
        wait_until(gateway.live, "the line is live")
        began, missed = time.monotonic(), self.readings - gateway.backlog()
        wait_until(lambda: gateway.backlog() == 0, "the hub has all", every=0.005)
        seconds = time.monotonic() - began
        cpu = gateway.cpu_seconds() - cpu_before, hub.cpu_seconds()
        counters = line.settled()
        memory = gateway.memory()
        gateway.stop()
        hub.stop()
        return {"rate": (self.readings - missed) / seconds, "line": counters, "cpu": cpu, "memory": memory}
