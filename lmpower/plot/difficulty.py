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
from lmpower.plot.paper import (
    COLOURS,
    GREY,
    INK,
    PALE,
    Numbers,
    by_group,
    of_group,
    panels,
    paper_style,
)

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
    left = min(_sight(each) for _, each in drawn.values()) - UNSEEN
    few = len(drawn) <= MOST_LARGE
    with paper_style():
        columns = min(len(drawn), 2 if few else 3)
        figure, grid = panels(len(drawn), columns, 2.3 if few else 1.5)
        for axes, (name, (each, seen)) in zip(grid, drawn.items(), strict=True):
            axes.set_title(name)
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


def _sight(counts: Counts) -> float:
    """log10 of half a success in the most attempts there are: what lies below is never seen."""
    return float(np.log10(0.5 / counts.attempts.max()))


def _legend(drawn: Mapping[str, tuple[Fit, Counts]]) -> list[Any]:
    fixed = any(counts.stopping == "fixed" for _, counts in drawn.values())
    handles: list[Any] = [Patch(color=PALE, label="observed s/n" if fixed else "never solved")]
    if any(isinstance(fit.difficulty, Discrete) for fit, _ in drawn.values()):
        return [*handles, Line2D([], [], color=COLOURS[0], label="fitted law, shares")]
    seen = Line2D([], [], color=COLOURS[0], label="fitted law")
    unseen = Line2D([], [], color=COLOURS[0], ls=DOTTED, label="below one success in n attempts")
    return [*handles, seen, unseen]


def _draw_observed(axes: Axes, counts: Counts, left: float) -> None:
    axes.bar(left - ZERO_AT, _unsolved(counts), width=1.0, color=PALE, lw=0)
    if counts.stopping != "fixed":
        said = f"s/n is not drawn:\nstopping is {counts.stopping}"
        axes.text(0.99, 0.98, said, transform=axes.transAxes, **(SMALL | {"va": "top", "ha": "right"}))
        return
    solved = counts.rate[counts.successes > 0]
    edges = _edges(int(np.median(counts.attempts)))
    share = np.histogram(np.log10(solved), edges)[0] / len(counts)
    axes.bar(edges[:-1], share / np.diff(edges), np.diff(edges), align="edge", color=PALE, lw=0)


def _unsolved(counts: Counts) -> float:
    return float((counts.successes == 0).mean())


def _edges(attempts: int) -> Numbers:
    """Between 1, 2-3, 4-7, 8-15, ... successes: log10 of s/n, in steps that settle at log10 2."""
    successes = 2.0 ** np.arange(np.floor(np.log2(attempts)) + 1) - 0.5
    return np.log10(np.append(successes, attempts * 1.001) / attempts)


def _draw_law(axes: Axes, law: Difficulty, counts: Counts, left: float) -> None:
    sight = _sight(counts)
    if isinstance(law, Discrete):
        shown = np.log10(np.maximum(law.p, 1e-300)) > left
        axes.vlines(np.log10(law.p[shown]), 0, law.weights[shown], color=COLOURS[0])
    else:
        x = np.arange(0, left - STEP, -STEP)[::-1]
        ends: Any = 10.0**x
        density = np.diff(np.asarray(law.cdf(ends))) / STEP
        middle = x[1:] - STEP / 2
        for part, style in ((middle >= sight, "-"), (middle <= sight + STEP, DOTTED)):
            axes.plot(middle[part], density[part], color=COLOURS[0], ls=style)


def _compare_unsolved(axes: Axes, fit: Fit, counts: Counts, left: float) -> None:
    """The share never solved, as seen and as the fit has it, in figures above the bar."""
    seen, fitted = _unsolved(counts), _unsolved_share(fit.difficulty, counts) if fit.ok else np.nan
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


def _unsolved_share(law: Difficulty, counts: Counts) -> float:
    """The share of problems without a success that the law leads one to expect; NaN if unclear."""
    if counts.stopping == "adaptive":
        return float("nan")
    attempts = counts.attempts.astype(np.float64)
    if counts.stopping == "on_success":  # solved or not, each had the limit before it
        attempts = np.full_like(attempts, attempts.max())
    distinct: Any
    distinct, weight = np.unique(attempts, return_counts=True)
    unsolved = np.exp(np.asarray(law.log_moment(0 * distinct, distinct)))
    return float(unsolved @ weight / weight.sum())


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
