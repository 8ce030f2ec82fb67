"""Idle lines of gateways, with heartbeats, held on hubs by processes of line_load; and what was measured meanwhile."""

import contextlib
import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import time

from measured_servers import gone, kernel_bytes, resident
from nodes import cpu_seconds, free_port, wait_until

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


class Held:
    """What hubs and loads said: before the first line, when all were open, and at the end."""

    def __init__(self, before, begun, ended, sockets, results):
        self.before, self.begun, self.ended = before, begun, ended
        self.sockets, self.results = sockets, results  # of each hub, of each load

    def total(self, field):
        return sum(one[field] for one in self.results)

    def lost(self):
        return self.total("lost")

    def seconds(self):
        return self.ended.at - self.begun.at

    def growth(self, what):
        """Bytes of rss, slab or buffers that the lines brought."""
        if what == "rss":
            return self.ended.rss - self.before.rss
        return self.ended.kernel[what] - self.before.kernel[what]

    def cpu_share(self):
        """Of a core, while the lines are held."""
        return (self.ended.cpu - self.begun.cpu) / self.seconds()

    def cpu_to_let_in(self):
        return self.begun.cpu - self.before.cpu


def hold(holdfast, line_load, directory, cleanup, lines, seconds, heartbeat_s, hubs_wanted=None, settle_s=5):
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_000_000) - SPARE_DESCRIPTORS
    hubs_needed = hubs_wanted or (1 if lines <= limit else math.ceil(lines / (limit * 0.9)))
    loads_needed = math.ceil(lines / limit)
    port, hubs, loads = free_port(), [], []
    gone(500)
    for number in range(hubs_needed):
        hubs.append(Hub(directory, holdfast, number, port, limit, hubs_needed > 1, lines))
        cleanup.callback(hubs[-1].stop)
    time.sleep(1)
    before = Moment(hubs)
    for number in range(loads_needed):
        first, end = (lines * at // loads_needed for at in (number, number + 1))
        loads.append(Load(line_load, port, number, first, end - first, heartbeat_s))
        cleanup.callback(loads[-1].stop)
    opened = [load.answer("how many lines are open") for load in loads]
    print(f"  {sum(one['open'] for one in opened):,} lines are open after {max(one['seconds'] for one in opened):.0f} s, "
          f"{sum(one['lost'] for one in opened)} lost, {sum(one['again'] for one in opened)} attempts repeated; the slowest pong took "
          f"{max(one['slowest_pong_s'] for one in opened):.2f} s", file=sys.stderr)
    time.sleep(settle_s)
    begun = Moment(hubs)
    time.sleep(seconds)
    ended = Moment(hubs)
    sockets = [len(hub.sockets()) for hub in hubs]
    for load in loads:
        load.end()
    return Held(before, begun, ended, sockets, [load.answer("what became of its lines") for load in loads])
