"""Each problem's -log pass@k falls exponentially, their average as a power law.

A problem of chance p fails k attempts with chance (1-p)^k, so its curve bends down and is gone. The average
is kept up by ever harder problems, as many as the law of difficulty has near p = 0: its exponent is that of
the law's tail, reached only where k is large; in a window of k the slope is another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D

from lmpower.counts import Counts
from lmpower.difficulty.base import over_batch
from lmpower.passk import pass_at_k
from lmpower.plot.paper import (
    COLOURS,
    GREY,
    INK,
    PALE,
    Numbers,
    by_group,
    caption,
    log_ticks,
    of_group,
    panels,
    paper_style,
    whole_ks,
)
from lmpower.scaling import SLOPE_POINTS, log_neg_log_pass, window_slope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lmpower.fit import Fit

BEYOND = 100  # times the attempts: how far the fitted law is drawn
LOWEST = 0.01  # of -log pass@k; below, pass@k is above 99 %
ROOM = 7.0  # times -log of one success in all attempts: for the words at the top
ASYMPTOTE_FROM = 10  # k from which the asymptote is drawn
# from problems hardly ever solved to easy ones; light enough for the average to stand out
HARD_TO_EASY = LinearSegmentedColormap.from_list("hard to easy", ("#54278f", "#9e9ac8", "#e3dff0"))
THIN, THICK = 0.5, 2.2  # points
DOTTED: dict[str, Any] = {"ls": (0, (1, 1.4)), "lw": 1.5}
DASHED: dict[str, Any] = {"ls": (0, (4, 2)), "lw": 1.2}


def plot_decay(counts: Counts | Mapping[str, Counts], fit: Fit | Mapping[str, Fit]) -> Figure:
    """-log pass@k of every problem and of their average, one panel a group.

    Curves of problems are unbiased estimates up to the fewest attempts; a problem that was never solved has
    none, and the panel says how many there are. The average is that of all problems. The fitted law goes on
    beyond, with its asymptote and the straight line through its curve over k = 1 to the fewest attempts,
    each labelled with its exponent.

    Args:
        counts: of one group, or a mapping by group; attempts fixed in advance.
        fit: likewise.

    Raises:
        CountsError: if the outcomes decided the number of attempts.
    """
    drawn = {name: (each, of_group(fit, name)) for name, each in by_group(counts).items()}
    for each, _ in drawn.values():
        each.require_fixed("the decay of each problem's -log pass@k")
    most = max(int(each.attempts.min()) for each, _ in drawn.values())
    with paper_style():
        figure, grid = panels(len(drawn), min(len(drawn), 2), 2.5 if len(drawn) > 2 else 3.0)
        norm = LogNorm(1 / most, 1)
        for axes, (name, (each, fitted)) in zip(grid, drawn.items(), strict=True):
            axes.set_title(caption(name))
            axes.set_xscale("log")
            axes.set_yscale("log")
            problems = _draw_problems(axes, each, norm)
            _draw_average(axes, each)
            said = [("no fit", COLOURS[0])]
            if fitted is not None and fitted.ok:
                said = _draw_law(axes, fitted, int(each.attempts.min()), most * BEYOND)
            unsolved = int((each.successes == 0).sum())
            said.append((f"{unsolved:,} of {len(each):,} never solved", GREY))
            for row, (text, colour) in enumerate(said):
                place = (0.97, 0.93 - 0.085 * row)
                axes.text(*place, text, color=colour, transform=axes.transAxes, ha="right")
        low, high = LOWEST, ROOM * np.log(most)
        grid[0].set_xlim(1, most * BEYOND)
        grid[0].set_ylim(low, high)
        for axes in grid:
            log_ticks(axes.xaxis, 1, most * BEYOND)
            log_ticks(axes.yaxis, low, high)
        figure.supxlabel("attempts k", fontsize=8)
        figure.supylabel("\N{MINUS SIGN}log pass@k", fontsize=8)
        bar = figure.colorbar(problems, ax=grid, aspect=45, fraction=0.04, pad=0.02)
        bar.set_label("share of attempts that solve the problem, s/n")
        bar.outline.set_visible(False)
        bar.ax.minorticks_off()
        log_ticks(bar.ax.yaxis, 1 / most, 1)
        bar.ax.yaxis.minorticks_off()
        handles = [
            Line2D([], [], color=HARD_TO_EASY(0.3), lw=THIN * 2, label="each problem"),
            Line2D([], [], color=INK, lw=THICK, label="average over problems"),
            Line2D([], [], color=COLOURS[0], label="fitted law"),
            Line2D([], [], color=COLOURS[0], label="its asymptote", **DOTTED),
            Line2D([], [], color=COLOURS[1], label="its slope in the window", **DASHED),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.3)
    return figure


def _draw_problems(axes: Axes, counts: Counts, norm: LogNorm) -> LineCollection:
    solved = counts.successes > 0
    ks = whole_ks(int(counts.attempts.min()))
    pass_at = pass_at_k(counts, ks).per_problem[solved]
    order = np.argsort(-counts.rate[solved], kind="stable")  # the hardest on top
    curves = [np.column_stack([ks, _neg_log(each)]) for each in pass_at[order]]
    lines = LineCollection(curves, array=counts.rate[solved][order], cmap=HARD_TO_EASY, norm=norm)
    lines.set(linewidth=THIN, zorder=1)
    axes.add_collection(lines)
    return lines


def _draw_average(axes: Axes, counts: Counts) -> None:
    ks = whole_ks(int(counts.attempts.min()))
    mean = pass_at_k(counts, ks)
    axes.plot(ks, -mean.log_estimate, color="white", lw=THICK + 1.6, zorder=3)
    axes.plot(ks, -mean.log_estimate, color=INK, lw=THICK, zorder=5)
    axes.axvline(int(ks[-1]), ymax=0.72, color=PALE, lw=0.8, zorder=0)


def _draw_law(axes: Axes, fit: Fit, attempts: int, largest: int) -> list[tuple[str, str]]:
    """The fitted law's curve and two straight lines; returns what they say, in which colour."""
    law = fit.difficulty
    ks = np.geomspace(1, largest, 121)
    axes.plot(ks, np.exp(over_batch(log_neg_log_pass, law, ks)), color=COLOURS[0], zorder=4)
    slope = float(window_slope(law, 1, attempts))
    within = np.geomspace(1, attempts, SLOPE_POINTS)
    middle = over_batch(log_neg_log_pass, law, within).mean() + slope * np.log(within).mean()
    ends = np.array([1, attempts])
    axes.plot(ends, np.exp(middle) * ends**-slope, color=COLOURS[1], zorder=6, **DASHED)
    said = [(f"window slope {slope:.3f}  (k = 1 to {attempts:,})", COLOURS[1])]
    tail = law.tail()
    exponent = float(tail.exponent)
    if np.isfinite(exponent) and float(tail.floor) == 0:
        far = np.array([ASYMPTOTE_FROM, largest])
        height = np.exp(float(tail.log_prefactor)) * far**-exponent
        axes.plot(far, height, color=COLOURS[0], zorder=4, **DOTTED)
        said.insert(0, (f"tail exponent {exponent:.3f}  (k \N{RIGHTWARDS ARROW} \N{INFINITY})", COLOURS[0]))
    else:
        said.insert(0, ("no power law as k grows", COLOURS[0]))
    return said


def _neg_log(p: Numbers) -> Numbers:
    """-log p; where p is 1, so little that the curve leaves the picture."""
    return np.maximum(-np.log(p), 1e-15)
