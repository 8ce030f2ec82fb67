"""How large the executable is that a board gets."""

import os

from figures.figure import Figure
from report import Sample


class Size(Figure):
    def measure(self):
        for preset, name, build, aim in (("static", f"static executable, {os.uname().machine}", "./dev build static", ""),
                                         ("armhf", "static executable, armhf", "./dev cross armhf", "≤ 4")):
            file = self.place.other_preset(preset)
            if os.path.exists(file):
                yield Sample(name, os.path.getsize(file) / (1 << 20), "MiB",
                             f"file size of build/{preset}/holdfast as it was last built: static, stripped", aim)
            else:
                yield Sample(name, "not built", "MiB", f"{build} builds it", aim)
