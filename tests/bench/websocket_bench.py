"""`./dev bench websocket [--quick] [ROW…]`: our WebSocket server beside Boost.Beast's and libwebsockets'. README.md says how
to read it.

Nothing here fails because a figure is poor; only because it could not be taken.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from echo_rows import AIMS, ECHO_ROWS, load_arguments
from measured_servers import LOAD_CORE, Programs, gone, kernel_bytes, pin_load
from nodes import ROOT
from report import Markdown, number, spread


class Effort:
    """How much is measured."""

    def __init__(self, quick, smoke):
        self.window_s = 0.05 if smoke else 0.7 if quick else 0.9
        self.rounds = 1 if smoke else 3 if quick else 5
        self.rows = list(AIMS) if quick or smoke else list(ECHO_ROWS)
        self.idle = 100 if smoke else 10_000
        self.settle_s = 0.2 if smoke else 1.5 if quick else 3
        self.broadcasts = 3 if smoke else 10 if quick else 30
        self.handshakes_s = 0.3 if smoke else 1 if quick else 2


# ---- Echo

class Samples:
    """The rounds of one row on one server."""

    def __init__(self):
        self.results = []

    def per_cpu_second(self):
        return [one["messages"] / one["server_cpu_s"] for one in self.results]

    def per_second(self):
        return [one["messages"] / one["seconds"] for one in self.results]

    def busy(self):
        return statistics.median(one["server_cpu_s"] / one["seconds"] for one in self.results)


def measure_echo(programs, effort, name):
    """Interleaved rounds, so that a busy minute of the machine hurts all alike. Each server is fresh."""
    row = ECHO_ROWS[name]
    deflate = row.deflate
    servers = {"ours": programs.ours(deflate), "Beast": programs.beast(deflate)}
    if not deflate and os.path.exists(programs.bench("echo_lws")):
        servers["lws"] = programs.lws()
    samples = {server: Samples() for server in servers}
    try:
        for _ in range(effort.rounds):
            for server, process in servers.items():
                samples[server].results.append(programs.load(process, "echo", *load_arguments(row, effort.window_s)))
    finally:
        for process in servers.values():
            process.stop()
    return samples


def ratio(ours, other):
    """Of rounds that were taken one after the other."""
    return [one / two for one, two in zip(ours.per_cpu_second(), other.per_cpu_second())]


def echo(programs, effort, names):
    cpu = Markdown("echo: messages/s of server CPU", "ours", "Boost.Beast", "libwebsockets", "ours ÷ Beast", "aim", "ours ÷ lws")
    wall = Markdown("echo: messages/s, CPU share", "ours", "Boost.Beast", "libwebsockets")
    differences = []
    for name in names:
        samples = measure_echo(programs, effort, name)
        ours, beast, lws = samples["ours"], samples["Beast"], samples.get("lws")
        cpu.add(name, spread(ours.per_cpu_second()), spread(beast.per_cpu_second()),
                spread(lws.per_cpu_second()) if lws else "-", spread(ratio(ours, beast)),
                f"≥ {AIMS[name]}" if name in AIMS else "", spread(ratio(ours, lws)) if lws else "-")
        wall.add(name, *(f"{spread(one.per_second())}, {one.busy():.0%}" if one else "-" for one in (ours, beast, lws)))
        results = [one for group in samples.values() for one in group.results]
        differences += [abs(one["server_cpu_s"] - one["server_stat_cpu_s"]) for one in results]
        if ECHO_ROWS[name].deflate:
            note_compressed(name, samples)
        print(f"  {name}: {cpu.rows[-1][4]} × Beast", flush=True)
    print()
    cpu.print()
    wall.print()
    if differences:
        print(f"Server CPU by the process's clock (nanoseconds). utime + stime of /proc/PID/stat (steps of 10 ms) differed by at "
              f"most {max(differences) * 1000:.0f} ms in {len(differences)} windows of {effort.window_s} s.\n")


def note_compressed(name, samples):
    shares = {server: sum(one["compressed"] for one in group.results) / max(1, sum(one["messages"] for one in group.results))
              for server, group in samples.items()}
    print(f"  {name}: answers compressed: " + ", ".join(f"{server} {share:.0%}" for server, share in shares.items()))


# ---- Idle connections

class Held:
    """Idle connections, held while this is used as a context."""

    def __init__(self, programs, server, count, *arguments):
        self.count = count
        self.child = subprocess.Popen(programs.load_line(server, "idle", "--connections", count, *arguments),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin_load)
        said = self.child.stdout.readline()
        if not said or json.loads(said)["open"] != count:
            raise RuntimeError("the connections could not be opened")

    def answered(self):
        """Ends it; how many still gave an answer."""
        out, _ = self.child.communicate("\n", timeout=120)
        return json.loads(out)["answered"]


def hold(programs, effort, make, *arguments):
    """What one idle connection costs: {rss, slab, buffers} in bytes. Slab and buffers are those of both ends."""
    gone(200)
    with make() as server:
        Held(programs, server, 20, *arguments).answered()  # what happens once only, has happened
        time.sleep(effort.settle_s / 2)
        rss, kernel = server.rss(), kernel_bytes()
        held = Held(programs, server, effort.idle, *arguments)
        time.sleep(effort.settle_s)
        grown = {"rss": server.rss() - rss, **{name: now - kernel[name] for name, now in kernel_bytes().items()}}
        answered = held.answered()
        if answered != effort.idle:
            raise RuntimeError(f"only {answered} of {effort.idle} idle connections answered")
    return {name: size / effort.idle for name, size in grown.items()}


def idle(programs, effort):
    table = Markdown(f"bytes per idle connection, {effort.idle:,} held", "RSS", "aim", "kernel slab, both ends", "TCP buffers, both ends")
    cases = (("ours", "≤ 512", programs.ours, []), ("Boost.Beast", "", programs.beast, []), *([("libwebsockets", "", programs.lws, [])] if os.path.exists(programs.bench("echo_lws")) else []),
             ("ours, deflate used once", "≤ 1024", lambda: programs.ours(deflate=True), ["--deflate", "--one-message"]),
             ("Boost.Beast, deflate used once", "", lambda: programs.beast(deflate=True), ["--deflate", "--one-message"]))
    for name, aim, make, arguments in cases:
        one = hold(programs, effort, make, *arguments)
        table.add(name, number(one["rss"]), aim, number(one["slab"]), number(max(0, one["buffers"])))
        print(f"  idle, {name}: {number(one['rss'])} B", flush=True)
    print()
    table.print()


# ---- TLS, fan-out

def tls(programs, effort):
    table = Markdown("TLS 1.3, ours", "per second of server CPU", "per second")
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    try:
        subprocess.run(["sh", os.path.join(ROOT, "tests/certificates.sh"), directory], check=True, stdout=subprocess.DEVNULL)
        with programs.ours(tls=os.path.join(directory, "server")) as server:
            kinds = {f"{kind} handshakes, {group}": [*flags, *option] for kind, flags in (("full", []), ("resumed", ["--resumed"]))
                     for group, option in (("X25519", ["--x25519"]), ("P-256", []))}
            results = {kind: [] for kind in kinds}
            for _ in range(effort.rounds):
                for kind, arguments in kinds.items():
                    results[kind].append(programs.load(server, "tls", "--ca", os.path.join(directory, "ca.pem"), "--seconds",
                                                       effort.handshakes_s / 4, *arguments))
            for kind, runs in results.items():
                table.add(kind, spread([run["handshakes"] / run["server_cpu_s"] for run in runs]),
                          spread([run["handshakes"] / run["seconds"] for run in runs]))
    finally:
        shutil.rmtree(directory)
    table.print()


def fan_out(programs, effort):
    table = Markdown(f"one message of 200 B to {effort.idle:,} receivers", "server CPU, ms", "until the last has it, ms")
    for name, make in (("ours", programs.fan_out), ("Boost.Beast", lambda: programs.beast(fan_out=True))):
        gone(200)
        with make() as server:
            run = programs.load(server, "fanout", "--connections", effort.idle, "--messages", effort.broadcasts)
        table.add(name, *(spread([one * 1000 for one in run[field]]) for field in ("server_cpu_s", "seconds")))
    table.print()


FIGURES = {"idle": idle, "tls": tls, "fanout": fan_out}


def main():
    options = argparse.ArgumentParser(description="measures our WebSocket server beside others")
    options.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="where it was built")
    options.add_argument("--quick", action="store_true", help="the rows with an aim, short rounds: 90 s")
    options.add_argument("--smoke", action="store_true", help="tiny: only shows that the bench works")
    options.add_argument("row", nargs="*", help="of " + ", ".join([*FIGURES, "echo", *ECHO_ROWS]) + "; a part of a name is enough")
    chosen = options.parse_args()
    effort = Effort(chosen.quick, chosen.smoke)
    rows = effort.rows if not chosen.row or "echo" in chosen.row else []
    wanted = [row for row in chosen.row if row not in FIGURES and row != "echo"]
    for row in wanted:
        found = [row] if row in ECHO_ROWS else [name for name in ECHO_ROWS if re.search(re.escape(row), name)]
        if not found:
            options.error(f"there is no row {row!r}")
        rows = rows + [name for name in found if name not in rows]
    os.sched_setaffinity(0, {LOAD_CORE})
    programs, load, began = Programs(os.path.abspath(chosen.build)), os.getloadavg()[0], time.monotonic()
    if rows:
        echo(programs, effort, rows)
    for name, figure in FIGURES.items():
        if not chosen.row or name in chosen.row:
            figure(programs, effort)
    print(f"Median (least … most) of {effort.rounds} interleaved rounds; server on one core, load on another. "
          f"{time.monotonic() - began:.0f} s; the load of the machine was {load:.1f} before, {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
