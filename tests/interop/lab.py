"""A small internet for one test, of Linux network namespaces:

    field ────────── router ────────── cloud
    10.77.1.2   10.77.1.1  10.77.2.1   10.77.2.2

The gateway lives in `field`, hub and reverse proxies in `cloud`; the router between them translates addresses (nftables
masquerade) and keeps the state of connections, and forward proxies and captive portals run on it.

`main` runs the test program once more in mount and process namespaces of its own, where it is process 1. So names
collide with nobody's, and however it ends, by a kill too, the kernel ends whatever it started and removes all
namespaces and links. To look around while it runs: `nsenter --all --target PID` and `ip netns exec router …`.
"""

import base64
import contextlib
import ctypes
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import harness
from feeds import TIME_OF, reading
from harness import Process, Scenario, wait_for

FIELD = "10.77.1.2"
ROUTER = "10.77.1.1"
CLOUD = "10.77.2.2"
HUB_PORT = 8080
SKIPPED = 77  # CMakeLists.txt tells CTest what it means
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

# The router lets field begin connections, and what belongs to them pass. All else is dropped, and nobody is told.
RULES = """
flush ruleset
table ip nat {
    chain prerouting { type nat hook prerouting priority dstnat; REDIRECT
    }
    chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade
    }
}
table ip filter {
    chain forward { type filter hook forward priority filter; policy drop;
        WEATHER
        ct state established accept
        FORWARD
    }
    chain input { type filter hook input priority filter; policy accept;
        ct state invalid drop
    }
}
"""
NEW_CONNECTIONS = 'iifname "lan" ct state new tcp flags & (fin | syn | rst | ack) == syn accept'

PREPARE = """
mkdir -p /run/netns && mount -t tmpfs -o size=1m lab /run/netns && ip netns add probe &&
ip netns exec probe nft list ruleset && ip -n probe link add name one type veth peer name other
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


@contextlib.contextmanager
def inside(place):
    """What this thread opens meanwhile, it opens in that namespace; sockets stay there."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{place}", "rb") as there:
        enter(there)
        try:
            yield
        finally:
            enter(home)


def enter(namespace):
    if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def connect(place, address, port, seconds=5):
    with inside(place):
        return socket.create_connection((address, port), seconds)


class Server(Process):
    """A server of Debian's, in the foreground, in `place`, with a directory of its own."""

    def __init__(self, lab, name, place, address, port, command):
        super().__init__(name, command, lab.path(f"{name}.log"))
        self.wrapper = ["ip", "netns", "exec", place]
        self.place, self.address, self.port = place, address, port
        lab.processes.append(self)

    def start(self):
        self.spawn()
        wait_for(f"{self.name} listens", self.listens)
        return self

    def listens(self):
        assert self.running(), f"{self.name} ended with {self.child.returncode}:\n{self.log_text()[-2000:]}"
        connect(self.place, self.address, self.port, 1).close()
        return True

    def stop(self):
        """With all its own processes: connections end, the port is closed."""
        self.kill()


class Feed:
    """Numbered readings by a followed file."""

    def __init__(self, lab):
        self.path = lab.write("readings.jsonl", "")
        self.given = 0
        self.section = f'[[sensor]]\ndriver = "lines"\npath = "{self.path}"\n'

    def give(self, count=100):
        with open(self.path, "a", encoding="utf-8") as out:
            out.writelines(json.dumps(reading("lines", n)) + "\n" for n in range(self.given + 1, self.given + count + 1))
        self.given += count


class Lab(Scenario):
    """A scenario with such a network. `self.feed` gives readings, `assert_all_arrived` looks for them at the hub."""

    def setUp(self):
        os.chmod(self.directory, 0o755)  # for servers that go on as another user
        for place in ("field", "router", "cloud"):
            run("ip", "netns", "add", place)
            self.addCleanup(run, "ip", "netns", "delete", place)
            run("ip", "-n", place, "link", "set", "lo", "up")
        for place, link, far_place, far_link in (("field", "eth0", "router", "lan"), ("router", "wan", "cloud", "eth0")):
            run("ip", "-n", place, "link", "add", "name", link, "type", "veth", "peer", "name", far_link, "netns", far_place)
        for place, link, address in (("field", "eth0", FIELD), ("router", "lan", ROUTER),
                                     ("router", "wan", "10.77.2.1"), ("cloud", "eth0", CLOUD)):
            run("ip", "-n", place, "address", "add", f"{address}/24", "dev", link)
            run("ip", "-n", place, "link", "set", link, "up")
        run("ip", "-n", "field", "route", "add", "default", "via", ROUTER)
        self.set_router("net/ipv4/ip_forward", 1)
        self.rules()
        self.feed = Feed(self)

    def connect(self, address, port, place="field", seconds=5):
        connection = connect(place, address, port, seconds)
        self.addCleanup(connection.close)
        return connection

    # ---- The router

    def set_router(self, key, value):
        with inside("router"), open(f"/proc/sys/{key}", "w", encoding="ascii") as out:
            out.write(str(value))

    def rules(self, redirect="", forward=NEW_CONNECTIONS, weather=""):
        """What the router does with new connections, and (`weather`) with all packets; those that are known to it stay."""
        text = RULES.replace("REDIRECT", redirect).replace("FORWARD", forward).replace("WEATHER", weather)
        run("ip", "netns", "exec", "router", "nft", "-f", "-", input=text)

    def forget_idle_connections(self, seconds):
        """As many routers do: silently, and packets of a connection that is not known are dropped."""
        self.set_router("net/netfilter/nf_conntrack_tcp_timeout_established", seconds)
        self.set_router("net/netfilter/nf_conntrack_tcp_loose", 0)

    def renew_wan(self):
        """As each night's forced reconnection: the router loses all it knew of connections, and tells nobody."""
        self.set_router("net/netfilter/nf_conntrack_tcp_loose", 0)
        run("ip", "-n", "router", "link", "set", "wan", "down")
        run("ip", "-n", "router", "link", "set", "wan", "up")

    def pull_cable(self, seconds, meanwhile=lambda: None):
        """Out of the router's side: in the field the carrier is lost, address and route stay."""
        run("ip", "-n", "router", "link", "set", "lan", "down")
        meanwhile()
        time.sleep(seconds)
        run("ip", "-n", "router", "link", "set", "lan", "up")

    # ---- Nodes

    def cloud_hub(self, certificate=None):
        """`certificate`: of `self.certificate()`."""
        tls = f'tls_cert = "{certificate[0]}"\ntls_key = "{certificate[1]}"' if certificate else ""
        hub = self.node("hub", f'[listen]\naddress = "0.0.0.0:{HUB_PORT}"\n{tls}')
        hub.port = HUB_PORT
        hub.tls = ssl._create_unverified_context() if certificate else None  # pylint: disable=protected-access
        hub.wrapper = ["ip", "netns", "exec", "cloud"]
        hub.nearby = lambda: inside("cloud")
        return hub.start()

    def field_gateway(self, hub, authority, uplink="", scheme="ws", **options):
        """It sends what `self.feed` gives to the hub, at `authority`."""
        gateway = self.gateway(f"{scheme}://{authority}/v1/uplink", hub.token("gateway"), self.feed.section, uplink, **options)
        gateway.wrapper = ["ip", "netns", "exec", "field"]
        return gateway.start()

    def wait_path(self, gateway, path, seconds=20):
        def live_on_it():
            uplink = self.uplink(gateway)
            return uplink["state"] == "live" and uplink["path"] == path

        wait_for(f"the line is {path}", live_on_it, seconds, 0.1)

    def uplink(self, gateway):
        status = gateway.status()
        assert status is not None, f"{gateway.name} does not answer: {gateway.log_text()[-2000:]}"
        return status["uplink"]

    def wait_said(self, process, *words, seconds=20):
        """A line of the log has all these words."""
        wait_for(f"{process.name} says {words}", lambda: any(
            all(word in line for word in words) for line in process.log_text().splitlines()), seconds)

    def wait_status(self, gateway, *words, seconds=20):
        """The last error has all these words."""
        wait_for(f"{gateway.name}'s status says {words}", lambda: all(
            word in self.uplink(gateway)["last_error"] for word in words), seconds, 0.1)

    def wait_learned(self, gateway, cut_s, seconds):
        """The status once the cut is known, and right within 5 %. Readings come at odd times meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            uplink = self.uplink(gateway)
            if "learned_cut_s" in uplink and uplink.get("counts", "unknown") != "unknown":
                break
            assert time.monotonic() < deadline, f"the cut was not learned in {seconds} s: {uplink}"
            self.feed.give(10)
            time.sleep(self.random.uniform(0.5, 3))
        print(f"learned after {seconds - (deadline - time.monotonic()):.1f} s: {uplink}", flush=True)
        self.assertAlmostEqual(uplink["learned_cut_s"], cut_s, delta=0.05 * cut_s)
        self.assertLess(uplink["heartbeat_interval_s"], cut_s)
        return uplink

    def assert_line_stays(self, gateway, seconds):
        """With nothing to carry, so that the heartbeat alone holds it."""
        before = self.uplink(gateway)["reconnects"]
        time.sleep(seconds)
        uplink = self.uplink(gateway)
        self.assertEqual((uplink["state"], uplink["reconnects"]), ("live", before), uplink)

    def assert_all_arrived(self, hub, gateway, seconds=30):
        """What was given so far is at the hub: each reading once, in order, and nothing else."""
        wait_for("the last reading is there", lambda: self.at_hub(hub) >= self.feed.given, seconds, 0.1)
        self.wait_delivered(gateway, seconds)
        readings = hub.readings("gateway")
        self.assert_exactly_once(readings, "lines", self.feed.given, TIME_OF["lines"])
        self.assertEqual(len(readings), self.feed.given)
        self.assertEqual(hub.get_json("/api/devices/gateway")["gap_records"], [])

    def at_hub(self, hub):
        """How many readings the hub has."""
        status, _ = hub.get("/api/devices/gateway")
        return len(hub.readings("gateway")) if status == 200 else 0

    # ---- Servers

    def certificate(self, host, kind="IP"):
        """Of a server at that address, or of that name (`kind` "DNS"); its own authority. Paths of certificate and key."""
        files = self.path(f"{host}.pem"), self.path(f"{host}.key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}", "-out", files[0], "-keyout", files[1])
        return files

    def folder(self, name):
        directory = self.path(f"{name}.d")
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o777)
        return directory

    def nginx_in_cloud(self, location, port=80, tls=None):
        """A reverse proxy of the hub. `location`: what stands in it beside `proxy_pass`."""
        directory = self.folder("nginx")
        server = Server(self, "nginx", "cloud", CLOUD, port, ["nginx", "-p", directory, "-c", f"{directory}/nginx.conf"])
        server.command += ["-e", self.path("nginx.error.log")]
        server.listen = f"{CLOUD}:{port}" + (f" ssl; ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]}" if tls else "")
        self.configure_nginx(server, location)
        return server.start()

    def configure_nginx(self, server, location):
        directory = self.folder("nginx")
        user = "user root;" if os.geteuid() == 0 else ""
        # The workers that are left from before a reload end, and their connections with them.
        self.write("nginx.d/nginx.conf", f"""
daemon off; {user} worker_processes 1; worker_shutdown_timeout 200ms;
pid {directory}/pid; error_log {self.path("nginx.error.log")} info;
events {{ worker_connections 512; }}
http {{
    access_log {self.path("nginx.access.log")};
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen {server.listen};
        location / {{
            proxy_pass http://127.0.0.1:{HUB_PORT};
            {location}
        }}
    }}
}}""")

    def reload_nginx(self, server, location):
        """Old connections end within a moment."""
        self.configure_nginx(server, location)
        server.child.send_signal(signal.SIGHUP)

    def haproxy_in_cloud(self, defaults, port=80, name="haproxy"):
        config = self.write(f"{name}.cfg", f"""
global
    maxconn 100
defaults
    timeout connect 2s
    {defaults}
listen hub
    bind {CLOUD}:{port}
    server hub 127.0.0.1:{HUB_PORT}
""")
        return Server(self, name, "cloud", CLOUD, port, ["haproxy", "-db", "-f", config]).start()

    def apache(self, name, place, address, port, modules, rules):
        directory = self.folder(name)
        loaded = "\n".join(f"LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so"
                           for module in ("mpm_event", "authz_core", "proxy", *modules))
        config = self.write(f"{name}.conf", f"""
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/pid
ErrorLog {self.path(name + ".error.log")}
LogLevel info
ServerName lab
Listen {address}:{port}
{loaded}
{"User www-data" if os.geteuid() == 0 else ""}
{"Group www-data" if os.geteuid() == 0 else ""}
StartServers 1
{rules}
""")
        return Server(self, name, place, address, port, ["apache2", "-f", config, "-DFOREGROUND"]).start()

    def squid_on_router(self, user="", password="", port=3128, more=""):
        """Lets the hub's ports be reached, by who has that password if one is given. It resolves hub.lab, nobody else does."""
        directory = self.folder("squid")
        who = "http_access allow all"
        if user:
            hashed = run("openssl", "passwd", "-apr1", password).strip()
            passwords = self.write("squid.d/passwords", f"{user}:{hashed}\n")
            who = (f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}\nauth_param basic children 1\n"
                   "acl known proxy_auth REQUIRED\nhttp_access allow known")
        hosts = self.write("squid.d/hosts", f"{CLOUD} hub.lab\n")
        config = self.write("squid.d/squid.conf", f"""
http_port {ROUTER}:{port}
acl to_hub port {HUB_PORT} 80 443
http_access deny !to_hub
http_access deny !CONNECT
{who}
http_access deny all
hosts_file {hosts}
cache deny all
access_log none
cache_log {directory}/cache.log
coredump_dir {directory}
pid_filename none
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
max_filedescriptors 1024
{more}
""")
        return Server(self, "squid", "router", ROUTER, port, ["squid", "-N", "-f", config, "-d", "1"]).start()

    def tinyproxy_on_router(self, port=8888, timeout_s=600):
        directory = self.folder("tinyproxy")
        config = self.write("tinyproxy.conf", f"""
Port {port}
Listen {ROUTER}
Timeout {timeout_s}
MaxClients 50
Allow 10.77.1.0/24
ConnectPort {HUB_PORT}
LogLevel Info
PidFile "{directory}/pid"
""")
        return Server(self, "tinyproxy", "router", ROUTER, port, ["tinyproxy", "-d", "-c", config]).start()

    def pages_on_router(self, answer, port=80):
        """A small HTTP server: `answer(path)` gives (status, headers, body) for every request, of any method."""

        class Answering(http.server.BaseHTTPRequestHandler):
            def answer_it(self):
                status, headers, body = answer(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_CONNECT = do_OPTIONS = answer_it  # the names that http.server calls

            def log_message(self, *_):
                pass

        with inside("router"):
            server = http.server.ThreadingHTTPServer((ROUTER, port), Answering)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

        def close():
            server.shutdown()
            server.server_close()

        self.addCleanup(close)
        return server


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def main():
    """Runs the tests where namespaces can be made, in namespaces of their own."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.environ.get("HOLDFAST_LAB") != "inside":
        tried = subprocess.run([*unshare, "sh", "-c", PREPARE], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            print(f"skipped: network namespaces cannot be made here: {tried.stderr.strip()}", flush=True)
            sys.exit(SKIPPED)
        os.environ["HOLDFAST_LAB"] = "inside"
        os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])
    run("sh", "-c", PREPARE)
    harness.main()
