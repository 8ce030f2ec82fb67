"""The rows of the echo benches: SIZE-CONNECTIONSxPIPELINING, and whether messages are compressed."""

import typing

SIZES = {"20B": 20, "1KiB": 1024, "64KiB": 65536}
# Messages per second of server CPU, as a ratio to Beast's.
AIMS = {"20B-1x1": 1.1, "20B-1x16": 6, "20B-100x1": 1.3, "20B-100x16": 18, "1KiB-100x16": 19, "64KiB-100x1": 1.5,
        "20B-100x16-deflate": 6, "1KiB-100x16-deflate": 1.4}


class EchoRow(typing.NamedTuple):
    size: int
    connections: int
    pipelining: int
    deflate: bool


ECHO_ROWS = {f"{size}-{connections}x{pipelining}{'-deflate' if deflate else ''}":
             EchoRow(SIZES[size], connections, pipelining, deflate)
             for deflate in (False, True) for size in SIZES for connections in (1, 100) for pipelining in (1, 16)}


def load_arguments(row, seconds):
    """Of websocket_load."""
    return ["--connections", row.connections, "--pipelining", row.pipelining, "--size", row.size, "--seconds", seconds,
            *(["--deflate"] if row.deflate else [])]
