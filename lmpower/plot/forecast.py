"""pass@k against k: measured, forecast with its interval, and the straight line to beat.

The same curves twice: as pass@k, and as -log pass@k on log-log paper, where a power law is straight
and what bends away from one is seen to bend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lmpower.plot.curves import (
    DOTS,
    NEG_LOG,
    Group,
    draw_measured,
    mark_pilots,
    neg_log,
    scale_k,
    scale_neg_log,
    scale_pass,
)
from lmpower.plot.paper import (
    COLOURS,
    GREY,
    INK,
    PALE,
    Numbers,
    by_group,
    caption,
    new_figure,
    of_group,
    panels,
    paper_style,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmpower.baseline import Line
    from lmpower.counts import Counts
    from lmpower.fit import Fit
    from lmpower.posterior import Posterior

MOST_TOGETHER = 4  # groups in one pair of panels; more get a panel each
DASHED: dict[str, Any] = {"lw": 1.0, "dashes": (3.5, 1.8)}
BAND = 0.2  # opacity


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
        Group(name, curve, of_group(counts, name), of_group(fit, name), of_group(line, name))
        for name, curve in by_group(forecast).items()
    ]
    bars = groups[0].forecast.problems == "new" if standard_errors is None else standard_errors
    with paper_style():
        return _together(groups, bars) if len(groups) <= MOST_TOGETHER else _apart(groups, bars)


# ---- several groups in two panels


def _together(groups: Sequence[Group], bars: bool) -> Figure:
    figure = new_figure(2.7)
    left, right = figure.subplots(1, 2)
    alone = len(groups) == 1
    for colour, group in zip(COLOURS, groups, strict=False):
        dashed, dots = (COLOURS[1], INK) if alone else (colour, colour)
        _draw(left, group, np.asarray, colour, dashed, dots, bars)
        _draw(right, group, neg_log, colour, dashed, dots, bars)
    left.set_ylabel("pass@k")
    right.set_ylabel(NEG_LOG)
    scale_pass(left, groups)
    scale_neg_log(right, groups)
    for axes in (left, right):
        scale_k(axes, groups)
        mark_pilots(axes, groups)
    handles = _legend(groups, bars, alone)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.6)
    _name_curves(right, groups, alone)
    return figure


def _draw(
    axes: Axes,
    group: Group,
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
    draw_measured(axes, group, y, dots, bars)


def _legend(groups: Sequence[Group], bars: bool, alone: bool) -> list[Any]:
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


def _name_curves(axes: Axes, groups: Sequence[Group], alone: bool) -> None:
    """Names and exponents right of where the curves end, moved apart where they would touch."""
    labels, wanted = [], []
    low, high = np.log(axes.get_ylim())
    for colour, group in zip(COLOURS, groups, strict=False):
        said = [caption(group.name), group.exponent if group.known else "no forecast"]
        labels.append(("\n".join(part for part in said if part), colour))
        end = float(neg_log(group.forecast.pass_at_k)[-1]) if group.known else np.exp(low)
        wanted.append((np.log(end) - low) / (high - low) if end > 0 else 0.0)
    places = spread(wanted, 0.17, 0.06, 0.94)
    for (label, colour), place in zip(labels, places, strict=True):
        axes.text(1.02, place, label, color=colour, va="center", transform=axes.transAxes)


# ---- many groups, a panel each


def _apart(groups: Sequence[Group], bars: bool) -> Figure:
    figure, grid = panels(len(groups), 4, 1.25)
    for axes, group in zip(grid, groups, strict=True):
        _draw(axes, group, neg_log, COLOURS[0], COLOURS[1], INK, bars)
        scale_k(axes, groups)
        scale_neg_log(axes, groups)
        axes.set_xlabel("")
        axes.set_title(caption(group.name))
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
