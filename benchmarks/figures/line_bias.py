"""How wrong is the straight line's exponent when data are infinite?

For the sixteen truths of the published synthetic backtest: the slope of a line through log(-log pass@k)
at the published list of k from 1 to N, on the exact curve, against the law's tail exponent. Nothing is
drawn at random: this error is bias, and more problems do not mend it; more attempts do in the end, slowly.

    python benchmarks/figures/line_bias.py OUT.png
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from command import arguments, draw_to_file
from matplotlib.figure import Figure
from published_backtest import TRUTHS

from lmpower.backtest import line_bias
from lmpower.plot import plot_line_bias

ATTEMPTS = np.unique(np.rint(np.geomspace(10, 1e6, 41)).astype(int)).tolist()


def draw(options: argparse.Namespace) -> Figure:
    panels: dict[str, dict[str, np.ndarray]] = {}
    # (truths in the order of family, c, beta: a colour for each family and c, a dash for the beta)
    for text, law in sorted(TRUTHS.items(), key=_order):
        family, numbers = text.split(":")
        a, b, c = (number.removeprefix("0") for number in numbers.split(","))
        curves = panels.setdefault(f"tail exponent {a}", {})
        curves[f"{family.capitalize()}, \N{GREEK SMALL LETTER BETA} = {b}, c = {c}"] = line_bias(
            law, ATTEMPTS
        )
    return plot_line_bias(ATTEMPTS, panels)


def _order(truth: tuple[str, object]) -> tuple[str, str, float]:
    family, numbers = truth[0].split(":")
    _, b, c = numbers.split(",")
    return family, c, float(b)


if __name__ == "__main__":
    sys.exit(draw_to_file(arguments(__doc__), draw))
