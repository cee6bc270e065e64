"""The tail exponent of each group, as its counts leave it: a row a group, on one log axis."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from lmpower.plot.draws import SHOWN, density_of, ends_of, in_words, single
from lmpower.plot.paper import (
    COLOURS,
    GREY,
    INK,
    PALE,
    Numbers,
    by_group,
    caption,
    log_ticks,
    new_figure,
    paper_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lmpower.posterior import Posterior

# inches: a group's row, a line of the sentence below it, and what is above and below all rows
ROW, LINE, AROUND = 0.36, 0.125, 0.72
ACROSS = 76  # letters in a line of a sentence
HEIGHT = 0.72  # of a density, in rows
NO_TAIL = "no power-law tail"
TRUTH: dict[str, Any] = {"ls": "", "marker": "|", "ms": 9, "mew": 1.5, "color": COLOURS[1], "zorder": 7}


def plot_exponents(
    posteriors: Posterior | Mapping[str, Posterior],
    *,
    level: float = 0.9,
    truth: float | Mapping[str, float] | None = None,
) -> Figure:
    """The tail exponent of each group: density of the draws, their median and interval.

    Densities are of the log exponent, each scaled to the height of its row.

    Args:
        posteriors: of one data set, or of several by name.
        level: of the intervals.
        truth: exponents to compare with, likewise: ticks.

    Raises:
        ValueError: for a batch, no posterior, a level outside of (0, 1), or a truth that is no exponent
            or of no group.
    """
    groups = {name: single(each) for name, each in by_group(posteriors).items()}
    if not groups:
        raise ValueError("there is no posterior to draw")
    truths = {} if truth is None else by_group(truth)
    for name, value in truths.items():
        if name not in groups:
            raise ValueError(f"the truth of {name!r} has no posterior: there are {', '.join(groups)}")
        if not 0 < value < np.inf:
            raise ValueError(f"a tail exponent is above 0 and finite; the truth of {name!r} is {value!r}")
    draws = {name: each.tail_exponent for name, each in groups.items()}
    notes = [textwrap.wrap(each.sentence, ACROSS) if each.trust else [] for each in groups.values()]
    below = np.array([len(lines) * LINE / ROW for lines in notes])
    lines = below - np.cumsum(1 + below)  # each group's, its sentence below
    with paper_style():
        figure = new_figure(ROW * (len(groups) + below.sum()) + AROUND)
        axes = figure.subplots()
        _dress(axes, list(groups), lines, lines[-1] - below[-1] - 0.45)
        _scale(axes, groups, draws, truths)
        aside: dict[str, Any] = {"transform": axes.get_yaxis_transform()}
        for y, note, (name, each) in zip(lines, notes, groups.items(), strict=True):
            said = _draw(axes, y, each, draws[name], level)
            axes.text(1.03, y, said, color=INK if "[" in said else GREY, va="center", **aside)
            small: dict[str, Any] = {"fontsize": 6.5, "va": "top", "linespacing": 1.15}
            axes.text(0, y - 0.2, "\n".join(note), color=GREY, **small, **aside)
            axes.plot(truths.get(name, np.nan), y, **TRUTH)
        if axes.xaxis.get_visible():
            header = f"median [{100 * level:g}% interval]"
            axes.text(1.03, 0, header, color=GREY, fontsize=7, **aside)
        if truths:
            handles = [Line2D([], [], label="truth", **TRUTH)]
            tight: dict[str, Any] = {"borderaxespad": 0, "borderpad": 0, "handlelength": 1}
            axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), **tight)
    return figure


def _dress(axes: Axes, names: list[str], lines: Numbers, bottom: float) -> None:
    axes.set(xscale="log", xlabel="tail exponent", ylim=(bottom, 0))
    axes.spines.left.set_visible(False)
    axes.set_yticks(lines, [caption(name) for name in names])
    axes.tick_params(axis="y", length=0, pad=6, labelsize=8)
    for y in lines:
        axes.axhline(y, color=PALE, lw=0.6, zorder=0)


def _scale(
    axes: Axes, groups: Mapping[str, Posterior], draws: Mapping[str, Numbers], truths: Mapping[str, float]
) -> None:
    """Wide enough for the draws that can be believed, or for all if none can, and for the truths."""
    known = {name: each for name, each in draws.items() if np.isfinite(each).all()}
    believed = [each for name, each in known.items() if groups[name].ok] or list(known.values())
    shown = [*np.ravel([np.quantile(each, SHOWN) for each in believed]), *truths.values()]
    if not shown:
        axes.xaxis.set_visible(False)
        axes.spines.bottom.set_visible(False)
        return
    low, high = ends_of(shown, log=True)
    axes.set_xlim(low, high)
    log_ticks(axes.xaxis, low, high)


def _draw(axes: Axes, y: float, posterior: Posterior, draws: Numbers, level: float) -> str:
    """Density over the group's line, interval and median on it; returns what is to be said of them."""
    estimate = posterior.estimate(draws, level)
    if not np.isfinite(draws).all():
        return NO_TAIL
    believed = bool(posterior.ok)
    colour = COLOURS[0] if believed else GREY
    at, density = density_of(np.log(draws))
    top = y + HEIGHT * density / density.max()
    axes.fill_between(np.exp(at), y, top, color=colour, alpha=0.25 if believed else 0.12, lw=0)
    axes.plot(np.exp(at), top, color=colour, lw=0.9, alpha=1 if believed else 0.6)
    if not believed:
        return "no interval"
    axes.plot([estimate.lower, estimate.upper], [y, y], color=colour, lw=2.4, solid_capstyle="butt")
    axes.plot(estimate.median, y, marker="o", ms=4.6, mfc="white", mec=colour, mew=1.3, zorder=6)
    return in_words(estimate)
