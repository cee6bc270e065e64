"""Forecasts from few attempts against what the many held-out ones measured, a panel each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lmpower.counts import Counts
from lmpower.passk import pass_at_k
from lmpower.plot.curves import NEG_LOG, neg_log
from lmpower.plot.paper import (
    COLOURS,
    INK,
    PALE,
    Numbers,
    caption,
    log_ticks,
    panels,
    paper_style,
    whole_ks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lmpower.baseline import Line

BAND = 0.2  # opacity
POINTS = 13  # measured, over all k
DASHED: dict[str, Any] = {"lw": 1.0, "dashes": (3.5, 1.8)}
SEEN: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2.6, "mew": 0.7, "zorder": 4}


def plot_held_out(
    counts: Mapping[str, Counts],
    forecasts: Mapping[tuple[str, int], Any],
    lines: Mapping[tuple[str, int], Line] | None = None,
    *,
    label: str = "forecast",
) -> Figure:
    """-log pass@k forecast from N attempts a problem, and measured with all; a column a group, a row an N.

    In the corner of each panel: how far -log pass@k is off at the last k that was measured, forecast above
    straight line.

    Args:
        counts: all attempts of each group, fixed in advance.
        forecasts: by (group, N), each with ``k``, ``pass_at_k``, ``lower``, ``upper`` and ``level``.
        lines: the straight line of each (group, N), from the same N attempts.
        label: what made the forecasts.

    Raises:
        ValueError: for forecasts of groups that have no counts, or none at all.
        CountsError: if the outcomes decided the number of attempts.
    """
    if not forecasts:
        raise ValueError("there is no forecast to draw")
    strangers = [group for group, _ in forecasts if group not in counts]
    if strangers:
        raise ValueError(f"a forecast needs counts of its group; {strangers[0]!r} has none")
    groups = list(dict.fromkeys(group for group, _ in forecasts))
    pilots = sorted({n for _, n in forecasts})
    with paper_style():
        # side by side even for a single group
        figure, grid = panels(len(pilots) * len(groups), len(groups), 1.75)
        cells = [(group, n) for n in pilots for group in groups]
        heights: list[Numbers] = []
        for axes, (group, n) in zip(grid, cells, strict=True):
            axes.set(xscale="log", yscale="log")
            axes.set_title(f"{caption(group)}, N = {n:,}" if group else f"N = {n:,}")
            if (group, n) in forecasts:
                line = (lines or {}).get((group, n))
                heights.append(_draw(axes, forecasts[group, n], line, counts[group], n))
            # after the curves: alone in a panel it would set limits of no width, with a warning
            axes.axvline(n, color=PALE, lw=0.8, zorder=0)
        _scale(grid, max(int(each.attempts.min()) for each in counts.values()), np.concatenate(heights))
        says = f"attempts k  (numbers: error of {NEG_LOG} at the last k)"
        figure.supxlabel(says, fontsize=8)
        figure.supylabel(NEG_LOG, fontsize=8)
        level = f"{100 * next(iter(forecasts.values())).level:g}%"
        handles: list[Any] = [
            Line2D([], [], color=INK, mfc="white", label="measured, all attempts", **SEEN),
            Line2D([], [], color=COLOURS[0], label=label),
            Patch(color=COLOURS[0], alpha=BAND, lw=0, label=f"{level} interval"),
        ]
        if lines:
            handles.append(Line2D([], [], color=COLOURS[1], label="straight line", **DASHED))
        handles.append(Line2D([], [], color=PALE, lw=0.8, label="N attempts seen"))
        figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.4)
    return figure


def _draw(axes: Axes, forecast: Any, line: Line | None, counts: Counts, n: int) -> Numbers:
    """Draws one panel; returns the heights that must be in the picture."""
    k = np.asarray(forecast.k)
    curve = neg_log(forecast.pass_at_k)
    # the larger pass@k, the lower its -log
    low, high = neg_log(forecast.upper), neg_log(forecast.lower)
    axes.fill_between(k, low, high, color=COLOURS[0], alpha=BAND, lw=0)
    axes.plot(k, curve, color=COLOURS[0], lw=1.3)
    if line is not None:
        along = whole_ks(int(k.max()), 60)
        axes.plot(along, neg_log(line.pass_at_k(along)), color=COLOURS[1], **DASHED)
    measured = pass_at_k(counts, whole_ks(int(counts.attempts.min()), POINTS))
    loss = -measured.log_estimate
    shown = np.isfinite(loss) & (loss > 0)
    axes.plot(measured.k[shown], loss[shown], color=INK, mfc="white", **SEEN)
    beyond = measured.k > n
    if line is not None and beyond.any():
        last = measured.k[-1]
        said = _miss(curve[np.argmin(np.abs(k - last))], loss[-1])
        also = _miss(float(neg_log(line.pass_at_k(int(last)))[0]), loss[-1])
        put: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 7}
        axes.text(0.06, 0.15, said, color=COLOURS[0], **put)
        axes.text(0.06, 0.05, also, color=COLOURS[1], **put)
    every = np.concatenate([curve, low, high, loss])
    return np.asarray(every[np.isfinite(every) & (every > 0)])


def _miss(forecast: float, truth: float) -> str:
    """By how much -log pass@k is off at the last measured k."""
    if not (truth > 0 and np.isfinite(forecast)):
        return ""
    return f"{round(100 * (forecast / truth - 1)):+d}%".replace("-", "\N{MINUS SIGN}")


def _scale(grid: list[Axes], largest: int, heights: Numbers) -> None:
    low, high = max(heights.min(), heights.max() / 1e5) / 1.2, heights.max() * 1.2
    grid[0].set_xlim(0.8, largest * 1.4)
    grid[0].set_ylim(low, high)
    for axes in grid:
        log_ticks(axes.xaxis, 1, max(largest, 10**3))
        log_ticks(axes.yaxis, low, max(high, 200 * low))
