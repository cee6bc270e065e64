"""Why a law's left tail decides: the same laws as densities of p, and as -log pass@k.

Per decade of p, a density that goes as p^b towards 0 is a straight line of slope b on log-log paper; its
-log pass@k is one of slope -b (Schaeffer et al. 2025, theorem 3.1). A law that ends above 0
has no power law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lmpower.difficulty import Difficulty, Discrete
from lmpower.difficulty.base import over_batch
from lmpower.plot.paper import COLOURS, Numbers, caption, log_ticks, new_figure, paper_style, spread
from lmpower.scaling import log_neg_log_pass

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEP = 0.02  # decades between points of a density
DENSITIES = (2e-3, 8.0)  # shown, per decade
LOSSES = (1e-3, 12.0)  # -log pass@k shown


def plot_tails(laws: Mapping[str, Difficulty], *, least_p: float = 1e-7, largest_k: float = 1e7) -> Figure:
    """Densities of the laws on log axes, beside -log pass@k of each, labelled with its tail exponent.

    Args:
        laws: up to six, by name. Points (``Discrete``) stand as arrows with their weight on top.
        least_p: the left end of the densities.
        largest_k: the right end of the curves.

    Raises:
        ValueError: for no laws or more than six, or ends that leave nothing to draw.
    """
    if not 1 <= len(laws) <= len(COLOURS):
        raise ValueError(f"a picture of tails takes 1 to {len(COLOURS)} laws, not {len(laws)}")
    if not 0 < least_p < 1 or not largest_k > 1:
        raise ValueError(
            f"least_p must lie in (0, 1) and largest_k be above 1; got {least_p} and {largest_k}"
        )
    with paper_style():
        figure = new_figure(2.9)
        left, right = figure.subplots(1, 2)
        for colour, law in zip(COLOURS, laws.values(), strict=False):
            _draw_density(left, law, colour, least_p)
            ks = np.geomspace(1, largest_k, 281)
            right.plot(ks, np.maximum(_loss(law, ks), 1e-300), color=colour)
        for axes, ends, heights in (
            (left, (least_p, 1.0), DENSITIES),
            (right, (1.0, largest_k), LOSSES),
        ):
            axes.set(xscale="log", yscale="log", xlim=ends, ylim=heights)
            log_ticks(axes.xaxis, *ends)
            log_ticks(axes.yaxis, *heights)
        left.set_title(r"towards 0 as $p^{\,b}$")
        right.set_title(r"far out as $k^{-b}$: $b$ is the tail exponent")
        left.set_xlabel("p, chance that one attempt solves the problem")
        left.set_ylabel("density of problems per decade of p")
        right.set_xlabel("attempts k")
        right.set_ylabel("\N{MINUS SIGN}log pass@k")
        _name(right, laws)
    return figure


def _loss(law: Difficulty, ks: Numbers) -> Numbers:
    """-log pass@k, 0 where pass@k is 1 to the last digit of its complement too."""
    return np.asarray(np.exp(over_batch(log_neg_log_pass, law, ks)))


def _draw_density(axes: Axes, law: Difficulty, colour: str, least_p: float) -> None:
    if isinstance(law, Discrete):
        for p, weight in zip(np.atleast_1d(law.p), np.atleast_1d(law.weights), strict=True):
            axes.plot([p, p], [DENSITIES[0], weight], color=colour)
            axes.plot(p, weight, color=colour, marker="^", ms=4)
        return
    ends = 10.0 ** np.append(np.arange(np.log10(least_p), 0, STEP), 0)
    density = np.diff(over_batch(_cdf, law, ends)) / np.diff(np.log10(ends))
    axes.plot(np.sqrt(ends[1:] * ends[:-1]), np.maximum(density, 1e-300), color=colour)


def _cdf(law: Difficulty, p: Array) -> Array:
    return jnp.exp(law.log_cdf(p))


def _name(axes: Axes, laws: Mapping[str, Difficulty]) -> None:
    """Names and exponents at the right, in the order in which the curves end."""
    largest_k, (low, high) = axes.get_xlim()[1], np.log(axes.get_ylim())
    wanted = []
    for law in laws.values():
        end = np.log(max(float(_loss(law, np.array([largest_k]))[0]), 1e-300))
        wanted.append((end - low) / (high - low))
    places = spread(wanted, 0.16, 0.05, 0.95)
    for colour, (name, law), place in zip(COLOURS, laws.items(), places, strict=False):
        exponent = float(law.tail().exponent)
        said = f"tail exponent {exponent:.3g}" if np.isfinite(exponent) else "no power law"
        axes.text(
            1.03, place, f"{caption(name)}\n{said}", color=colour, va="center", transform=axes.transAxes
        )
