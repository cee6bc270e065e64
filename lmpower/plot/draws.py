"""What pictures of draws share: smooth densities, regions that hold a share of them, ends, and words.

A posterior that cannot be believed is drawn in grey, with the sentence that says why, and without an
interval: its draws show what went wrong, and nothing else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmpower.plot.paper import Numbers

if TYPE_CHECKING:
    from lmpower.posterior import Posterior

MOST = 2000  # draws behind a curve, MOST_PAIRS behind a region: evenly taken, where there are more
MOST_PAIRS = 800
SMOOTHER = 1.25  # than Scott's rule: outer contours lie where draws are few
PLACES, GRID = 241, 60
HARDLY = 1e-9  # a spread that small beside the values is none
SHOWN = np.array([0.002, 0.998])  # quantiles that must be in the picture
LEAST = 1e-3  # of an interval's end: below, it is written with a power of ten
MARGIN = 0.06  # of an axis' length


class Regions(NamedTuple):
    """Places along both axes, the density over them [y, x], and its levels, the lowest first."""

    x: Numbers
    y: Numbers
    density: Any
    levels: Numbers


def single(posterior: Posterior) -> Posterior:
    """A posterior as it is.

    Raises:
        ValueError: for a batch.
    """
    if posterior.log_likelihood.ndim != 1:
        raise ValueError("a picture takes the posterior of one data set, not a batch: take posterior[i]")
    return posterior


def spreads(x: Any) -> bool:
    """Whether values differ at all."""
    return bool(np.ptp(x) > HARDLY * np.max(np.abs(x)))


def density_of(x: Numbers) -> tuple[Numbers, Numbers]:
    """Places and a Gaussian kernel density there; a spike of height 1 where all draws are the same.

    The width is Silverman's (1986, equation 3.31). Draws are mirrored at the lowest and the highest, so
    that nothing leaks over the edge that some parameters have.
    """
    x = x[:: -(-len(x) // MOST)]
    low, high = x.min(), x.max()
    if not spreads(x):
        return np.full(2, low), np.array([0.0, 1.0])
    quarters = np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.34
    width = 0.9 * (min(np.std(x), quarters) or np.std(x)) * len(x) ** -0.2
    at = np.linspace(low, high, PLACES)
    mirrored = np.concatenate([x, 2 * low - x, 2 * high - x])
    kernels = np.exp(-0.5 * ((at[:, None] - mirrored) / width) ** 2)
    return at, kernels.sum(axis=1) / (len(x) * width * np.sqrt(2 * np.pi))


def regions_of(x: Numbers, y: Numbers, shares: Any) -> Regions | None:
    """Where contours go that hold these shares of the draws; None where the draws lie on a line.

    Kernels have the draws' own covariance, narrowed by Scott's rule, and end with the draws.
    """
    step = -(-len(x) // MOST_PAIRS)
    draws = np.stack([x[::step], y[::step]])
    covariance = np.cov(draws)
    if not np.linalg.det(covariance) > HARDLY * np.prod(np.diag(covariance)):
        return None
    width = SMOOTHER * draws.shape[1] ** (-1 / 6)
    root = np.linalg.cholesky(np.linalg.inv(covariance * width**2)).T

    def density(points: Any) -> Any:
        a, b = root @ points, root @ draws
        return np.mean(np.exp(-0.5 * ((a[:, :, None] - b[:, None]) ** 2).sum(axis=0)), axis=1)

    along = np.linspace(draws.min(axis=1), draws.max(axis=1), GRID, axis=-1)
    over = np.stack(np.meshgrid(*along)).reshape(2, -1)
    levels = np.quantile(density(draws), 1 - np.sort(np.asarray(shares))[::-1])
    heights = density(over).reshape(GRID, GRID)
    heights[[0, -1]] = heights[:, [0, -1]] = 0  # contours close there
    return Regions(along[0], along[1], heights, levels)


def ends_of(values: Any, *, log: bool) -> tuple[float, float]:
    """Ends of an axis that holds the values with a margin, and is never of no length."""
    x = np.log(values) if log else np.asarray(values)
    low, high = float(np.min(x)), float(np.max(x))
    if spreads([low, high]):
        margin = MARGIN * (high - low)
    else:
        margin = 0.5 if log else 0.1 * abs(high) or 0.1
    ends = np.array([low - margin, high + margin])
    low, high = (np.exp(ends) if log else ends).tolist()
    return low, high


def in_words(estimate: Any) -> str:
    """Median and interval, such as "0.26 [0.20, 0.33]": two decimals, fewer of large numbers.

    More where the interval would be shorter than four units of the last one.
    """
    low, high = float(estimate.lower), float(estimate.upper)
    digits = 2 - math.floor(math.log10(max(high, 1)))
    if high > low:
        digits = max(digits, math.ceil(math.log10(4 / (high - low))))
    kind = f",.{max(digits, 0)}f" if high >= LEAST else ".2g"
    middle, lower, upper = (format(float(x), kind) for x in (estimate.median, low, high))
    return f"{middle} [{lower}, {upper}]"
