"""`./dev bench [NAME…]`: measures what Holdfast promises, and prints one table: figure, unit, what is aimed for, and
how it was taken. README.md says for each figure how it is taken and what it does not say.

Nothing here fails because a figure is poor; only because it could not be taken.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINE_TEMPERATURE = os.path.join(ROOT, "tests/firmware/telemetry/data/machine_temperature.csv")
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"


class Sizes:
    """How much is measured; `smoke` only shows that all of it works."""

    def __init__(self, smoke):
        self.drain = 20_000 if smoke else 2_000_000
        self.small_rows = 1_000 if smoke else 100_000
        self.push = 10_000 if smoke else 500_000
        self.counter = 2_000 if smoke else 100_000
        self.memory = 10_000 if smoke else 1_000_000
        self.codec = 10_000 if smoke else 500_000
        self.rounds = 1 if smoke else 5
        self.live_s = 1 if smoke else 120
        self.settle_s = 0.5 if smoke else 15
        self.starts = 1 if smoke else 9


# ---- What is printed

class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, value, unit, how, aim=""):
        self.rows.append((figure, value, unit, aim, how))
        print(f"  {figure}: {value} {unit}", file=sys.stderr, flush=True)

    def add_rates(self, figure, rates, unit, how, aim=""):
        self.add(figure, spread(rates), unit, how, aim)

    def print(self):
        heads = ("figure", "value", "unit", "aim", "how it was taken")
        widths = [max(len(row[i]) for row in [heads, *self.rows]) for i in range(4)]
        for row in [heads, tuple("-" * width for width in widths) + ("-" * 16,), *self.rows]:
            print("  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[4]]).rstrip())


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def spread(values):
    """The median, and the least and the most of the rounds."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))} … {number(max(values))})"


# ---- Nodes

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


class Node:
    """One `holdfast run`, in a process of its own."""

    def __init__(self, bench, name, sections, port, tls=False):
        self.bench, self.name, self.port, self.tls = bench, name, port, tls
        self.data_dir = bench.path(f"{name}.d")
        self.config = bench.path(f"{name}.toml")
        self.child = None
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'[node]\nid = "{name}"\ndata_dir = "{self.data_dir}"\n{sections}')

    def spawn(self):
        log = open(self.bench.path(f"{self.name}.log"), "ab")
        self.child = subprocess.Popen([self.bench.holdfast, "run", "--config", self.config], stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log)
        log.close()
        self.bench.children.append(self.child)

    def start(self):
        self.spawn()
        wait_until(self.answers, f"{self.name} answers")
        return self

    def stop(self):
        self.child.terminate()
        self.child.wait(30)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def forget(self):
        """Its journal, but not its tokens."""
        for file in os.listdir(self.data_dir):
            if not file.startswith("tokens"):
                os.unlink(os.path.join(self.data_dir, file))

    def answers(self):
        if self.child.poll() is not None:
            with open(self.bench.path(f"{self.name}.log"), encoding="utf-8") as log:
                raise RuntimeError(f"{self.name} ended:\n{log.read()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def token(self, device, file):
        made = subprocess.run([self.bench.holdfast, "token", "create", "--device", device, "--config", self.config],
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
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as text:
            fields = text.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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


class Bench:
    def __init__(self, build, sizes, table):
        self.holdfast = os.path.join(build, "holdfast")
        self.tools = os.path.join(build, "tests/bench")
        self.static = os.path.join(os.path.dirname(build), "static/holdfast")
        self.sizes, self.table = sizes, table
        self.directory = tempfile.mkdtemp(prefix="holdfast-bench-")
        self.children = []
        subprocess.run(["sh", os.path.join(ROOT, "tests/certificates.sh"), self.path("tls")], check=True,
                       stdout=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.directory, name)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

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
        ran = subprocess.run([os.path.join(self.tools, "push_load"), "--port", str(node.port), "--kind", kind,
                              "--readings", str(readings), "--per-message", str(per_message), "--window",
                              str(window)], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr)
        return json.loads(ran.stdout)

    def backlogged(self, name, kind, readings, per_message=1000, ca_file=None):
        """Hub and gateway, both down; the gateway has a backlog. Small messages each wait for the one before."""
        hub = self.hub(f"{name}-hub")
        gateway = self.gateway(name, hub, ca_file)
        gateway.start()
        window = 20_000 if per_message >= 100 else 1
        pushed = self.push(gateway, kind, readings, per_message, window)["readings"]
        gateway.stop()
        return hub, gateway, pushed


# ---- The figures

def drain_once(hub, gateway, pushed):
    """Seconds from the line being live until the last acknowledgement; what the line and the nodes took for it."""
    gateway.start()
    line = Line(hub.port)
    cpu_before = gateway.cpu_seconds()
    hub.start()
    wait_until(gateway.live, "the line is live")
    began, missed = time.monotonic(), pushed - gateway.backlog()
    wait_until(lambda: gateway.backlog() == 0, "the hub has all", every=0.005)
    seconds = time.monotonic() - began
    cpu = gateway.cpu_seconds() - cpu_before, hub.cpu_seconds()
    counters = line.settled()
    peak = gateway.memory()
    gateway.stop()
    hub.stop()
    return {"rate": (pushed - missed) / seconds, "line": counters, "cpu": cpu, "memory": peak}


def drain(bench):
    sizes = bench.sizes
    what = "pushed 1,000 a message while the hub was absent; line live until last acknowledgement"
    runs, pushed = drain_rounds(bench, "ten", sizes.drain, 1000)
    bench.table.add_rates("drain", [run["rate"] for run in runs], "readings/s",
                          f"{pushed:,} readings of ten sensors, {what}", "≥ 1,000,000")
    per_million = 1e6 / pushed
    bench.table.add_rates("drain, CPU of the gateway", [run["cpu"][0] * per_million for run in runs], "s/million",
                          "user and system time of the process, /proc/PID/stat, in steps of 10 ms; without start")
    bench.table.add_rates("drain, CPU of the hub", [run["cpu"][1] * per_million for run in runs], "s/million",
                          "the same, with its start")
    for direction, name in (("bytes_sent", "up"), ("bytes_received", "down")):
        bench.table.add_rates(f"drain, wire {name}", [run["line"][direction] / pushed for run in runs], "B/reading",
                              "TCP payload by ss -ti, TLS handshake and all")
    runs, pushed = drain_rounds(bench, "noise", sizes.drain, 1000)
    bench.table.add_rates("drain, doubles of full precision", [run["rate"] for run in runs], "readings/s",
                          f"the same with {pushed:,} random doubles, which nothing makes small", "≥ 1,000,000")
    runs, pushed = drain_rounds(bench, "ten", sizes.small_rows, 10)
    bench.table.add_rates("drain, after a slow outage", [run["rate"] for run in runs], "readings/s",
                          f"the same with {pushed:,} readings that were committed ten at a time", "≥ 1,000,000")


def drain_rounds(bench, kind, readings, per_message):
    """The same backlog drained again and again. With ten a message each message has waited for the one before."""
    name = f"drain-{kind}-{per_message}"
    hub, gateway, pushed = bench.backlogged(name, kind, readings, per_message)
    kept = bench.path(f"{name}.kept")
    shutil.move(gateway.data_dir, kept)
    runs = []
    for _ in range(bench.sizes.rounds):
        hub.forget()
        shutil.rmtree(gateway.data_dir, ignore_errors=True)
        shutil.copytree(kept, gateway.data_dir)
        os.sync()
        runs.append(drain_once(hub, gateway, pushed))
    return runs, pushed


def push(bench):
    rates = {"gateway": [], "hub": []}
    for i in range(bench.sizes.rounds):
        away = bench.hub(f"push-away-{i}")
        nodes = {"gateway": bench.gateway(f"push-gateway-{i}", away), "hub": bench.plain_hub(f"push-hub-{i}")}
        for name, node in nodes.items():
            node.start()
            pushed = bench.push(node, "ten", bench.sizes.push)
            rates[name].append(pushed["readings"] / pushed["seconds"])
            node.stop()
            shutil.rmtree(node.data_dir)
    how = f"{bench.sizes.push:,} readings with time and unit, 100 a message, pipelined; first message to last ack"
    bench.table.add_rates("push into a gateway", rates["gateway"], "readings/s", how + "; hub absent", "≥ 150,000")
    bench.table.add_rates("push into a hub", rates["hub"], "readings/s", how, "≥ 150,000")


def journal_bytes(bench, name, kind, readings):
    """How far a journal's used bytes grow, and its file."""
    hub = bench.hub(f"{name}-hub")
    node = bench.gateway(name, hub)
    node.start()
    before = node.metric("holdfast_journal_bytes")
    pushed = bench.push(node, kind, readings, 1000)["readings"]
    grown = node.metric("holdfast_journal_bytes") - before  # all is acknowledged, so written
    node.stop()
    return hub, node, pushed, grown


def wire(bench):
    for name, kind, readings, aim in (("machine temperature", MACHINE_TEMPERATURE, 0, "≤ 4.6"),
                                      ("1 Hz counter", "counter", bench.sizes.counter, "≤ 0.5")):
        short = name.split()[0]
        hub, gateway, pushed, grown = journal_bytes(bench, f"wire-{short}", kind, readings or 1)
        run = drain_once(hub, gateway, pushed)
        up, down = run["line"]["bytes_sent"], run["line"]["bytes_received"]
        how = f"{pushed:,} readings drained as above; TCP payload of the whole connection by ss -ti"
        bench.table.add(f"wire, {name}", number((up + down) / pushed), "B/reading",
                        how + f"; {up / pushed:.3f} up, {down / pushed:.3f} down", aim)
        bench.table.add(f"journal, {name}", number(grown / pushed), "B/reading",
                        "growth of the pages in use, pushed 1,000 a message")


@contextlib.contextmanager
def fed_fifo(bench, name, sensors):
    """A FIFO into which that many readings are written each second."""
    path = bench.path(f"{name}.fifo")
    os.mkfifo(path)
    ends, fed = threading.Event(), [0]

    def feed():
        values, dice = [20.0] * sensors, random.Random(1)
        fifo = os.open(path, os.O_RDWR)
        while not ends.wait(1.0):
            values = [round(value + dice.gauss(0, 0.03), 2) for value in values]
            lines = [json.dumps({"channel": f"t{i}", "value": value, "unit": "°C"}) for i, value in enumerate(values)]
            os.write(fifo, ("\n".join(lines) + "\n").encode())
            fed[0] += sensors
        os.close(fifo)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield path, fed
    finally:
        ends.set()
        feeder.join()


def lines_sensor(path):
    return f'[[sensor]]\ndriver = "lines"\npath = "{path}"\n'


def live_costs(bench):
    """A healthy line with one and with ten readings a second, and ten during an outage; all at once."""
    sizes = bench.sizes
    with contextlib.ExitStack() as stack:
        cases = []
        for name, sensors, healthy, interval in (("one", 1, True, "200 ms"), ("ten", 10, True, "200 ms"),
                                                 ("outage", 10, False, "200 ms"), ("rare", 10, False, "10 s")):
            path, fed = stack.enter_context(fed_fifo(bench, f"live-{name}", sensors))
            hub = bench.hub(f"live-{name}-hub")
            gateway = bench.gateway(f"live-{name}", hub, sections=lines_sensor(path) +
                                    f'[journal]\ncommit_interval = "{interval}"\n')
            if healthy:
                hub.start()
            gateway.start()
            if healthy:
                wait_until(gateway.live, "the line is live")
            cases.append((name, sensors, healthy, fed, gateway, Line(hub.port)))
        time.sleep(sizes.settle_s)
        before = [(fed[0], gateway.proc("io"), line.counters()) for _, _, _, fed, gateway, line in cases]
        began = time.monotonic()
        time.sleep(sizes.live_s)
        seconds = time.monotonic() - began
        for (name, sensors, healthy, fed, gateway, line), first in zip(cases, before):
            readings, io, counters = max(1, fed[0] - first[0]), gateway.proc("io"), line.counters()
            written = int(io["write_bytes"]) - int(first[1]["write_bytes"])
            asked = int(io["wchar"]) - int(first[1]["wchar"])
            if healthy:
                report_live_wire(bench, sensors, readings, seconds, first[2], counters)
            if name != "one":
                state = {"ten": "healthy line", "outage": "outage", "rare": "outage, commit_interval 10 s"}[name]
                report_disk(bench, state, readings, seconds, written, asked)


def report_live_wire(bench, sensors, readings, seconds, first, last):
    moved = {name: last[name] - first[name] for name in first}
    # On Ethernet an IPv4 packet of TCP with time stamps has 52 bytes of heads.
    packets = 52 * (moved["segs_out"] + moved["segs_in"]) / readings
    up, down = moved["bytes_sent"] / readings, moved["bytes_received"] / readings
    bench.table.add(f"wire, {sensors} live at 1 Hz", f"{up:.1f} + {down:.1f}", "B/reading",
                    f"up + down, TCP payload with TLS, {seconds:.0f} s; heads of TCP and IP add {packets:.0f}")


def report_disk(bench, state, readings, seconds, written, asked):
    """What was asked for, and what the file system made of it: whole pages of 4 KiB."""
    for count, name, how in ((asked, "", "wchar of /proc/PID/io: bytes given to write()"),
                             (written, ", pages", "write_bytes of /proc/PID/io: pages of 4 KiB made dirty")):
        how += f"; {seconds:.0f} s, ten sensors at 1 Hz through a FIFO"
        bench.table.add(f"disk{name}, {state}", number(count / seconds * 3600 / 1024), "KiB/h", how,
                        "≤ 4" if state == "healthy line" else "")
        bench.table.add(f"disk{name}, {state}", number(count / readings), "B/reading", "the same by reading",
                        "≤ 200" if state == "outage" else "")


def memory(bench):
    measure_memory(bench, "", bench.path("tls/ca.pem"))
    if os.path.exists(SYSTEM_CAS):
        bundle = bench.path("bundle.pem")
        with open(bundle, "w", encoding="utf-8") as out:
            for file in (SYSTEM_CAS, bench.path("tls/ca.pem")):  # the hub's own root must be among them
                with open(file, encoding="utf-8") as roots:
                    out.write(roots.read() + "\n")
        measure_memory(bench, ", system's ca_file", bundle)
    if os.path.exists(bench.static):
        dynamic, bench.holdfast = bench.holdfast, bench.static
        measure_memory(bench, ", static", bench.path("tls/ca.pem"))
        bench.holdfast = dynamic


def measure_memory(bench, variant, ca_file):
    name = "memory" + re.sub(r"\W", "", variant)
    hub, gateway, pushed = bench.backlogged(name, "ten", bench.sizes.memory, ca_file=ca_file)
    gateway.start()
    time.sleep(bench.sizes.settle_s / 5)
    idle = gateway.memory()
    gateway.stop()
    drained = drain_once(hub, gateway, pushed)["memory"]
    bench.table.add(f"memory, hub absent{variant}", f"{idle['rss']:.1f}", "MiB",
                    f"VmRSS with TLS and a backlog of {pushed:,}; {own(idle)}", "≤ 8")
    bench.table.add(f"memory, drained{variant}", f"{drained['rss']:.1f}", "MiB",
                    f"VmRSS when that has been drained; {own(drained)}; VmHWM {drained['peak']:.1f}", "≤ 8")


def own(memory):
    return f"heap, stacks and other anonymous pages {memory['anonymous']:.1f}, the rest is the executable's and libraries'"


def size(bench):
    file = os.path.join(ROOT, "build/armhf/holdfast")
    if os.path.exists(file):
        bench.table.add("armhf executable", f"{os.path.getsize(file) / (1 << 20):.2f}", "MiB",
                        "file size of build/armhf/holdfast: static, stripped", "≤ 4")
    else:
        bench.table.add("armhf executable", "not built", "MiB", "./dev cross armhf builds it", "≤ 4")


def push_first(port):
    """Connects as soon as it can be, pushes one reading, and waits for its acknowledgement."""
    while True:
        try:
            line = socket.create_connection(("127.0.0.1", port), 1)
            break
        except OSError:
            time.sleep(0.001)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(b"GET /v1/push HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    text = b'{"channel":"t1","value":21.5}'
    line.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    seen = b""
    while b'{"ack":1}' not in seen:
        more = line.recv(4096)
        if not more:
            raise RuntimeError(f"no acknowledgement: {seen!r}")
        seen += more
    line.close()


def first_reading(bench):
    fresh, again = [], []
    for i in range(bench.sizes.starts):
        gateway = bench.gateway(f"first-{i}", bench.hub(f"first-{i}-hub"))
        for taken in (fresh, again):
            began = time.monotonic()
            gateway.spawn()
            push_first(gateway.port)
            taken.append((time.monotonic() - began) * 1000)
            gateway.stop()
    how = "fork of the process until one pushed reading is acknowledged, so durable; the client tries every ms"
    bench.table.add_rates("first durable reading, new journal", fresh, "ms", how, "≤ 100")
    bench.table.add_rates("first durable reading, old journal", again, "ms", how, "≤ 100")


def codec(bench):
    ran = subprocess.run([os.path.join(bench.tools, "codec_speed"), MACHINE_TEMPERATURE, str(bench.sizes.codec),
                          str(bench.sizes.rounds)], capture_output=True, text=True, check=True)
    for row in json.loads(ran.stdout):
        what = f"codec, {row['name']}, {row['batch']} a batch"
        for direction in ("encode", "decode"):
            least, median, most = (rate / 1e6 for rate in row[direction])
            bench.table.add(f"{what}: {direction}", f"{median:.1f} ({least:.1f} … {most:.1f})", "M readings/s",
                            "one thread, all batches in memory")
        bench.table.add(f"{what}: size", number(row["bytes_per_reading"]), "B/reading", "the batch's bytes alone")


FIGURES = {"drain": drain, "push": push, "wire": wire, "live": live_costs, "memory": memory, "size": size,
           "first": first_reading, "codec": codec}


def main():
    options = argparse.ArgumentParser(description="measures Holdfast and prints a table")
    options.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="where it was built")
    options.add_argument("--smoke", action="store_true", help="tiny sizes: only shows that the bench works")
    options.add_argument("name", nargs="*", help=", ".join(FIGURES))
    chosen = options.parse_args()
    for name in chosen.name:
        if name not in FIGURES:
            options.error(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")
    table = Table()
    bench = Bench(os.path.abspath(chosen.build), Sizes(chosen.smoke), table)
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    try:
        load = os.getloadavg()[0]
        for name in chosen.name or FIGURES:
            FIGURES[name](bench)
    finally:
        bench.close()
    table.print()
    print(f"\nMedian (least … most) of the rounds. All processes share {len(cores)} core(s); the load was {load:.1f} "
          f"before and {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
