"""How fast batches are encoded and decoded, by a program that runs the codec alone."""

import json
import subprocess

from figures.drain import MACHINE_TEMPERATURE
from figures.figure import Figure
from report import Sample


class Codec(Figure):
    """The program takes its rounds by itself, and gives the least, the median and the most."""

    def measure(self):
        ran = subprocess.run([self.place.tool("codec_speed"), MACHINE_TEMPERATURE, str(self.sizes.codec),
                              str(self.sizes.rounds)], capture_output=True, text=True, check=True)
        for row in json.loads(ran.stdout):
            what = f"codec, {row['name']}, {row['batch']} a batch"
            for direction in ("encode", "decode"):
                yield Sample(f"{what}: {direction}", [rate / 1e6 for rate in row[direction]], "M readings/s",
                             "one thread, all batches in memory")
            yield Sample(f"{what}: size", row["bytes_per_reading"], "B/reading", "the batch's bytes alone")
