"""Our WebSocket server's echoes, by the rows of `./dev bench websocket`, without the servers of others beside it."""

from echo_rows import AIMS, ECHO_ROWS, load_arguments
from figures.figure import Figure
from measured_servers import Programs
from report import Sample

# Those with an aim; and the ones in which the engine has been behind others.
ROWS = [*AIMS, "1KiB-1x1", "1KiB-1x16", "64KiB-100x16"]


class Echo(Figure):
    """One server for all rounds of a row; the load is the same program for both builds."""

    def __init__(self, place, row):
        super().__init__(place)
        self.row = row
        self.rounds = self.sizes.rounds
        self.programs = Programs(place.build, place.tools)
        self.server = None

    def prepare(self):
        self.server = self.programs.ours(ECHO_ROWS[self.row].deflate)

    def measure(self):
        ran = self.programs.load(self.server, "echo", *load_arguments(ECHO_ROWS[self.row], self.sizes.echo_s))
        yield Sample(f"echo, {self.row}", ran["messages"] / ran["server_cpu_s"], "messages/s of server CPU",
                     "websocket_echo_server on one core, the load on another")

    def close(self):
        if self.server:
            self.server.stop()


def echoes(place):
    return [Echo(place, row) for row in ROWS]
