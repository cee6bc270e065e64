"""What all pictures share: a page's width, small type, and colours told apart by everyone.

6.5 inches is the text width of a letter page, so that 8-point type is printed at 8 points. The
colours are those of Okabe & Ito (2008), in an order in which neighbours also differ in lightness.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from jaxtyping import Float64
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from lmpower.files.whole import write_bytes_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Numbers = Float64[np.ndarray, " N"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GREY, PALE = "#222222", "#666666", "#d9d9d9"
WIDTH = 6.5  # inches
DOTS_PER_INCH = 200
_LONGEST_NAME = 28  # characters

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.5,
    "pdf.fonttype": 42,  # letters stay text that can be searched
    "svg.fonttype": "none",
    "mathtext.default": "regular",
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Matplotlib as it comes, and ours on top, whatever the caller has set."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(height: float) -> Figure:
    """An empty page-wide figure, with a canvas that needs no display."""
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(number: int, columns: int, row_height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels on equal scales, those left over blank."""
    rows = -(-number // columns)
    figure = new_figure(rows * row_height + 0.35)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for axes in grid[number:]:
        axes.set_axis_off()
    for axes in grid[max(number - columns, 0) : number]:
        axes.tick_params(labelbottom=True)  # those with nothing below them
    return figure, grid[:number]


def save_figure(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a picture whole or not at all, in the format of the path's suffix.

    Raises:
        ValueError: if it cannot be written, or the suffix names no format.
    """
    picture = io.BytesIO()
    with paper_style():
        # no date inside: the same figure gives the same file
        suffix = Path(path).suffix.removeprefix(".").lower()
        dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(picture, format=suffix, metadata=dateless.get(suffix))
    write_bytes_atomically(path, picture.getvalue())


def by_group(given: Any) -> dict[str, Any]:
    """A mapping as it is; one object alone under no name."""
    return dict(given) if isinstance(given, Mapping) else {"": given}


def of_group(given: Any, name: str) -> Any:
    """What belongs to one group, or None."""
    return by_group(given).get(name)


def caption(name: str) -> str:
    """A group's name as figures show it: no longer than there is room for, and no formula of its own."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}...{name[-6:]}"
    return short.replace("$", r"\$")


def log_ticks(axis: Axis, low: float, high: float, *, crowded: bool = False) -> None:
    """Powers of ten, or 1, 2, 5 within them where there are few; fewer on a ``crowded`` axis."""
    decades = math.log10(high / low)
    powers = math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
    if powers < 2 if crowded else decades < 2.2:
        subs: Sequence[float] = (1, 3) if crowded else (1, 2, 5) if decades > 0.8 else range(1, 10)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_locator(LogLocator(subs=range(1, 10)))
    else:
        axis.set_major_locator(LogLocator(numticks=4 if crowded else 8))
        axis.set_minor_locator(NullLocator() if decades > 8 else LogLocator(subs=range(1, 10)))
    axis.set_major_formatter(FuncFormatter(_short))
    axis.set_minor_formatter(NullFormatter())


def _short(value: float, _: Any = None) -> str:
    power = round(math.log10(value))
    if -2.5 < math.log10(value) < 2.5:
        return f"{value:.10g}"
    whole = math.isclose(value, 10.0**power)
    return f"$10^{{{power}}}$" if whole else f"{value:g}"


def whole_ks(largest: int, number: int = 120) -> Any:
    """Whole k from 1 to ``largest``, about even in log k, enough of them for a smooth curve."""
    return np.unique(np.rint(np.geomspace(1, largest, number)).astype(np.int64))


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near those wanted, at least ``gap`` apart and, if there is room, within bounds."""
    order = np.argsort(wanted, kind="stable")
    places = np.clip(np.asarray(wanted, dtype=float)[order], low, high)
    for _ in range(200):
        short = gap - np.diff(places)
        if (short <= 1e-6).all():
            break
        push = np.maximum(short, 0) / 2
        places[:-1] -= push
        places[1:] += push
        places += max(low - places[0], 0) - max(places[-1] - high, 0)
    result = np.empty(len(places))
    result[order] = places
    return result.tolist()
