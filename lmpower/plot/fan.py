"""The forecast fan: bands that hold more and more of the draws of pass@k, around their median.

As pass@k, and as -log pass@k on log-log paper, where a power law is straight. Nested bands of several
groups would hide each other, so each group has panels of its own, on equal axes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_hex, to_rgb
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
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lmpower.counts import Counts
    from lmpower.forecast import Forecast

MOST_PAIRS = 4  # groups with a pair of panels each; more get one panel each
ACROSS, HANDLE = 114, 7  # letters that fit across the page, and as many as a legend's handle takes
STRENGTHS = (0.16, 0.5)  # of the colour of the widest band, and of the narrowest


def plot_fan(
    forecast: Forecast | Mapping[str, Forecast],
    counts: Counts | Mapping[str, Counts] | None = None,
    *,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
) -> Figure:
    """Forecasts of pass@k from posteriors, of one group or several: nested bands and the median.

    Up to four groups have a row each, pass@k beside -log pass@k; more get a small panel each, -log pass@k.

    Args:
        forecast: of one group, or of several by name; some fifty k even in log k make a smooth fan.
        counts: likewise; adds the unbiased pass@k as far as the attempts go, where they were fixed in
            advance, and marks how far that is.
        levels: shares of the draws that the bands hold, each in (0, 1).

    Raises:
        ValueError: for no forecast, one without draws or not of pass@k, or levels out of range.
    """
    forecasts = by_group(forecast)
    if not forecasts:
        raise ValueError("there is no forecast to draw")
    if not levels or not all(0 < level < 1 for level in levels):
        raise ValueError(f"a fan takes levels in (0, 1), at least one; got {levels!r}")
    wide_first = sorted(set(levels), reverse=True)
    fans = [_Fan.of(name, each, of_group(counts, name), wide_first) for name, each in forecasts.items()]
    with paper_style():
        return _in_rows(fans, wide_first) if len(fans) <= MOST_PAIRS else _apart(fans, wide_first)


@dataclasses.dataclass(frozen=True)
class _Fan:
    """A group whose forecast is the median, between the ends of the widest band; [band, end, K]."""

    group: Group
    bands: Numbers

    @classmethod
    def of(cls, name: str, forecast: Forecast, counts: Counts | None, levels: Sequence[float]) -> _Fan:
        who = f"the forecast of {name!r}" if name else "the forecast"
        if forecast.draws is None:
            raise ValueError(f"{who} has no draws, which a fan is made of: forecast from a posterior")
        if forecast.metric != "any":
            raise ValueError(f"a fan shows pass@k (metric='any'); {who} has metric={forecast.metric!r}")
        share = np.array([[0.5 - level / 2, 0.5 + level / 2] for level in levels])
        bands = np.quantile(forecast.draws, share, axis=0, method="median_unbiased")
        median = np.quantile(forecast.draws, 0.5, axis=0, method="median_unbiased")
        if np.isnan(forecast.lower).all():  # its posterior cannot be believed
            bands, median = np.full_like(bands, np.nan), np.full_like(median, np.nan)
        seen = dataclasses.replace(forecast, pass_at_k=median, lower=bands[0, 0], upper=bands[0, 1])
        return cls(Group(name, seen, counts), bands)


def _draw(axes: Axes, fan: _Fan, y: Callable[[Any], Numbers]) -> None:
    k = fan.group.forecast.k
    for tint, (low, high) in zip(_tints(len(fan.bands)), fan.bands, strict=True):
        axes.fill_between(k, y(low), y(high), color=tint, lw=0, zorder=-1)  # under the pilot's end
    axes.plot(k, y(fan.group.forecast.pass_at_k), color=COLOURS[0])
    draw_measured(axes, fan.group, y, INK)
    if not fan.group.known:
        words: dict[str, Any] = {"color": GREY, "fontsize": 7, "transform": axes.transAxes}
        axes.text(0.05, 0.06, "no forecast", **words)


def _tints(number: int) -> list[str]:
    """The curve's colour thinned with white: opaque, so that the legend shows what the picture does."""
    colour = np.array(to_rgb(COLOURS[0]))
    strengths = np.linspace(*STRENGTHS, number) if number > 1 else np.array([np.mean(STRENGTHS)])
    return [to_hex(strength * colour + (1 - strength)) for strength in strengths]


def _in_rows(fans: Sequence[_Fan], levels: Sequence[float]) -> Figure:
    """A row a group: pass@k and -log pass@k."""
    groups = [fan.group for fan in fans]
    alone = len(fans) == 1
    unnamed = alone and not groups[0].name  # there is room for words above the panels
    figure = new_figure(2.7 if alone else 0.5 + 1.5 * len(fans))
    grid = figure.subplots(len(fans), 2, sharex=True, sharey="col", squeeze=False)
    for fan, (left, right) in zip(fans, grid, strict=True):
        _draw(left, fan, np.asarray)
        _draw(right, fan, neg_log)
        left.set_ylabel("pass@k")
        right.set_ylabel(NEG_LOG)
        left.set_title(caption(fan.group.name))
        scale_pass(left, groups)
        scale_neg_log(right, groups)
        for axes in (left, right):
            scale_k(axes, groups)
            mark_pilots(axes, [fan.group], said=unnamed)
            if fan is not fans[-1]:
                axes.set_xlabel("")
    _add_legend(figure, groups, levels, pilots=not unnamed)
    return figure


def _apart(fans: Sequence[_Fan], levels: Sequence[float]) -> Figure:
    """A small panel a group: -log pass@k."""
    groups = [fan.group for fan in fans]
    figure, grid = panels(len(fans), 4, 1.25)
    for axes, fan in zip(grid, fans, strict=True):
        _draw(axes, fan, neg_log)
        scale_k(axes, groups)
        scale_neg_log(axes, groups)
        mark_pilots(axes, [fan.group], said=False)
        axes.set_xlabel("")
        axes.set_title(caption(fan.group.name))
    figure.supxlabel("attempts k", fontsize=8)
    figure.supylabel(NEG_LOG, fontsize=8)
    _add_legend(figure, groups, levels, pilots=True)
    return figure


def _add_legend(figure: Figure, groups: Sequence[Group], levels: Sequence[float], *, pilots: bool) -> None:
    handles: list[Any] = []
    if any(group.measured is not None for group in groups):
        handles.append(Line2D([], [], color=INK, label="measured", **DOTS))
    problems = {group.forecast.problems for group in groups}
    whose = f", {problems.pop()} problems" if len(problems) == 1 else ""
    handles.append(Line2D([], [], color=COLOURS[0], label=f"median{whose}"))
    bands = list(zip(levels, _tints(len(levels)), strict=True))
    for level, tint in reversed(bands):
        word = " interval" if level == levels[0] else ""
        handles.append(Patch(color=tint, lw=0, label=f"{100 * level:g}%{word}"))
    ends = {group.pilot_words for group in groups} - {""}
    if pilots and ends:
        label = ends.pop() if len(ends) == 1 else "end of a pilot"
        handles.append(Line2D([], [], color=PALE, lw=0.8, label=label))
    letters = sum(len(handle.get_label()) + HANDLE for handle in handles)
    columns = len(handles) if letters <= ACROSS else -(-len(handles) // 2)
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.1, handlelength=1.5
    )
