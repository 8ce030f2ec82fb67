"""What a figure is, and how much of it is taken."""


class Figure:
    """Something that is measured of one build, round after round. Each round gives one sample of each of its rows, the same
    rows each time: so that two builds can be measured in turns."""

    rounds = 1

    def __init__(self, place):
        self.place, self.sizes = place, place.sizes

    def prepare(self):
        """What is made once, before the first round."""

    def measure(self):
        """One round: its samples."""
        raise NotImplementedError

    def close(self):
        """After the last round."""


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
        self.echo_s = 0.05 if smoke else 0.7
        self.lines = 50 if smoke else 2_000
        self.lines_s = 1 if smoke else 8
