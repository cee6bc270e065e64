"""Which part of a law of difficulty decides the exponent?

Its mass near p = 0, and nothing else. Two laws that look alike where p can be seen part as k grows; two
that look different (Kumaraswamy on (0, 1), Beta on (0, .05)) run parallel, since both have density
p^(.5-1) near 0. A law that ends above 0, or sits on a point, has no power law at all.

    python benchmarks/figures/difficulty_tails.py OUT.png
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from command import arguments, draw_to_file
from matplotlib.figure import Figure

from lmpower.difficulty import Discrete
from lmpower.difficulty.named import law_named
from lmpower.plot import plot_tails

LAWS = {
    "Beta(.2, 3)": law_named("beta:.2,3"),
    "Kumaraswamy(.5, 3)": law_named("kumaraswamy:.5,3"),
    "Beta(.5, 3) on (0, .05)": law_named("beta:.5,3,.05"),
    "uniform on (0, .3)": law_named("uniform:.3"),
    "reciprocal on (.001, .5)": law_named("reciprocal:.001,.5"),
    "all problems p = .01": Discrete(np.array([0.01]), np.array([1.0])),
}


def draw(options: argparse.Namespace) -> Figure:
    return plot_tails(LAWS)


if __name__ == "__main__":
    sys.exit(draw_to_file(arguments(__doc__), draw))
