"""One posterior's parameters and tail exponent, each alone and all in pairs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from lmpower.plot.draws import SHOWN, density_of, ends_of, in_words, regions_of, single, spreads
from lmpower.plot.paper import COLOURS, GREY, INK, Numbers, log_ticks, new_figure, paper_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lmpower.difficulty import Difficulty
    from lmpower.posterior import Posterior

DECADE = 10.0  # a positive parameter that spreads over more has a log axis
INNER = 0.5  # of the draws are inside the inner contour
PAGE, SIDES = 6.0, (0.95, 1.7)  # inches: all panels together, and each, at least and at most
ACROSS = 46  # letters in a line of a sentence
LETTERS = {"alpha": "α", "beta": "β", "pi0": "π₀", "lam": "λ", "weights": "weight"}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
TRUTH: dict[str, Any] = {"color": COLOURS[1], "lw": 1.0, "zorder": 5}
POINTS: dict[str, Any] = {"ls": "", "marker": ".", "ms": 2.6, "mew": 0}


class _Quantity(NamedTuple):
    """A parameter or the tail exponent: draws, and the truth or nan."""

    label: str
    draws: Numbers
    truth: float

    @property
    def log(self) -> bool:
        low, high = np.quantile(self.draws, SHOWN)
        return bool(self.draws.min() > 0 and high > DECADE * low)

    @property
    def ends(self) -> tuple[float, float]:
        truth = [self.truth] if np.isfinite(self.truth) and (self.truth > 0 or not self.log) else []
        return ends_of([*np.quantile(self.draws, SHOWN), *truth], log=self.log)

    def flat(self) -> Numbers:
        """The draws as the axis spaces them."""
        return np.log(self.draws) if self.log else self.draws

    def back(self, at: Numbers) -> Numbers:
        return np.exp(at) if self.log else at


def plot_pairs(posterior: Posterior, *, level: float = 0.9, truth: Difficulty | None = None) -> Figure:
    """Densities of one posterior's parameters and tail exponent on the diagonal, their pairs below it.

    Contours hold half of the draws, and a share ``level`` of them. What is positive and spreads over more
    than a decade has a log axis.

    Args:
        posterior: of one data set.
        level: of the intervals and the outer contours.
        truth: a law to compare with; if it is of another family, in its tail exponent only.

    Raises:
        ValueError: for a batch, a level outside of (0, 1), or a truth with nothing to compare.
    """
    quantities = _quantities(single(posterior), truth)
    number = len(quantities)
    colour = COLOURS[0] if posterior.ok else GREY
    side = min(max(PAGE / number, SIDES[0]), SIDES[1])
    with paper_style():
        figure = new_figure(side * number + 0.5)
        figure.set_figwidth(max(figure.get_figwidth(), side * number + 0.5))
        grid = figure.subplots(number, number, squeeze=False)
        contours = False
        for row, down in enumerate(quantities):
            for column, across in enumerate(quantities):
                axes = grid[row, column]
                if column > row:
                    axes.set_axis_off()
                    continue
                if column == row:
                    _draw_density(axes, down, posterior, level, colour)
                else:
                    contours |= _draw_pair(axes, across, down, level, colour)
                    _scale(axes, "y", down, number)
                    axes.tick_params(axis="y", which="both", labelleft=column == 0)
                    axes.set_ylabel(down.label if column == 0 else "")
                _scale(axes, "x", across, number)
                axes.tick_params(axis="x", which="both", labelbottom=row == number - 1)
                axes.set_xlabel(across.label if row == number - 1 else "")
        figure.align_labels()
        handles = _legend(posterior, level, colour, number, contours)
        if truth is not None:
            handles.append(Line2D([], [], label="truth", **TRUTH))
        _explain(figure, posterior, handles, number)
    return figure


def _quantities(posterior: Posterior, truth: Difficulty | None) -> list[_Quantity]:
    """Parameters under their letters, and the tail exponent unless one of them is it or none is told."""
    drawn, exponent = posterior.parameters(), posterior.tail_exponent
    true = {} if truth is None else _numbered(truth)
    structure: Any = jax.tree.structure
    same = truth is not None and structure(truth) == structure(posterior.difficulty)
    true_exponent = np.nan if truth is None else float(truth.tail().exponent)
    found, told = [], False
    for name, draws in drawn.items():
        is_exponent = np.array_equal(draws, exponent)
        value = true[name] if same else true_exponent if is_exponent else np.nan
        label = f"{_letter(name)}, tail exponent" if is_exponent else _letter(name)
        found.append(_Quantity(label, draws, value))
        told = told or is_exponent
    if not told and np.isfinite(exponent).all() and spreads(exponent):
        found.append(_Quantity("tail exponent", exponent, true_exponent))
    if truth is not None and np.isnan([each.truth for each in found]).all():
        raise ValueError(
            "a truth of another family is compared by its tail exponent, and not both "
            f"{type(truth).__name__} and {type(posterior.difficulty).__name__} have one that varies"
        )
    return found


def _numbered(law: Difficulty) -> dict[str, float]:
    """A single law's parameters, named as `Posterior.parameters` names draws of them."""
    found: dict[str, float] = {}
    for name, value in law.parameters().items():
        if np.ndim(value) == 0:
            found[name] = float(value)
        else:
            found |= {f"{name}_{j}": float(part) for j, part in enumerate(np.asarray(value))}
    return found


def _letter(name: str) -> str:
    """ "alpha" as α, "p_0" as p₀."""
    head, _, number = name.rpartition("_")
    if not number.isdigit():
        return LETTERS.get(name, name)
    return LETTERS.get(head, head) + number.translate(SUBSCRIPTS)


def _draw_density(axes: Axes, what: _Quantity, posterior: Posterior, level: float, colour: str) -> None:
    """Density, interval and median; above, what it is and their values."""
    estimate = posterior.estimate(what.draws, level)
    at, density = density_of(what.flat())
    axes.plot(what.back(at), density, color=colour, lw=1.1)
    axes.fill_between(what.back(at), density, color=colour, alpha=0.12, lw=0)
    said = "no interval"
    if posterior.ok:
        low, middle, high = (float(x) for x in (estimate.lower, estimate.median, estimate.upper))
        inside = (what.back(at) >= low) & (what.back(at) <= high)
        axes.fill_between(what.back(at), density, where=inside, color=colour, alpha=0.22, lw=0)
        middle_at = np.log(middle) if what.log else middle
        axes.vlines(middle, 0, np.interp(middle_at, at, density), color=colour, lw=1.1)
        said = in_words(estimate)
    axes.axvline(what.truth, **TRUTH)
    axes.set_title(f"{what.label}\n{said}", fontsize=7.5, loc="center", linespacing=1.3)
    axes.set_ylim(0, 1.08 * density.max())
    axes.set_yticks([])
    axes.spines.left.set_visible(False)


def _draw_pair(axes: Axes, across: _Quantity, down: _Quantity, level: float, colour: str) -> bool:
    """Draws and truth; returns whether there are contours too."""
    axes.plot(across.draws, down.draws, color=colour, alpha=0.3, rasterized=True, **POINTS)
    axes.axvline(across.truth, **TRUTH)
    axes.axhline(down.truth, **TRUTH)
    regions = regions_of(across.flat(), down.flat(), (INNER, level))
    if regions is None:
        return False
    x, y = across.back(regions.x), down.back(regions.y)
    axes.contour(x, y, regions.density, levels=np.unique(regions.levels), colors=INK, linewidths=0.7)
    return True


def _scale(axes: Axes, side: str, what: _Quantity, number: int) -> None:
    axes.set(**{f"{side}scale": "log" if what.log else "linear", f"{side}lim": what.ends})
    axis = axes.xaxis if side == "x" else axes.yaxis
    if what.log:
        log_ticks(axis, *what.ends, crowded=True)
    else:
        axis.set_major_locator(MaxNLocator(max(8 - number, 3), steps=[1, 2, 5, 10]))


def _legend(posterior: Posterior, level: float, colour: str, number: int, contours: bool) -> list[Any]:
    handles: list[Any] = []
    if posterior.ok:
        handles.append(Patch(color=colour, alpha=0.34, lw=0, label=f"{100 * level:g}% interval, median"))
    if number > 1:
        handles.append(Line2D([], [], color=colour, alpha=0.6, label="draws", **POINTS | {"ms": 5}))
    if contours:
        shares = f"{100 * INNER:g}% and {100 * level:g}% of the draws"
        handles.append(Line2D([], [], color=INK, lw=0.7, label=shares))
    return handles


def _explain(figure: Figure, posterior: Posterior, handles: list[Any], number: int) -> None:
    """What lines and points mean, in the empty corner; above a panel that is alone."""
    alone = number == 1
    title = "\n".join(textwrap.wrap(posterior.sentence, 2 * ACROSS if alone else ACROSS))
    figure.legend(
        handles=handles,
        loc="outside upper left" if alone else "upper right",
        ncols=max(len(handles), 1) if alone else 1,
        title=title if posterior.trust else None,
        title_fontsize=7.5,
        alignment="left",
    )
