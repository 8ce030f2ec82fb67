#!/usr/bin/python3
"""Enforces DESIGN.md's direction of includes: include_direction.py ROOT. Exit 1 names every include that points up."""

import pathlib
import re
import sys

# What a module of firmware may include besides itself. `app` may include everything.
# The protocols and the journal, each of which knows nothing of Holdfast's nodes.
PARTS = {"sockjs", "stomp", "journal", "websocket", "http", "telemetry", "base", "ports"}
FIRMWARE = {
    "base": set(),
    # A port speaks of bytes, times, errors and readings, and of nothing that is built with them.
    "ports": {"telemetry", "base"},
    "telemetry": {"base"},
    "http": {"base", "ports"},
    "websocket": {"http", "base", "ports"},
    "stomp": {"websocket", "http", "telemetry", "base", "ports"},
    "sockjs": {"websocket", "http", "telemetry", "base", "ports"},
    "journal": {"telemetry", "base", "ports"},
    "dashboard": {"base"},
    # It alone knows the generated messages of the line.
    "line": PARTS | {"proto"},
    "access": PARTS,
    "uplink": PARTS | {"line", "access"},
    "hub": PARTS | {"line", "access"},
    "ingest": PARTS | {"line", "access", "hub"},
    "api": PARTS | {"line", "access", "hub", "ingest", "uplink", "dashboard"},
    "node": PARTS | {"line", "access", "hub", "ingest", "uplink", "dashboard", "api"},
}
# What platform may know of firmware: the ports that it implements and the vocabulary, not what is built with them.
PLATFORM_MAY_SEE = {"base", "ports", "telemetry"}
# Headers beside these: `connect` has a proxy open the way, before anything above it has a stream to speak on.
PLATFORM_MAY_SEE_TOO = {("net", "firmware/http/proxy.h"), ("simulated", "firmware/http/proxy.h")}
# Sockets, files, clocks, threads and random numbers come in from outside, so that tests can be in their place.
OUTSIDE_WORLD = re.compile(
    r"boost/asio|netinet/|arpa/"
    r"|(sys/(socket|stat|mman|epoll|time|random|un|ioctl)\.h|netdb\.h|poll\.h|fcntl\.h|unistd\.h|pthread\.h"
    r"|fstream|thread|mutex|condition_variable|future|random)$"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def objection(source, bracket, header):
    """Why `source` (as parts of its path) must not include `header`; None: it may."""
    layer, module = source[0], source[1]
    target = header.split("/")
    ours = bracket == '"' or target[0] in ("firmware", "platform", "tests", "holdfast")

    if ours and target[0] == "tests":
        return "nothing outside tests includes a test's header"
    if layer == "platform":
        if (module, header) in PLATFORM_MAY_SEE_TOO:
            return None
        if ours and target[0] == "firmware" and target[1] not in PLATFORM_MAY_SEE:
            return "platform sees only firmware/" + " and firmware/".join(sorted(PLATFORM_MAY_SEE))
        return None
    if module == "app":
        return None

    if module not in FIRMWARE:
        return f"firmware/{module} has no place in the layers yet: give it one in tests/check/include_direction.py"
    if not ours:
        return "firmware has no socket, file, clock, thread or random number" if OUTSIDE_WORLD.match(header) else None
    if target[0] == "firmware":
        if len(target) > 2 and target[1] not in FIRMWARE[module] | {module}:
            return f"firmware/{module} may include only " + (", ".join(sorted(FIRMWARE[module])) or "itself")
    elif target[0] == "platform":
        return "firmware does not see platform; firmware/ports has its interfaces"
    elif target[0] == "holdfast" and "proto" not in FIRMWARE[module]:
        return f"firmware/{module} does not know the wire schema"
    elif target[0] not in ("holdfast", "firmware") and "/" not in header:
        return "our headers are included by their path from the root"
    return None


def objections(root):
    for layer in ("firmware", "platform"):
        for file in sorted((root / layer).rglob("*")):
            path = file.relative_to(root)
            if file.suffix not in (".h", ".cpp") or "node_modules" in path.parts or len(path.parts) < 3:
                continue
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                reason = match and objection(path.parts, *match.groups())
                if reason:
                    yield f"{path}:{number}: {match.group(2)}: {reason}"


def main():
    found = list(objections(pathlib.Path(sys.argv[1])))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
