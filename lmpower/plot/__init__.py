"""Pictures: a forecast against what was measured, and a difficulty against the counts behind it.

Each function returns a `matplotlib.figure.Figure` of its own, and touches neither pyplot's state
nor the caller's settings. `save_figure` writes one whole or not at all.
"""

from lmpower.plot.difficulty import plot_difficulty
from lmpower.plot.forecast import plot_forecast
from lmpower.plot.paper import save_figure

__all__ = ["plot_difficulty", "plot_forecast", "save_figure"]
