"""`./dev bench [NAME…]`: measures what Holdfast promises, and prints one table: figure, unit, what is aimed for, and
how it was taken. README.md says for each figure how it is taken and what it does not say.

Nothing here fails because a figure is poor; only because it could not be taken.
"""

import argparse
import os
import sys

from figures import ALONE
from figures.figure import Sizes
from nodes import ROOT, Place
from report import Rounds, print_columns, spread


def known_names(options, names, figures):
    """The chosen figures; all without a choice. A name that is none ends the program."""
    for name in names:
        if name not in figures:
            options.error(f"there is no figure {name!r}; there are {', '.join(figures)}")
    return names or list(figures)


def bind_to_two_cores():
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    return len(cores)


def measure(figure, results):
    try:
        figure.prepare()
        for _ in range(figure.rounds):
            results.take(figure.measure())
    finally:
        figure.close()


def main():
    options = argparse.ArgumentParser(description="measures Holdfast and prints a table")
    options.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="where it was built")
    options.add_argument("--smoke", action="store_true", help="tiny sizes: only shows that the bench works")
    options.add_argument("name", nargs="*", help=", ".join(ALONE))
    chosen = options.parse_args()
    names = known_names(options, chosen.name, ALONE)
    cores, load, rows = bind_to_two_cores(), os.getloadavg()[0], []
    with Place(os.path.abspath(chosen.build), Sizes(chosen.smoke)) as place:
        for name in names:
            for figure in ALONE[name](place):
                results = Rounds()
                measure(figure, results)
                for sample, values in results.figures():
                    rows.append((sample.figure, spread(values), sample.unit, sample.aim, sample.how))
                    print(f"  {sample.figure}: {spread(values)} {sample.unit}", file=sys.stderr, flush=True)
    print_columns(("figure", "value", "unit", "aim", "how it was taken"), rows)
    print(f"\nMedian (least … most) of the rounds. All processes share {cores} core(s); the load was {load:.1f} "
          f"before and {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
