"""Why does an average of exponentials fall as a power law?

-log pass@k of every problem (thin) falls exponentially once k passes 1/p; the average over problems
(thick) as a power law, because some problem is always just about to be solved. Two numbers are called its
exponent: that of the fitted law's tail, which holds as k grows, and the slope in the window that was
measured.

    python benchmarks/figures/per_problem_decay.py [FILE] OUT.png [--by model] [--family beta]

FILE holds counts as ``lmpower fit`` reads them; without it the example that comes with lmpower is drawn.
"""

from __future__ import annotations

import argparse
import sys

from command import add_counts_options, arguments, chosen_counts, draw_to_file
from matplotlib.figure import Figure

from lmpower.datasets import EXAMPLE_MODELS, example
from lmpower.fit import fit_difficulty
from lmpower.plot import plot_decay


def draw(options: argparse.Namespace) -> Figure:
    if options.file is not None:
        groups = chosen_counts(options)
    elif options.by is None and options.group is None:
        groups = {model: example(model) for model in EXAMPLE_MODELS}
    else:
        raise ValueError("--by and --group choose from a FILE, and none was given")
    for counts in groups.values():
        counts.require_fixed("the decay of each problem's -log pass@k")
    fit = fit_difficulty(list(groups.values()), options.family)
    return plot_decay(groups, {name: fit[g] for g, name in enumerate(groups)})


def main() -> int:
    parser = arguments(__doc__, "counts of attempts and successes", needed=False)
    add_counts_options(parser)
    parser.add_argument("--family", default="beta", help="the law fitted (default: beta)")
    return draw_to_file(parser, draw)


if __name__ == "__main__":
    sys.exit(main())
