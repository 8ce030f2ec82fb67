"""Servers under measurement: each in a process of its own, pinned to the first core; whoever loads them is pinned to
the second. And what the kernel says of them."""

import json
import os
import re
import subprocess

from nodes import free_port, wait_until

SERVER_CORE, LOAD_CORE = (sorted(os.sched_getaffinity(0)) * 2)[:2]

# As firmware/websocket/deflate.h sets it for ours, so that all spend the same effort on a message.
DEFLATE_LEVEL, DEFLATE_MEMORY_LEVEL, DEFLATE_THRESHOLD = 1, 8, 16


class Programs:
    """Where the servers were built, and what loads them, which may be another build's."""

    def __init__(self, build, tools=None):
        self.build, self.tools = build, tools or build

    def bench(self, name):
        return os.path.join(self.tools, "tests/bench", name)

    def ours(self, deflate=False, tls=None):
        port = free_port()
        line = [os.path.join(self.build, "tests/conformance/websocket_echo_server"), "--address", f"127.0.0.1:{port}"]
        if deflate:
            line += ["--deflate"]
        if tls:
            line += ["--tls-cert", tls + ".pem", "--tls-key", tls + ".key"]
        return Server(line, port)

    def beast(self, deflate=False, fan_out=False):
        port = free_port()
        line = [self.bench("echo_beast"), "--port", str(port)]
        if deflate:
            line += ["--deflate", "--level", str(DEFLATE_LEVEL), "--memory-level", str(DEFLATE_MEMORY_LEVEL),
                     "--threshold", str(DEFLATE_THRESHOLD)]
        if fan_out:
            line += ["--fan-out"]
        return Server(line, port)

    def lws(self):
        port = free_port()
        return Server([self.bench("echo_lws"), str(port)], port)

    def fan_out(self):
        port = free_port()
        return Server([self.bench("fanout_server"), "--port", str(port)], port)

    def load(self, server, *arguments):
        """One result of websocket_load."""
        ran = subprocess.run(self.load_line(server, *arguments), capture_output=True, text=True, check=False,
                             stdin=subprocess.DEVNULL, preexec_fn=pin_load)
        if ran.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {ran.stderr}")
        return json.loads(ran.stdout)

    def load_line(self, server, *arguments):
        return [self.bench("websocket_load"), "--port", str(server.port), "--server", str(server.child.pid),
                *map(str, arguments)]


def pin_load():
    os.sched_setaffinity(0, {LOAD_CORE})


class Server:
    """Runs from its making until `stop`, which a `with` calls."""

    def __init__(self, line, port, core=SERVER_CORE):
        self.port = port
        self.child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                      preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        said = self.child.stdout.readline()
        if not said.startswith("listening on"):
            self.stop()
            raise RuntimeError(f"{line[0]} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def rss(self):
        return resident(self.child.pid)


def resident(process):
    """Bytes of RSS."""
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as text:
        return int(re.search(r"^Rss:\s+(\d+)", text.read(), re.MULTILINE).group(1)) << 10


def kernel_bytes():
    """Slab of the whole machine, and what TCP's buffers take."""
    with open("/proc/meminfo", encoding="ascii") as text:
        slab = int(re.search(r"^Slab:\s+(\d+)", text.read(), re.MULTILINE).group(1)) << 10
    with open("/proc/net/sockstat", encoding="ascii") as text:
        pages = int(re.search(r"^TCP:.* mem (\d+)", text.read(), re.MULTILINE).group(1))
    return {"slab": slab, "buffers": pages * os.sysconf("SC_PAGE_SIZE")}


def gone(count):
    """Waits until at most that many TCP sockets are open on this machine: what was held before has been freed."""
    def few():
        with open("/proc/net/sockstat", encoding="ascii") as text:
            return int(re.search(r"^TCP: inuse (\d+)", text.read(), re.MULTILINE).group(1)) <= count
    wait_until(few, "the sockets of the last figure are gone", every=0.1)
