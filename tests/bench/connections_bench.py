"""`./dev bench connections N [--seconds S]`: N idle lines of gateways, with heartbeats, held by as many `holdfast run` as the
limit of open files asks for, which then share one port. README.md says how to read it.

Nothing here fails because a figure is poor; only because it could not be taken, or because a line was lost.
"""

import argparse
import contextlib
import math
import os
import shutil
import sys
import tempfile

import idle_lines
from nodes import ROOT
from report import Markdown


def mib(size):
    return f"{size / (1 << 20):,.1f} MiB"


def report(lines, held):
    rss, slab, let_in = held.growth("rss"), held.growth("slab") / 2, held.cpu_to_let_in()
    hubs = len(held.sockets)
    table = Markdown(f"{lines:,} idle lines, {hubs} hub process(es), {held.seconds():.0f} s", "value", "per line")
    table.add("RSS of the hubs before the first line", mib(held.before.rss), "")
    table.add("RSS of the hubs at the end", mib(held.ended.rss), f"+{rss / lines:,.0f} B")
    table.add("change of it while held", mib(held.ended.rss - held.begun.rss), "")
    table.add("kernel slab, half of what both ends added", mib(slab), f"{slab / lines:,.0f} B")
    table.add("TCP buffers, both ends", mib(max(0, held.growth("buffers"))), "")
    table.add("CPU of the hubs while held", f"{held.cpu_share():.1%} of a core", f"{held.cpu_share() / lines * 1e6:.2f} us/s")
    table.add("CPU of the hubs to let them in", f"{let_in:.1f} s", f"{let_in / lines * 1e6:,.0f} us")
    table.add("heartbeats, slowest pong", f"{held.total('pings'):,}", f"{max(one['slowest_pong_s'] for one in held.results):.2f} s")
    table.add("least and most sockets of a hub", f"{min(held.sockets):,} … {max(held.sockets):,}", "")
    table.add("lines that answered at the end", f"{held.total('alive'):,}", "")
    table.add("lost", f"{held.lost()}", "")
    table.print()
    million = 1_000_000 / lines
    base = held.before.rss / hubs
    processes = math.ceil(1_000_000 / 19_000)
    print(f"Extrapolated, not measured: 1,000,000 such lines would take {rss * million / (1 << 30):.1f} GiB of the hubs' own and "
          f"{slab * million / (1 << 30):.1f} GiB of the kernel's slab; with 20,000 open files a process {processes} processes of "
          f"{mib(base)} each before their first line ({processes * base / (1 << 30):.1f} GiB); {held.cpu_share() * million:.1f} cores for the heartbeats, "
          f"and {let_in * million / 60:,.0f} core minutes to let all of them in.")


def main():
    options = argparse.ArgumentParser(description="holds idle lines on hubs, and says what they cost")
    options.add_argument("lines", type=int, help="how many")
    options.add_argument("--seconds", type=float, default=120, help="how long, once all are open (120)")
    options.add_argument("--heartbeat", type=float, default=25, help="seconds between two pings of a line (25, a gateway's default)")
    options.add_argument("--hubs", type=int, help="hub processes; as many as the limit of open files asks for")
    options.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="where it was built")
    chosen = options.parse_args()
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    try:
        with contextlib.ExitStack() as cleanup:
            held = idle_lines.hold(os.path.join(chosen.build, "holdfast"), os.path.join(chosen.build, "tests/bench/line_load"),
                                   directory, cleanup, chosen.lines, chosen.seconds, chosen.heartbeat, chosen.hubs,
                                   min(5, chosen.seconds))
            report(chosen.lines, held)
    finally:
        shutil.rmtree(directory)
    sys.exit(1 if held.lost() else 0)


if __name__ == "__main__":
    main()
