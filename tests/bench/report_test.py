"""The arithmetic and the table of `./dev bench --against`, without measuring anything."""

import math
import unittest

from against import compared
from report import Rounds, Sample, ratios, spread


def rounds(figure, values, unit="readings/s"):
    taken = Rounds()
    for value in values:
        taken.take([Sample(figure, value, unit, "how")])
    return taken


class Report(unittest.TestCase):
    def test_ratios_are_of_pairs_now_over_then(self):
        self.assertEqual(ratios([10, 100], [20, 50]), [2, 0.5])

    def test_two_zeros_are_equal_and_nothing_is_divided_by_one(self):
        self.assertEqual(ratios([0, 0], [0, 3]), [1, math.inf])
        self.assertEqual(spread([math.inf]), "∞")

    def test_builds_with_unlike_numbers_of_rounds_are_not_compared(self):
        with self.assertRaises(ValueError):
            ratios([1, 2], [1])

    def test_spread_is_median_least_most(self):
        self.assertEqual(spread([3, 1, 2]), "2 (1 … 3)")
        self.assertEqual(spread([7]), "7")

    def test_the_median_of_the_ratios_is_not_the_ratio_of_the_medians(self):
        # A machine that is busy in the first round only: each pair says the same.
        row, = compared(rounds("push", [10, 100, 100]), rounds("push", [9, 90, 90]))
        self.assertEqual(row, ("push", "100 (10 … 100)", "90 (9 … 90)", "0.900 (0.900 … 0.900)", "more", "readings/s"))

    def test_what_one_build_lacks_has_no_ratio(self):
        rows = list(compared(rounds("size", ["not built"], "MiB"), rounds("size", [4.5], "MiB")))
        self.assertEqual(rows, [("size", "not built", "4.5", "-", "less", "MiB")])
        rows = list(compared(rounds("old", [1]), rounds("new", [2])))
        self.assertEqual([(row[0], row[1], row[2], row[3]) for row in rows], [("new", "-", "2", "-"), ("old", "1", "-", "-")])

    def test_of_rates_more_is_better_and_of_all_else_less(self):
        for unit, more in (("readings/s", True), ("M readings/s", True), ("messages/s of server CPU", True),
                           ("B/reading", False), ("s/million", False), ("MiB", False), ("us/s a line", False)):
            self.assertEqual(Sample("x", 1, unit, "").more_is_better(), more, unit)


if __name__ == "__main__":
    unittest.main()
