"""What figures are printed as: numbers with the spread of their rounds, and tables."""

import math
import statistics


class Sample:
    """One round of one figure. `value` is a number, a list of numbers (rounds taken by the measured program itself), or a
    sentence in place of a figure that could not be had."""

    def __init__(self, figure, value, unit, how, aim=""):
        self.figure, self.value, self.unit, self.how, self.aim = figure, value, unit, how, aim

    def more_is_better(self):
        """Of rates more is better; of times, bytes and CPU less is."""
        return self.unit.split(" of ")[0].endswith(("readings/s", "messages/s"))


class Rounds:
    """All rounds of some figures, in the order in which the figures came first."""

    def __init__(self):
        self.samples = {}

    def take(self, samples):
        for sample in samples:
            self.samples.setdefault(sample.figure, []).append(sample)

    def figures(self):
        """(the last sample, the values of all rounds) of each figure."""
        for samples in self.samples.values():
            values = []
            for sample in samples:
                values += sample.value if isinstance(sample.value, list) else [sample.value]
            yield samples[-1], values


def number(value):
    if math.isinf(value):
        return "∞"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def spread(values, form=number):
    """The median, and the least and the most of the rounds."""
    if isinstance(values[0], str):
        return values[0]
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))} … {form(max(values))})"


def ratios(then, now):
    """now ÷ then of rounds that were taken one after the other. Two zeros are equal."""
    return [1.0 if before == after else after / before if before else math.inf for before, after in zip(then, now, strict=True)]


def print_columns(heads, rows):
    """All columns but the last are as wide as their longest cell."""
    last = len(heads) - 1
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(last)]
    for row in [heads, tuple("-" * width for width in widths) + ("-" * len(heads[last]),), *rows]:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[last]]).rstrip())


class Markdown:
    """A table that reads well as text too."""

    def __init__(self, *heads):
        self.rows = [heads]

    def add(self, *cells):
        self.rows.append(tuple(str(cell) for cell in cells))

    def print(self):
        if len(self.rows) == 1:
            return
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        for row in [self.rows[0], tuple("-" * width for width in widths), *self.rows[1:]]:
            print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |")
        print(flush=True)
