"""pass@k against k: measured, forecast with its interval, and the straight line to beat.

The same curves twice: as pass@k, and as -log pass@k on log-log paper, where a power law is straight
and what bends away from one is seen to bend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lmpower.counts import Counts
from lmpower.passk import PassAtK, pass_at_k
from lmpower.plot.paper import (
    COLOURS,
    GREY,
    INK,
    PALE,
    Numbers,
    by_group,
    log_ticks,
    new_figure,
    of_group,
    panels,
    paper_style,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmpower.baseline import Line
    from lmpower.fit import Fit
    from lmpower.posterior import Posterior

MOST_TOGETHER = 4  # groups in one pair of panels; more get a panel each
PILOT_KS = np.unique(np.rint(np.outer(10.0 ** np.arange(16), [1, 2, 5])).astype(np.int64))
DASHED: dict[str, Any] = {"lw": 1.0, "dashes": (3.5, 1.8)}
DOTS: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3.2, "mfc": "white", "mew": 0.9, "zorder": 4}
BAND = 0.2  # opacity
NEG_LOG = "\N{MINUS SIGN}log pass@k"


def plot_forecast(
    forecast: Any,
    counts: Counts | Mapping[str, Counts] | None = None,
    fit: Fit | Posterior | Mapping[str, Fit] | Mapping[str, Posterior] | None = None,
    line: Line | Mapping[str, Line] | None = None,
    *,
    standard_errors: bool | None = None,
) -> Figure:
    """Forecasts of one group or several, each argument one object or a mapping by group.

    Up to four groups share two panels, pass@k and -log pass@k, in a colour each; more get a small
    panel of -log pass@k each.

    Args:
        forecast: anything with ``k``, ``pass_at_k``, ``lower``, ``upper``, ``level`` and
            ``problems``, such as a `Forecast`; some fifty k even in log k make a smooth curve.
        counts: adds the unbiased pass@k as far as the attempts go, where they were fixed in
            advance, and marks how far that is.
        fit: a fit, or a posterior; adds the (median) tail exponent.
        line: adds the straight line, dashed.
        standard_errors: bars of one standard error at the measured points. They say how another
            set of problems might differ, so by default they are drawn for new problems only.
    """
    groups = [
        _Group(name, curve, of_group(counts, name), of_group(fit, name), of_group(line, name))
        for name, curve in by_group(forecast).items()
    ]
    bars = groups[0].forecast.problems == "new" if standard_errors is None else standard_errors
    with paper_style():
        return _together(groups, bars) if len(groups) <= MOST_TOGETHER else _apart(groups, bars)


@dataclass(frozen=True)
class _Group:
    name: str
    forecast: Any
    counts: Counts | None
    fit: Fit | Posterior | None
    line: Line | None

    @property
    def known(self) -> bool:
        """Whether there is a forecast at all."""
        return bool(np.isfinite(self.forecast.pass_at_k).any())

    @property
    def pilot(self) -> int | None:
        """How far the counts go: to the fewest attempts, or to the limit where sampling stopped."""
        if self.counts is None:
            return None
        n = self.counts.attempts
        return int(n.min() if self.counts.stopping == "fixed" else n.max())

    @property
    def exponent(self) -> str:
        """What the fit says of the tail, if anything."""
        value = np.nan if self.fit is None else float(np.median(self.fit.tail_exponent))
        return f"tail exponent {value:.2f}" if np.isfinite(value) else ""

    @property
    def measured(self) -> PassAtK | None:
        """Unbiased pass@k at 1, 2, 5, 10, ... and the fewest attempts."""
        if self.counts is None or self.counts.stopping != "fixed":
            return None
        few = int(self.counts.attempts.min())
        return pass_at_k(self.counts, np.append(PILOT_KS[few > PILOT_KS], few))

    def heights(self) -> Numbers:
        """All pass@k strictly inside (0, 1) that must be in the picture."""
        seen, measured = self.forecast, self.measured
        parts = [seen.pass_at_k, seen.lower, seen.upper]
        parts += [] if measured is None else [measured.estimate]
        p = np.concatenate([np.ravel(part) for part in parts])
        return np.asarray(p[(p > 0) & (p < 1)])


# ---- several groups in two panels


def _together(groups: Sequence[_Group], bars: bool) -> Figure:
    figure = new_figure(2.7)
    left, right = figure.subplots(1, 2)
    alone = len(groups) == 1
    for colour, group in zip(COLOURS, groups, strict=False):
        dashed, dots = (COLOURS[1], INK) if alone else (colour, colour)
        _draw(left, group, np.asarray, colour, dashed, dots, bars)
        _draw(right, group, _neg_log, colour, dashed, dots, bars)
    left.set_ylabel("pass@k")
    right.set_ylabel(NEG_LOG)
    top = max((float(group.heights().max(initial=0)) for group in groups), default=0)
    left.set_ylim(0, 1 if top > 0.5 or top == 0 else 1.1 * top)
    _log_y(right, groups)
    for axes in (left, right):
        _log_k(axes, groups)
        _mark_pilots(axes, groups)
    handles = _legend(groups, bars, alone)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.6)
    _name_curves(right, groups, alone)
    return figure


def _draw(
    axes: Axes,
    group: _Group,
    y: Callable[[Any], Numbers],
    colour: str,
    dashed: str,
    dots: str,
    bars: bool,
) -> None:
    """Band and straight line under the curve, measured points on top."""
    seen, k = group.forecast, np.asarray(group.forecast.k)
    axes.fill_between(k, y(seen.lower), y(seen.upper), color=colour, alpha=BAND, lw=0)
    if group.line is not None:
        along = np.unique(np.rint(np.geomspace(1, k.max(), 60)).astype(np.int64))
        axes.plot(along, y(group.line.pass_at_k(along)), color=dashed, **DASHED)
    axes.plot(k, y(seen.pass_at_k), color=colour)
    measured = group.measured
    if measured is None:
        return
    mean, error = measured.estimate, measured.standard_error
    shown = (mean > 0) & (mean < 1)
    if bars:
        low, high = (np.clip(mean + sign * error, 1e-300, 1)[shown] for sign in (-1, 1))
        axes.vlines(measured.k[shown], y(low), y(high), color=dots, lw=0.8, zorder=3)
    axes.plot(measured.k[shown], y(mean[shown]), color=dots, **DOTS)


def _neg_log(p: Any) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.log(p))


def _log_k(axes: Axes, groups: Sequence[_Group]) -> None:
    largest = max(int(np.max(group.forecast.k)) for group in groups)
    axes.set_xscale("log")
    axes.set_xlim(0.85, largest * 1.15)
    axes.set_xlabel("attempts k")
    log_ticks(axes.xaxis, 1, max(largest, 10**3))


def _log_y(axes: Axes, groups: Sequence[_Group]) -> None:
    """Of -log pass@k: all of the curves, if that is at most six decades."""
    heights = np.concatenate([group.heights() for group in groups])
    values = _neg_log(heights) if heights.size else np.array([0.1, 10.0])
    low, high = max(values.min(), values.max() / 1e6) / 1.2, values.max() * 1.2
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)


def _mark_pilots(axes: Axes, groups: Sequence[_Group]) -> None:
    """One upright for all groups with the same number of attempts."""
    pilots = {group.pilot: group.counts for group in groups if group.pilot is not None}
    for n, counts in pilots.items():
        axes.axvline(n, color=PALE, lw=0.8, zorder=0)
        if counts is not None and len(pilots) == 1:
            equal = counts.attempts.min() == counts.attempts.max()
            word = "" if equal else "at least " if counts.stopping == "fixed" else "up to "
            above = axes.get_xaxis_transform()
            said = f"pilot: {word}{n:,} attempts"
            axes.text(n, 1.01, said, transform=above, color=GREY, ha="center", fontsize=7)


def _legend(groups: Sequence[_Group], bars: bool, alone: bool) -> list[Any]:
    """What dots, curves and dashes mean: in their colours if there is one group, grey if more."""
    dots, colour, dashed = (INK, COLOURS[0], COLOURS[1]) if alone else (GREY, GREY, GREY)
    level = f"{100 * groups[0].forecast.level:g}%"
    problems = groups[0].forecast.problems
    handles: list[Any] = []
    if any(group.measured is not None for group in groups):
        error = " \N{PLUS-MINUS SIGN} 1 standard error" if bars else ""
        handles.append(Line2D([], [], color=dots, label=f"measured{error}", **DOTS))
    handles.append(Line2D([], [], color=colour, label=f"forecast, {problems} problems"))
    handles.append(Patch(color=colour, alpha=BAND, lw=0, label=f"{level} interval"))
    if any(group.line is not None for group in groups):
        handles.append(Line2D([], [], color=dashed, label="straight line", **DASHED))
    if len({group.pilot for group in groups} - {None}) > 1:
        handles.append(Line2D([], [], color=PALE, lw=0.8, label="end of a pilot"))
    return handles


def _name_curves(axes: Axes, groups: Sequence[_Group], alone: bool) -> None:
    """Names and exponents right of where the curves end, moved apart where they would touch."""
    labels, wanted = [], []
    low, high = np.log(axes.get_ylim())
    for colour, group in zip(COLOURS, groups, strict=False):
        said = [group.name, group.exponent if group.known else "no forecast"]
        labels.append(("\n".join(part for part in said if part), colour))
        end = float(_neg_log(group.forecast.pass_at_k)[-1]) if group.known else np.exp(low)
        wanted.append((np.log(end) - low) / (high - low) if end > 0 else 0.0)
    places = spread(wanted, 0.17, 0.06, 0.94)
    for (label, colour), place in zip(labels, places, strict=True):
        axes.text(1.02, place, label, color=colour, va="center", transform=axes.transAxes)


# ---- many groups, a panel each


def _apart(groups: Sequence[_Group], bars: bool) -> Figure:
    figure, grid = panels(len(groups), 4, 1.25)
    for axes, group in zip(grid, groups, strict=True):
        _draw(axes, group, _neg_log, COLOURS[0], COLOURS[1], INK, bars)
        _log_k(axes, groups)
        _log_y(axes, groups)
        axes.set_xlabel("")
        axes.set_title(group.name)
        if group.pilot is not None:
            axes.axvline(group.pilot, color=PALE, lw=0.8, zorder=0)
        said = group.exponent if group.known else "no forecast"
        colour = COLOURS[0] if group.known else GREY
        axes.text(0.05, 0.06, said, color=colour, fontsize=7, transform=axes.transAxes)
    figure.supxlabel("attempts k", fontsize=8)
    figure.supylabel(NEG_LOG, fontsize=8)
    handles = _legend(groups, bars, alone=True)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.4)
    return figure
