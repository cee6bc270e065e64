"""The law of difficulty over the counts it was fitted to, in log p, where the tail is to be seen.

Half of the problems may never have been solved; 0 has no place on a log axis, so they get a bar of
their own to the left, beside what the fit says of it. The curve goes on below one success in n
attempts, where no count can see: that is where forecasts come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lmpower.counts import Counts
from lmpower.difficulty import Discrete
from lmpower.plot.paper import COLOURS, GREY, INK, PALE, by_group, caption, of_group, panels, paper_style
from lmpower.shares import law_density, sight, solved_histogram, unsolved, unsolved_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmpower.difficulty import Difficulty
    from lmpower.fit import Fit

UNSEEN = 1.5  # decades of the curve below one success in n attempts
STEP = 0.05  # decades between points of the curve
ZERO_AT = 0.9  # decades from the curve's left end to the middle of the bar of unsolved problems
MOST_LARGE = 4  # panels two in a row; more get three in a row
ROOM = 1.25  # for figures above the highest bar
TALLEST = 1.6  # a law as narrow as that has its spike cut off, or all else would be flat
DOTTED = (0, (1, 1.2))
SMALL: dict[str, Any] = {"fontsize": 7, "color": GREY, "ha": "left", "va": "bottom"}


def plot_difficulty(fit: Fit | Mapping[str, Fit], counts: Counts | Mapping[str, Counts]) -> Figure:
    """Density of the fitted law over a histogram of s/n, one panel a group.

    Areas are shares of the problems: those solved s times in n attempts at p = s/n, those never
    solved at 0, in a bar one decade wide. Where outcomes decided the attempts, s/n does not
    estimate p and is not drawn.

    Args:
        fit: of one group, or a mapping by group.
        counts: what was fitted, likewise.
    """
    drawn = {name: (each, of_group(counts, name)) for name, each in by_group(fit).items()}
    left = min(sight(each) for _, each in drawn.values()) - UNSEEN
    few = len(drawn) <= MOST_LARGE
    with paper_style():
        columns = min(len(drawn), 2 if few else 3)
        figure, grid = panels(len(drawn), columns, 2.3 if few else 1.5)
        for axes, (name, (each, seen)) in zip(grid, drawn.items(), strict=True):
            axes.set_title(caption(name))
            _draw_observed(axes, seen, left)
            if each.ok:
                _draw_law(axes, each.difficulty, seen, left)
            _compare_unsolved(axes, each, seen, left)
            _dress(axes, left)
        grid[0].set_ylim(0, ROOM * min(max(axes.dataLim.ymax for axes in grid), TALLEST))
        figure.supxlabel("p, chance that one attempt solves the problem", fontsize=8)
        figure.supylabel("share of problems per decade", fontsize=8)
        figure.legend(handles=_legend(drawn), loc="outside upper left", ncols=3)
    return figure


def _legend(drawn: Mapping[str, tuple[Fit, Counts]]) -> list[Any]:
    fixed = any(counts.stopping == "fixed" for _, counts in drawn.values())
    handles: list[Any] = [Patch(color=PALE, label="observed s/n" if fixed else "never solved")]
    if any(isinstance(fit.difficulty, Discrete) for fit, _ in drawn.values()):
        return [*handles, Line2D([], [], color=COLOURS[0], label="fitted law, shares")]
    seen = Line2D([], [], color=COLOURS[0], label="fitted law")
    unseen = Line2D([], [], color=COLOURS[0], ls=DOTTED, label="below one success in n attempts")
    return [*handles, seen, unseen]


def _draw_observed(axes: Axes, counts: Counts, left: float) -> None:
    axes.bar(left - ZERO_AT, unsolved(counts), width=1.0, color=PALE, lw=0)
    if counts.stopping != "fixed":
        said = f"s/n is not drawn:\nstopping is {counts.stopping}"
        axes.text(0.99, 0.98, said, transform=axes.transAxes, **(SMALL | {"va": "top", "ha": "right"}))
        return
    edges, density = solved_histogram(counts)
    axes.bar(edges[:-1], density, np.diff(edges), align="edge", color=PALE, lw=0)


def _draw_law(axes: Axes, law: Difficulty, counts: Counts, left: float) -> None:
    least = sight(counts)
    if isinstance(law, Discrete):
        shown = np.log10(np.maximum(law.p, 1e-300)) > left
        axes.vlines(np.log10(law.p[shown]), 0, law.weights[shown], color=COLOURS[0])
    else:
        x = np.arange(0, left - STEP, -STEP)[::-1]
        density = law_density(law, x)
        middle = x[1:] - STEP / 2
        for part, style in ((middle >= least, "-"), (middle <= least + STEP, DOTTED)):
            axes.plot(middle[part], density[part], color=COLOURS[0], ls=style)


def _compare_unsolved(axes: Axes, fit: Fit, counts: Counts, left: float) -> None:
    """The share never solved, as seen and as the fit has it, in figures above the bar."""
    seen = unsolved(counts)
    fitted = float(unsolved_share(fit.difficulty, counts)) if fit.ok else np.nan
    start, end = left - ZERO_AT - 0.5, left - ZERO_AT + 0.5
    lines = [(f"{seen:.0%} seen", GREY)]
    if np.isfinite(fitted):
        axes.hlines(fitted, start, end, color=COLOURS[0], lw=2)
        lines.append((f"{fitted:.0%} fit", COLOURS[0]))
    lines += [] if fit.ok else [("no fit", GREY)]
    above = (start, np.fmax(seen, fitted))
    for row, (said, colour) in enumerate(reversed(lines)):
        place: dict[str, Any] = {"xytext": (0, 3 + 8 * row), "textcoords": "offset points"}
        axes.annotate(said, above, **place, **(SMALL | {"color": colour}))


def _dress(axes: Axes, left: float) -> None:
    """0 left of the break, powers of ten right of it."""
    decades = range(int(np.ceil(left)), 1)
    step = -(-len(decades) // 6)
    shown = [d for d in decades if d % step == 0]
    names = ["1" if d == 0 else f"$10^{{{d}}}$" for d in shown]
    axes.set_xticks([left - ZERO_AT, *shown], ["0", *names])
    axes.set_xlim(left - ZERO_AT - 0.7, 0.05)
    for shift in (-0.05, 0.05):
        x = left - 0.15 + shift
        axes.plot(
            [x - 0.04, x + 0.04],
            [-0.02, 0.02],
            color=INK,
            lw=0.6,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
        )
