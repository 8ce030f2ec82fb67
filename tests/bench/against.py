"""`./dev bench --against COMMIT [NAME…]`: this tree's programs and another commit's, measured in turns, so that a busy minute of
the machine hurts both alike. `dev` has built the other commit's before; what loads both is this tree's.

Nothing here fails because a figure is poor; only because it could not be taken.
"""

import argparse
import os
import sys

from figures import IN_TURNS
from figures.figure import Sizes
from nodes import ROOT, Place
from report import Rounds, number, print_columns, ratios, spread
from run import bind_to_two_cores, known_names


def three_places(ratio):
    """A ratio, of which a hundredth counts."""
    return f"{ratio:.3f}" if ratio < 10 else number(ratio)


def measure_in_turns(then, now, rounds=None):
    """Two builds' same figure, one round of each after the other: the rounds of either."""
    results = Rounds(), Rounds()
    try:
        for figure in (then, now):
            figure.prepare()
        for _ in range(rounds or then.rounds):
            for figure, taken in zip((then, now), results):
                taken.take(figure.measure())
    finally:
        for figure in (then, now):
            figure.close()
    return results


def compared(then, now):
    """Rows of the table. What only one of the builds has is shown without a ratio."""
    old = {sample.figure: values for sample, values in then.figures()}
    for sample, values in now.figures():
        before = old.pop(sample.figure, ["-"])
        told = not isinstance(before[0], str) and not isinstance(values[0], str)
        yield (sample.figure, spread(before), spread(values), spread(ratios(before, values), three_places) if told else "-",
               "more" if sample.more_is_better() else "less", sample.unit)
    for figure, before in old.items():
        yield figure, spread(before), "-", "-", "", ""


def pairs(then, now, name):
    """The figures of that name of both builds. What only one build can be asked (the static one's memory) is left out."""
    of_then, of_now = IN_TURNS[name](then), IN_TURNS[name](now)
    if len(of_then) != len(of_now):
        print(f"  {name}: one of the two was not built for all of it", file=sys.stderr)
    return zip(of_then, of_now)


def main():
    options = argparse.ArgumentParser(prog="dev bench --against COMMIT",
                                      description="measures this tree and another commit in turns")
    options.add_argument("--then", required=True, help=argparse.SUPPRESS)  # where the other commit's was built: by `dev`
    options.add_argument("--then-name", default="then", help=argparse.SUPPRESS)
    options.add_argument("--now", default=os.path.join(ROOT, "build/release"), help=argparse.SUPPRESS)
    options.add_argument("--now-name", default="now", help=argparse.SUPPRESS)
    options.add_argument("--names-only", action="store_true", help=argparse.SUPPRESS)  # prints what is to be measured
    options.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)  # tiny sizes: only shows that it works
    options.add_argument("--rounds", type=int, help="of each figure; as many as it needs")
    options.add_argument("name", nargs="*", help="of " + ", ".join(IN_TURNS) + "; all")
    chosen = options.parse_args()
    names = known_names(options, chosen.name, IN_TURNS)
    if chosen.names_only:
        print(*names)
        return
    sizes = Sizes(chosen.smoke)
    sizes.live_s = min(60, sizes.live_s)
    cores, load, rows = bind_to_two_cores(), os.getloadavg()[0], []
    now_build = os.path.abspath(chosen.now)
    with Place(os.path.abspath(chosen.then), sizes, now_build) as then, Place(now_build, sizes) as now:
        for name in names:
            for pair in pairs(then, now, name):
                for row in compared(*measure_in_turns(*pair, chosen.rounds)):
                    rows.append(row)
                    print(f"  {row[0]}: {row[1]} -> {row[2]} {row[5]}, ratio {row[3]}", file=sys.stderr, flush=True)
    print(f"then: {chosen.then_name}\nnow:  {chosen.now_name}\n")
    print_columns(("figure", "then", "now", "ratio", "better", "unit"), rows)
    print(f"\nMedian (least … most) of the rounds, taken in turns; the ratio is now / then of each pair. All processes share "
          f"{cores} core(s); the load was {load:.1f} before and {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
