"""Nodes under measurement: each a `holdfast run` in a process of its own, below a directory that vanishes with the bench."""

import copy
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_ports = set()


def free_port():
    """Below the range from which the kernel takes ports of outgoing connections, so that it stays free."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _ports:
            _ports.add(port)
            return port


def wait_until(look, what, seconds=120.0, every=0.002):
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def cpu_seconds(process):
    """User and system time of all its threads, in nanoseconds: the kernel's clock of that process (clock_getcpuclockid)."""
    return time.clock_gettime((~process << 3) | 2)


class Node:
    """One `holdfast run`, in a process of its own."""

    def __init__(self, place, name, sections, port, tls=False):
        self.place, self.name, self.port, self.tls = place, name, port, tls
        self.data_dir = place.path(f"{name}.d")
        self.config = place.path(f"{name}.toml")
        self.child = None
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'[node]\nid = "{name}"\ndata_dir = "{self.data_dir}"\n{sections}')

    def spawn(self):
        log = open(self.place.path(f"{self.name}.log"), "ab")
        self.child = subprocess.Popen([self.place.holdfast, "run", "--config", self.config], stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log)
        log.close()
        self.place.children.append(self.child)

    def start(self):
        self.spawn()
        wait_until(self.answers, f"{self.name} answers")
        return self

    def stop(self):
        self.child.terminate()
        self.child.wait(30)

    def forget(self):
        """Its journal, but not its tokens."""
        for file in os.listdir(self.data_dir):
            if not file.startswith("tokens"):
                os.unlink(os.path.join(self.data_dir, file))

    def answers(self):
        if self.child.poll() is not None:
            with open(self.place.path(f"{self.name}.log"), encoding="utf-8") as log:
                raise RuntimeError(f"{self.name} ended:\n{log.read()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def token(self, device, file):
        made = subprocess.run([self.place.holdfast, "token", "create", "--device", device, "--config", self.config],
                              capture_output=True, text=True, check=True)
        with open(file, "w", encoding="utf-8") as out:
            out.write(made.stdout)

    def metric(self, name):
        """Of a node with a plain listener."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))

    def backlog(self):
        return int(self.metric("holdfast_uplink_backlog_readings"))

    def live(self):
        return self.metric("holdfast_uplink_connected") == 1

    def proc(self, file):
        with open(f"/proc/{self.child.pid}/{file}", encoding="ascii", errors="replace") as text:
            return dict(re.findall(r"^(\w+):\s+(\d+)", text.read(), re.MULTILINE))

    def cpu_seconds(self):
        return cpu_seconds(self.child.pid)

    def memory(self):
        """Resident now, resident at most, and what of it is not the content of files, in MiB."""
        status, rollup = self.proc("status"), self.proc("smaps_rollup")
        return {"rss": int(status["VmRSS"]) / 1024, "peak": int(status["VmHWM"]) / 1024,
                "anonymous": int(rollup["Anonymous"]) / 1024}


class Line:
    """What the kernel counts on the gateway's connection to the hub: TCP payload, so WebSocket and TLS are in it."""

    def __init__(self, hub_port):
        self.hub_port = hub_port

    def counters(self):
        out = subprocess.run(["ss", "-tinH", "state", "established", f"dport = :{self.hub_port}"], capture_output=True,
                             text=True, check=True).stdout
        fields = dict(re.findall(r"(bytes_sent|bytes_received|segs_out|segs_in):(\d+)", out))
        if "bytes_sent" not in fields:
            return None
        return {name: int(fields.get(name, 0)) for name in ("bytes_sent", "bytes_received", "segs_out", "segs_in")}

    def settled(self):
        """The counters once nothing moves any more."""
        seen = None
        while True:
            now = self.counters()
            if now is not None and now == seen:
                return now
            seen = now
            time.sleep(0.3)


class Place:
    """One build's nodes, their directory, and the programs that load them, which may be another build's."""

    def __init__(self, build, sizes, tools=None):
        self.build, self.tools, self.sizes = build, tools or build, sizes
        self.holdfast = os.path.join(build, "holdfast")
        self.directory = tempfile.mkdtemp(prefix="holdfast-bench-")
        self.children = []
        self.names = {}
        subprocess.run(["sh", os.path.join(ROOT, "tests/certificates.sh"), self.path("tls")], check=True,
                       stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def other_preset(self, preset):
        """The executable of another preset of the same tree."""
        return os.path.join(os.path.dirname(self.build), preset, "holdfast")

    def running(self, holdfast):
        """The same place, in which nodes run another executable."""
        place = copy.copy(self)
        place.holdfast = holdfast
        return place

    def path(self, name):
        return os.path.join(self.directory, name)

    def tool(self, name):
        return os.path.join(self.tools, "tests/bench", name)

    def fresh(self, name):
        """A name for a node that no other has."""
        self.names[name] = self.names.get(name, 0) + 1
        return f"{name}-{self.names[name]}"

    def hub(self, name):
        port = free_port()
        return Node(self, name, f'[listen]\naddress = "127.0.0.1:{port}"\ntls_cert = "{self.path("tls/server.pem")}"\n'
                    f'tls_key = "{self.path("tls/server.key")}"\n', port, tls=True)

    def plain_hub(self, name):
        port = free_port()
        return Node(self, name, f'[listen]\naddress = "127.0.0.1:{port}"\n', port)

    def gateway(self, name, hub, ca_file=None, sections=""):
        """With a listener for pushes, and a line over TLS to `hub`."""
        port, token = free_port(), self.path(f"{name}.token")
        hub.token(name, token)
        return Node(self, name, f'[uplink]\nurl = "wss://localhost:{hub.port}/v1/uplink"\ntoken_file = "{token}"\n'
                    f'ca_file = "{ca_file or self.path("tls/ca.pem")}"\nretry_min = "20 ms"\nretry_max = "20 ms"\n'
                    f'[listen]\naddress = "127.0.0.1:{port}"\n{sections}', port)

    def push(self, node, kind, readings, per_message=100, window=20_000):
        ran = subprocess.run([self.tool("push_load"), "--port", str(node.port), "--kind", kind,
                              "--readings", str(readings), "--per-message", str(per_message), "--window",
                              str(window)], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr)
        return json.loads(ran.stdout)
