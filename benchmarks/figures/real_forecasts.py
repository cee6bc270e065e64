"""Had attempts on real problems stopped at 100 or 1,000, would pass@k have been forecast?

Counts are thinned to N attempts a problem, drawn without replacement; a law fitted to those forecasts
pass@k of the same problems to the full number, and so does the straight line. Points are pass@k measured
with all attempts. Figures in the panels: how far -log pass@k is off at the last k.

    python benchmarks/figures/real_forecasts.py FILE OUT.png [--by model] [--attempts 100 1000]
        [--family beta] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys

import jax
from command import add_counts_options, arguments, chosen_counts, draw_to_file
from matplotlib.figure import Figure

from lmpower.baseline import fit_line, log_spaced_ks
from lmpower.fit import fit_difficulty
from lmpower.forecast import forecast_pass_at_k
from lmpower.plot import plot_held_out
from lmpower.plot.paper import whole_ks


def draw(options: argparse.Namespace) -> Figure:
    groups = chosen_counts(options)
    cells = [(name, n) for name in groups for n in options.attempts]
    key = jax.random.key(options.seed)
    thinned = {}
    for number, (name, n) in enumerate(cells):
        thinned[name, n] = groups[name].thin(n, jax.random.fold_in(key, number))
    fits = fit_difficulty(list(thinned.values()), options.family)
    ks = whole_ks(max(int(counts.attempts.min()) for counts in groups.values()), 61)
    forecasts, lines = {}, {}
    for number, cell in enumerate(cells):
        if not fits[number].ok:
            raise ValueError(f"{cell[0]} at {cell[1]:,} attempts: {fits[number].sentence}")
        forecasts[cell] = forecast_pass_at_k(fits[number], ks, thinned[cell])
        lines[cell] = fit_line(thinned[cell], log_spaced_ks(cell[1]))
    return plot_held_out(groups, forecasts, lines, label=f"forecast, {options.family} fit")


def main() -> int:
    parser = arguments(__doc__, "counts of attempts and successes, fixed in advance")
    add_counts_options(parser)
    parser.add_argument("--attempts", nargs="+", type=int, default=[100, 1000], metavar="N")
    parser.add_argument("--family", default="beta", help="the law fitted (default: beta)")
    parser.add_argument("--seed", type=int, default=0, help="which attempts are seen (default: 0)")
    return draw_to_file(parser, draw)


if __name__ == "__main__":
    sys.exit(main())
