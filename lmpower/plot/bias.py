"""What the straight line misses with infinite data: its relative error against the attempts behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from lmpower.plot.paper import COLOURS, INK, log_ticks, panels, paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", (0, (4, 1.8)))


def plot_line_bias(attempts: Sequence[int], bias: Mapping[str, Mapping[str, ArrayLike]]) -> Figure:
    """Relative error of the straight line's slope as an estimate of the tail exponent, signed.

    Args:
        attempts: numbers N, [N]: the line goes through k = 1 to N.
        bias: for each panel by its title, for each curve by its name, slope/exponent - 1 at every N, [N].
            A name looks the same in all panels; every two names share a colour, solid and dashed.

    Raises:
        ValueError: if nothing is given, or a curve has not one value for each N.
    """
    n = np.asarray(attempts, np.float64)
    curves = {panel: {name: np.asarray(b) for name, b in each.items()} for panel, each in bias.items()}
    if not curves or not all(curves.values()):
        raise ValueError("there is no bias to draw: each panel needs at least one curve")
    for panel, each in curves.items():
        for name, values in each.items():
            if values.shape != n.shape:
                raise ValueError(
                    f"{panel}, {name}: a bias for each of {n.size} numbers of attempts is needed; "
                    f"got shape {values.shape}"
                )
    names = dict.fromkeys(name for each in curves.values() for name in each)
    looks = {name: _look(number) for number, name in enumerate(names)}
    with paper_style():
        figure, grid = panels(len(curves), len(curves), 2.6)
        for axes, (panel, each) in zip(grid, curves.items(), strict=True):
            axes.set_title(panel)
            axes.axhline(0, color=INK, lw=0.6, zorder=1)
            for name, values in each.items():
                axes.plot(n, values, lw=1.4, **looks[name])
            axes.set_xscale("log")
            axes.set_xlim(n.min(), n.max())
            log_ticks(axes.xaxis, n.min(), n.max())
        grid[0].yaxis.set_major_formatter(FuncFormatter(_per_cent))
        figure.supxlabel("attempts N on each problem; the line goes through k = 1 to N", fontsize=8)
        figure.supylabel("error of the line's exponent, infinite data", fontsize=8)
        handles = [Line2D([], [], lw=1.4, label=name, **look) for name, look in looks.items()]
        figure.legend(handles=handles, loc="outside right center", handlelength=2.6, labelspacing=0.8)
    return figure


def _look(number: int) -> dict[str, Any]:
    """A colour for every two curves, solid and dashed."""
    return {"color": COLOURS[number // 2 % len(COLOURS)], "ls": STYLES[number % 2]}


def _per_cent(value: float, _: Any = None) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+.0%}".replace("-", "\N{MINUS SIGN}")
