"""Pictures: forecasts, difficulties and backtests as they are published.

* ``plot_forecast``: pass@k against k, forecast and measured;
* ``plot_fan``: the same from a posterior, in nested bands;
* ``plot_exponents``: the tail exponent of each group, as its posterior leaves it;
* ``plot_pairs``: one posterior's parameters in pairs;
* ``plot_difficulty``: the fitted law over the counts behind it;
* ``plot_decay``: each problem falls exponentially, their average as a power law;
* ``plot_tails``: what a law's mass near 0 does to its pass@k;
* ``plot_errors``: errors of estimators against attempts;
* ``plot_held_out``: forecasts against attempts that were held out;
* ``plot_line_bias``: what the straight line misses with infinite data.

Each function returns a `matplotlib.figure.Figure` of its own, and touches neither pyplot's state
nor the caller's settings. `save_figure` writes one whole or not at all.
"""

from lmpower.plot.bias import plot_line_bias
from lmpower.plot.decay import plot_decay
from lmpower.plot.difficulty import plot_difficulty
from lmpower.plot.errors import plot_errors
from lmpower.plot.exponents import plot_exponents
from lmpower.plot.fan import plot_fan
from lmpower.plot.forecast import plot_forecast
from lmpower.plot.heldout import plot_held_out
from lmpower.plot.pairs import plot_pairs
from lmpower.plot.paper import save_figure
from lmpower.plot.tails import plot_tails

__all__ = [
    "plot_decay",
    "plot_difficulty",
    "plot_errors",
    "plot_exponents",
    "plot_fan",
    "plot_forecast",
    "plot_held_out",
    "plot_line_bias",
    "plot_pairs",
    "plot_tails",
    "save_figure",
]
