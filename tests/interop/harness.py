"""What every interop test stands on: a directory and ports of its own, processes that are ended whatever
happens, waiting by looking instead of sleeping, and the tails of all logs when something failed.

A test is a method of a `Scenario`; `self.node(...)` and `self.nginx(...)` describe processes that it then starts,
kills and starts again. Debian's Python 3.11, its standard library and python3-websockets; nothing else.
"""

import contextlib
import datetime
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
HOLDFAST = os.environ.get("HOLDFAST", "")
SEED = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().randrange(1 << 32))
LOG_TAIL_BYTES = 4000
# For a build with the address sanitizer: what was freed is not to look like memory that is held.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=1:verify_asan_link_order=0")


def wait_for(what, look, seconds=20.0, every=0.02):
    """Asks `look` until it answers with something true, and returns that. What it raises means: not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = look()
            if last:
                return last
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: did not come about in {seconds} s; last seen: {last!r}")
        time.sleep(every)


def stays(what, look, seconds):
    """Asserts that `look` is true for as long as that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        assert seen, f"{what}: did not stay so"
        time.sleep(0.05)


_claims = []


def free_port():
    """Below the range from which the kernel takes ports of outgoing connections, so that it stays free. No other test that
    runs at the same time is given it, also while its server is down: until this process ends it holds a name that says so."""
    chooser = random.SystemRandom()
    while True:
        port = chooser.randrange(10_000, 32_000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0holdfast-interop-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port


def microseconds(text):
    """An RFC 3339 time as microseconds since 1970."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def rfc3339(time_us):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds") + "Z"


def http_get(url, seconds=10, tls=None):
    """(status, text). An answer that is an error is an answer."""
    try:
        with urllib.request.urlopen(url, timeout=seconds, context=tls) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Process:
    """One child process in a session of its own, whose output goes to a file."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self.command = command
        self.log = log
        self.env = env
        self.wrapper = []  # a command that runs this one, e.g. in a network namespace
        self.child = None
        self.starts = 0

    def spawn(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as out:
            out.write(f"--- start {self.starts + 1}\n".encode())
            self.child = subprocess.Popen([*self.wrapper, *self.command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env={**os.environ, **(self.env or {})}, start_new_session=True)
        self.starts += 1

    def running(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        """As a power cut would: no goodbye, and none from its own children."""
        if self.child is not None:
            if self.child.poll() is None:
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            self.child = None

    def terminate(self):
        self.child.send_signal(signal.SIGTERM)

    def exit_code(self, seconds=10):
        """Waits for the end."""
        code = self.child.wait(seconds)
        self.child = None
        return code

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def logged(self, words, since=0):
        return words in self.log_text()[since:]

    def rss_bytes(self):
        with open(f"/proc/{self.child.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Node(Process):
    """A holdfast with its configuration. `sections`: TOML text after [node]."""

    def __init__(self, scenario, device, sections, name=None, data_dir=None, env=None):
        name = name or device
        self.id = device
        self.data_dir = data_dir or scenario.path(f"{name}.d")
        self.config = scenario.path(f"{name}.toml")
        self.port = None
        self.tls = None
        self.configure(sections)
        super().__init__(name, [HOLDFAST, "run", "--config", self.config], scenario.path(f"{name}.log"), env)

    def configure(self, sections):
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'[node]\nid = "{self.id}"\ndata_dir = "{self.data_dir}"\n{sections}\n')

    def start(self, seconds=20):
        """Until it answers. A process that ends instead is an error."""
        self.spawn()
        wait_for(f"{self.name} answers", self.answers, seconds)
        return self

    def answers(self):
        if not self.running():
            raise AssertionError(f"{self.name} ended with {self.child.returncode}:\n{self.log_text()[-2000:]}")
        if self.port is not None:
            return self.get("/healthz", 2)[0] == 200
        return self.status() is not None

    def status(self):
        answer = subprocess.run([HOLDFAST, "status", "--config", self.config, "--json"], capture_output=True, timeout=15)
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def backlog(self):
        status = self.status()
        return None if status is None else status["journal"]["backlog"]

    def uplink_state(self):
        status = self.status()
        return None if status is None else status["uplink"]["state"]

    def ask(self, *words):
        return subprocess.run([HOLDFAST, *words, "--config", self.config], capture_output=True, text=True, timeout=20)

    def token(self, device, *options):
        """Makes a token and returns it."""
        made = self.ask("token", "create", "--device", device, *options)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    # ---- What its HTTP interface says

    # Enters the network namespace in which its loopback address is.
    nearby = staticmethod(contextlib.nullcontext)

    def get(self, path, seconds=10):
        scheme = "http" if self.tls is None else "https"
        with self.nearby():
            return http_get(f"{scheme}://127.0.0.1:{self.port}{path}", seconds, self.tls)

    def get_json(self, path):
        status, text = self.get(path, 30)
        assert status == 200, f"{path}: {status} {text}"
        return json.loads(text)

    def readings(self, device, limit=10_000):
        """All readings of a device, in journal order, page after page."""
        found, cursor = [], ""
        while True:
            page = self.get_json(f"/api/devices/{device}/readings?format=json&limit={limit}{cursor}")
            assert len(page["readings"]) <= limit
            found += page["readings"]
            if "next" not in page:
                return found
            before, cursor = cursor, "&after=" + urllib.parse.quote(page["next"])
            assert cursor != before, f"the page behind {page['next']} leads to itself"

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return None


class Nginx(Process):
    """A real nginx, as one process, with a configuration of its own."""

    def __init__(self, scenario, name, body, modules=()):
        self.prefix = scenario.path(f"{name}.d")
        os.makedirs(self.prefix)
        self.error_log = scenario.path(f"{name}.error.log")
        config = os.path.join(self.prefix, "nginx.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write("".join(f"load_module /usr/lib/nginx/modules/{module};\n" for module in modules))
            out.write(f"daemon off; master_process off; pid {self.prefix}/pid; error_log {self.error_log} info;\n"
                      "events { worker_connections 512; }\n" + body)
        super().__init__(name, ["nginx", "-p", self.prefix, "-c", config, "-e", self.error_log],
                         scenario.path(f"{name}.log"))
        self.port = None

    def start(self):
        self.spawn()
        wait_for(f"{self.name} listens", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() or True)
        return self

    def lines_cut(self):
        """How often it found a line idle for too long."""
        try:
            with open(self.error_log, encoding="utf-8", errors="replace") as text:
                return sum("timed out" in line for line in text)
        except FileNotFoundError:
            return 0


class Background(threading.Thread):
    """A thread whose exception fails the test: `finish` raises it."""

    def __init__(self, name, work):
        super().__init__(name=name, daemon=True)
        self.work = work
        self.error = None
        self.start()

    def run(self):
        try:
            self.work()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def check(self):
        if self.error is not None:
            raise AssertionError(f"{self.name}: {self.error!r}") from self.error

    def finish(self, seconds):
        self.join(seconds)
        self.check()
        assert not self.is_alive(), f"{self.name} was not done in {seconds} s"


class Scenario(unittest.TestCase):
    """One test: all it starts is stopped, and its directory removed, however it ends."""

    maxDiff = 2000

    def run(self, result=None):
        failed_before = len(result.failures) + len(result.errors)
        self.seed = SEED
        self.random = random.Random(f"{SEED} {self.id()}")
        self.directory = tempfile.mkdtemp(prefix="holdfast-interop-")
        self.processes = []
        self.mounts = []
        began = time.monotonic()
        try:
            return super().run(result)
        finally:
            for process in self.processes:
                process.kill()
            if len(result.failures) + len(result.errors) > failed_before:
                self.print_logs()
            for mount in self.mounts:
                subprocess.run(["umount", "-l", mount], check=False)
            shutil.rmtree(self.directory, ignore_errors=True)
            print(f"({time.monotonic() - began:.1f} s)", flush=True)

    def print_logs(self):
        for name in sorted(os.listdir(self.directory)):
            if name.endswith((".log", ".toml")):
                with open(self.path(name), "rb") as text:
                    text.seek(max(0, os.path.getsize(self.path(name)) - LOG_TAIL_BYTES))
                    print(f"===== {name}\n" + text.read().decode(errors="replace"), flush=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def certificates(self):
        """A directory with the certificates of tests/certificates.sh."""
        directory = self.path("certificates")
        subprocess.run(["sh", os.path.join(HERE, "..", "certificates.sh"), directory], check=True,
                       stdout=subprocess.DEVNULL)
        return directory

    def tmpfs(self, name, size):
        """A small disk; the test is skipped where mounting is not permitted."""
        directory = self.path(name)
        os.makedirs(directory)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
        self.mounts.append(directory)
        return directory

    def node(self, device, sections, **options):
        node = Node(self, device, sections, **options)
        self.processes.append(node)
        return node

    def hub(self, sections="", listen="", name="hub", certificate=None, **options):
        """A node with a listener and no uplink. `certificate`: of `certificates()`, as a path without its ending."""
        port = free_port()
        if certificate is not None:
            listen += f'\ntls_cert = "{certificate}.pem"\ntls_key = "{certificate}.key"\n'
        node = self.node(name, f'[listen]\naddress = "127.0.0.1:{port}"\n{listen}\n{sections}', **options)
        node.port = port
        if certificate is not None:
            node.tls = ssl.create_default_context()
            node.tls.check_hostname = False
            node.tls.verify_mode = ssl.CERT_NONE
        return node

    def gateway(self, url, token, sections="", uplink="", listen=None, name="gateway", **options):
        """A node that sends to `url`, fast to try again; with a listener if `listen` is given."""
        token_file = self.write(f"{name}.token", token + "\n")
        text = (f'[uplink]\nurl = "{url}"\ntoken_file = "{token_file}"\nretry_min = "50 ms"\nretry_max = "500 ms"\n'
                f"{uplink}\n")
        port = None
        if listen is not None:
            port = free_port()
            text += f'[listen]\naddress = "127.0.0.1:{port}"\n{listen}\n'
        node = self.node(name, text + sections, **options)
        node.port = port
        return node

    def nginx(self, name, port, body, modules=()):
        server = Nginx(self, name, body, modules)
        server.port = port
        self.processes.append(server)
        return server

    def pair(self, gateway_sections="", hub_sections="", **options):
        """A hub and a gateway on a direct line, which is up."""
        hub = self.hub(hub_sections).start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), gateway_sections,
                               **options).start()
        self.wait_live(gateway)
        return hub, gateway

    def wait_live(self, gateway, seconds=20):
        wait_for(f"{gateway.name} is live", lambda: gateway.uplink_state() == "live", seconds, 0.1)

    def wait_delivered(self, gateway, seconds=60):
        wait_for(f"all of {gateway.name} is delivered", lambda: gateway.backlog() == 0, seconds, 0.1)

    # ---- What must hold at the end

    def assert_exactly_once(self, readings, channel, count, time_of, value_of=lambda number: number):
        """Readings number 1 to `count` of the channel: each once, in order, with its value and time."""
        seen = [row for row in readings if row["channel"] == channel]
        for number, row in enumerate(seen, 1):
            if row["value"] != value_of(number) or microseconds(row["time"]) != time_of(number):
                around = [f'{each["seq"]}: {each["value"]} {each["time"]}' for each in seen[max(0, number - 4):number + 4]]
                self.fail(f"channel {channel}: reading {number} is not what was given; around it:\n" + "\n".join(around))
        self.assertEqual(len(seen), count, f"readings of channel {channel}")


def main():
    if not os.access(HOLDFAST, os.X_OK):
        sys.exit("HOLDFAST must name the executable under test")
    print(f"HOLDFAST_SEED={SEED}", flush=True)
    unittest.main(verbosity=2)
