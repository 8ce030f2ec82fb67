"""`./dev bench connections N [--seconds S]`: N idle lines of gateways, with heartbeats, held by as many `holdfast run` as the
limit of open files asks for, which then share one port. README.md says how to read it.

Nothing here fails because a figure is poor; only because it could not be taken, or because a line was lost.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from measured_servers import cpu_seconds, gone, kernel_bytes, resident
from run import ROOT, free_port, wait_until
from websocket_bench import Markdown

SPARE_DESCRIPTORS = 500  # of a hub: its journal, its log, its listener; and so that none is full when the kernel is uneven


def device(index):
    return f"line-{index:06}"


def write_tokens(data_dir, lines):
    """As firmware/app/token_file.h keeps them: one by one `token create` would take hours."""
    with open(os.path.join(data_dir, "tokens"), "w", encoding="ascii") as out:
        for index in range(lines):
            digest = hashlib.sha256(f"token-of-{device(index)}".encode()).hexdigest()
            out.write(f"{device(index)} {digest} device 2026-11-20T10:00:00Z\n")
    os.chmod(os.path.join(data_dir, "tokens"), 0o600)


class Hub:
    def __init__(self, directory, program, number, port, limit, share, lines):
        data_dir = os.path.join(directory, f"hub-{number}")
        os.mkdir(data_dir)
        write_tokens(data_dir, lines)
        config = data_dir + ".toml"
        with open(config, "w", encoding="ascii") as out:
            out.write(f'[node]\nid = "hub-{number}"\ndata_dir = "{data_dir}"\n[listen]\naddress = "127.0.0.1:{port}"\n'
                      f'max_connections = {limit}\n{"share_port = true" if share else ""}\n[log]\nlevel = "warning"\n')
        self.log = data_dir + ".log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen([program, "run", "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.listens, f"hub {number} listens")

    def listens(self):
        """By the kernel's table: a connection would reach any of the hubs that share the port."""
        if self.child.poll() is not None:
            raise RuntimeError(f"a hub ended:\n{self.said()}")
        own = self.sockets()
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [row.split() for row in table][1:]
        return any(row[3] == "0A" and f"socket:[{row[9]}]" in own for row in rows)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def sockets(self):
        directory, found = f"/proc/{self.child.pid}/fd", set()
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):
                link = os.readlink(os.path.join(directory, name))
                if link.startswith("socket:"):
                    found.add(link)
        return found

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()


class Load:
    """One process that holds lines."""

    def __init__(self, program, port, number, first, lines, heartbeat_s):
        self.child = subprocess.Popen([program, "--port", str(port), "--lines", str(lines), "--first-device", str(first),
                                       "--first-address", str(1 + number), "--heartbeat", str(heartbeat_s)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self, what):
        said = self.child.stdout.readline()
        if not said:
            raise RuntimeError(f"a load process ended before it said {what}")
        return json.loads(said)

    def end(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


class Moment:
    """What the hubs and the kernel have at one time."""

    def __init__(self, hubs):
        self.at = time.monotonic()
        self.rss = sum(resident(hub.child.pid) for hub in hubs)
        self.cpu = sum(cpu_seconds(hub.child.pid) for hub in hubs)
        self.kernel = kernel_bytes()


def mib(size):
    return f"{size / (1 << 20):,.1f} MiB"


def hold(chosen, directory, cleanup):
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_000_000) - SPARE_DESCRIPTORS
    hubs_needed = chosen.hubs or (1 if chosen.lines <= limit else math.ceil(chosen.lines / (limit * 0.9)))
    loads_needed = math.ceil(chosen.lines / limit)
    port, hubs, loads = free_port(), [], []
    gone(500)
    for number in range(hubs_needed):
        hubs.append(Hub(directory, os.path.join(chosen.build, "holdfast"), number, port, limit, hubs_needed > 1, chosen.lines))
        cleanup.callback(hubs[-1].stop)
    time.sleep(1)
    before = Moment(hubs)
    for number in range(loads_needed):
        first, end = (chosen.lines * at // loads_needed for at in (number, number + 1))
        loads.append(Load(os.path.join(chosen.build, "tests/bench/line_load"), port, number, first, end - first,
                          chosen.heartbeat))
        cleanup.callback(loads[-1].stop)
    opened = [load.answer("how many lines are open") for load in loads]
    print(f"  {sum(one['open'] for one in opened):,} lines are open after {max(one['seconds'] for one in opened):.0f} s, "
          f"{sum(one['lost'] for one in opened)} lost, {sum(one['again'] for one in opened)} attempts repeated; the slowest pong took "
          f"{max(one['slowest_pong_s'] for one in opened):.2f} s", file=sys.stderr)
    time.sleep(min(5, chosen.seconds))
    begun = Moment(hubs)
    time.sleep(chosen.seconds)
    ended = Moment(hubs)
    spread = [len(hub.sockets()) for hub in hubs]
    for load in loads:
        load.end()
    return before, begun, ended, spread, opened, [load.answer("what became of its lines") for load in loads]


def report(lines, before, begun, ended, spread, opened, results):
    lost = sum(one["lost"] for one in results)
    seconds = ended.at - begun.at
    cpu_share = (ended.cpu - begun.cpu) / seconds
    growth = {"rss": ended.rss - before.rss, **{name: ended.kernel[name] - before.kernel[name] for name in ended.kernel}}
    table = Markdown(f"{lines:,} idle lines, {len(spread)} hub process(es), {seconds:.0f} s", "value", "per line")
    table.add("RSS of the hubs before the first line", mib(before.rss), "")
    table.add("RSS of the hubs at the end", mib(ended.rss), f"+{growth['rss'] / lines:,.0f} B")
    table.add("change of it while held", mib(ended.rss - begun.rss), "")
    table.add("kernel slab, half of what both ends added", mib(growth["slab"] / 2), f"{growth['slab'] / 2 / lines:,.0f} B")
    table.add("TCP buffers, both ends", mib(max(0, growth["buffers"])), "")
    table.add("CPU of the hubs while held", f"{cpu_share:.1%} of a core", f"{cpu_share / lines * 1e6:.2f} us/s")
    table.add("CPU of the hubs to let them in", f"{begun.cpu - before.cpu:.1f} s", f"{(begun.cpu - before.cpu) / lines * 1e6:,.0f} us")
    table.add("heartbeats, slowest pong", f"{sum(one['pings'] for one in results):,}", f"{max(one['slowest_pong_s'] for one in results):.2f} s")
    table.add("least and most sockets of a hub", f"{min(spread):,} … {max(spread):,}", "")
    table.add("lines that answered at the end", f"{sum(one['alive'] for one in results):,}", "")
    table.add("lost", f"{lost}", "")
    table.print()
    million = 1_000_000 / lines
    base = before.rss / len(spread)
    processes = math.ceil(1_000_000 / 19_000)
    print(f"Extrapolated, not measured: 1,000,000 such lines would take {growth['rss'] * million / (1 << 30):.1f} GiB of the hubs' own and "
          f"{growth['slab'] / 2 * million / (1 << 30):.1f} GiB of the kernel's slab; with 20,000 open files a process {processes} processes of "
          f"{mib(base)} each before their first line ({processes * base / (1 << 30):.1f} GiB); {cpu_share * million:.1f} cores for the heartbeats, "
          f"and {(begun.cpu - before.cpu) * million / 60:,.0f} core minutes to let all of them in.")
    return lost


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
            lost = report(chosen.lines, *hold(chosen, directory, cleanup))
    finally:
        shutil.rmtree(directory)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
