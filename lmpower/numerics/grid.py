"""One set of places p on which a difficulty is a finite sum, for all rows of counts at once.

    E_F[p^s (1-p)^f] = sum_j w_j p_j^s (1-p_j)^f

A grid is data, not structure: one compiled program serves grids of any length, block by block.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int

from lmpower.numerics.integrals import gregory_correction
from lmpower.numerics.lengths import grown

# How fine a grid is. A batch climbs in float32 on a coarse one (1e-5 a problem), which is twice as fast,
# and ends in float64 on a fine one (1e-10); the finest is for those whom that does not do. And how much
# finer one is that checks another.
COARSE, FINE, FINEST, CHECK = 0.75, 1.5, 6.0, 1.5
# A grid has a multiple of so many nodes, so that blocks of nodes are full.
MULTIPLE = 64
# Mass above a grid's last node lies at that node and this much further out in log-odds: far enough that
# between the two every mean is found, near enough that 1/(1-p)^2 keeps its digits.
BEYOND = 6.0
# Node spacings: relative error exp(-pi^2/h0) and exp(-2 pi^2/h1^2), below 5e-6 at refinement 1 and 1e-10
# at refinement 1.5, also at the corner of a reach (tested).
_H0, _H1 = 0.6, 1.1
# Gauss-Legendre nodes of one panel of a span.
_PANEL = 32
_NO_WEIGHT = -1e30
_MOST_NODES = 1 << 21


class Reach(NamedTuple):
    """The most successes and the most failures of any kernel p^s (1-p)^f that a grid must resolve."""

    successes: int
    failures: int

    @classmethod
    def holding(cls, successes: float, failures: float) -> Self:
        """The next of 100, 1000, 10^4, ... failures, and of the same or of 100, 10^4, 10^6, ... successes.

        The number of nodes grows with the root of the lesser of the two, so few successes among very many
        attempts are worth a grid of their own.
        """
        return cls._of_powers(int(_power_above(100, successes)), int(_power_above(10, failures)))

    @classmethod
    def of_each(
        cls, successes: Float[np.ndarray, " B"], failures: Float[np.ndarray, " B"]
    ) -> dict[Self, Int[np.ndarray, " C"]]:
        """Every reach that one of B kernels needs, with those that need it."""
        powers = 1024 * _power_above(100, successes) + _power_above(10, failures)
        kinds, kind = np.unique(powers, return_inverse=True)
        reaches = [cls._of_powers(*divmod(each, 1024)) for each in kinds.tolist()]
        numbers = {reach: number for number, reach in enumerate(dict.fromkeys(reaches))}
        needed = np.array([numbers[reach] for reach in reaches])[kind]
        return {reach: np.flatnonzero(needed == number) for reach, number in numbers.items()}

    @classmethod
    def _of_powers(cls, hundreds: int, tens: int) -> Self:
        most_s, most_f = 100**hundreds, 10 ** max(tens, 2)
        return cls(most_f if most_s < most_f <= 1000 else most_s, most_f)


def _power_above(base: int, count: Any) -> Any:
    """The least of 1, 2, ... to which ``base`` is not below ``count``; of each."""
    power = np.ceil(np.log(np.maximum(count, 1)) / math.log(base) - 1e-9)
    return np.maximum(power, 1).astype(int)


class Nodes(NamedTuple):
    """Places x in (0, 1), equally spaced in a stretched log-odds, or some of them.

    Attributes:
        log_x, log_y: logs of x and of 1-x, [J].
        log_weight: log of the width in log-odds that each stands for, [J].
    """  # NumPy's arrays as they are made, JAX's in a program: hence Any

    log_x: Any
    log_y: Any
    log_weight: Any


class Grid(NamedTuple):
    """All nodes, and what closes a law beyond them.

    Attributes:
        nodes: for laws whose density decays exponentially in logit x.
        ends: log x and log(1-x) of the lowest node, of the highest, and of a place beyond it, [2, 3].
        span: nodes in (0, 1) and the logs of their weights, for laws that end within (0, 1), [2, M];
            none unless asked for.
    """

    nodes: Nodes
    ends: Any
    span: Any


@functools.cache
def shared_grid(reach: Reach, refinement: float = 1.0, span: bool = False) -> Grid:
    """The grid on which every kernel p^s (1-p)^f within ``reach`` is exact; with a span, if asked for.

    A kernel is of width 1 in log-odds where few successes or few failures are expected. Where both
    are many it peaks at s/(s+f) = p, and its curvature there is s (1-p) = f p <= min(S (1-p), F p), at
    most K = 2/(1/(S (1-p)) + 1/(F p)). So the nodes are equally spaced in X,

        dX/dw = sqrt(1/h0^2 + K/h1^2),    p = 1/(1 + e^-w),

    analytic in the strip |Im w| < pi/2, and the trapezoid rule in X keeps its exponential
    convergence. About 80 nodes serve 100 attempts; their number grows as the root of min(S, F).

    Raises:
        ValueError: for more nodes than memory has room for.
    """
    w, log_weight = _log_odds(reach, refinement)
    log_x, log_y = -np.logaddexp(0, -w), -np.logaddexp(0, w)
    ends = np.array([w[0], w[-1], w[-1] + BEYOND])
    grid = Grid(
        Nodes(log_x, log_y, log_weight),
        np.stack([-np.logaddexp(0, -ends), -np.logaddexp(0, ends)]),
        _span(reach, refinement) if span else np.zeros((2, 0)),
    )
    for part in (*grid.nodes, grid.ends, grid.span):
        part.setflags(write=False)  # it is cached, and a constant of compiled programs
    return grid


def _require_room(nodes: int, reach: Reach) -> None:
    if nodes > _MOST_NODES:
        raise ValueError(
            f"up to {reach.successes:.3g} successes and {reach.failures:.3g} failures of a problem would "
            f"take {nodes:.3g} nodes; at most {_MOST_NODES:,} can be had: ask for fewer attempts"
        )


def _log_odds(reach: Reach, refinement: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in log-odds and the logs of their weights."""
    h0, h1 = _H0 / refinement, _H1 / refinement
    most_s, most_f = max(reach.successes, 1), max(reach.failures, 1)
    low, high = -math.log(most_f) - 13.0, math.log(most_s) + 9.0

    def density(w: np.ndarray) -> np.ndarray:
        curvature = 2 / ((1 + np.exp(w)) / most_s + (1 + np.exp(-w)) / most_f)
        return np.sqrt(1 / h0**2 + curvature / h1**2)

    # X on a fine grid by Gauss-Legendre in each cell, exact to rounding; then Newton for the nodes
    x, weight = np.polynomial.legendre.leggauss(10)
    edges = np.linspace(low, high, 512)
    half = 0.5 * (edges[1] - edges[0])
    cells = half * density(edges[:-1, None] + half * (1 + x)) @ weight
    cumulative = np.concatenate([[0.0], np.cumsum(cells)])
    nodes = MULTIPLE * math.ceil((cumulative[-1] + 1) / MULTIPLE)
    _require_room(nodes, reach)
    targets = np.linspace(0.0, cumulative[-1], nodes)
    w = np.interp(targets, cumulative, edges)
    for _ in range(4):
        cell = np.clip(np.searchsorted(edges, w, side="right") - 1, 0, edges.size - 2)
        span = 0.5 * (w - edges[cell])
        inside = span * (density(edges[cell][:, None] + span[:, None] * (1 + x)) @ weight)
        w = w - (cumulative[cell] + inside - targets) / density(w)
    w[0], w[-1] = low, high
    correction = gregory_correction(nodes)
    return w, np.log(targets[1] / density(w) * (1 + correction + correction[::-1]))


def _span(reach: Reach, refinement: float) -> np.ndarray:
    """Gauss-Legendre nodes in (0, 1), panel by panel, enough for the narrowest kernel in log p."""
    wanted = refinement * (64 + 8 * math.sqrt(sum(reach))) / _PANEL
    panels = 2 ** math.ceil(math.log2(wanted))
    _require_room(panels * _PANEL, reach)
    x, weight = np.polynomial.legendre.leggauss(_PANEL)
    share = (np.arange(panels)[:, None] + 0.5 * (1 + x)) / panels
    return np.stack([share.ravel(), np.tile(np.log(0.5 * weight / panels), panels)])


def filled_up(grid: Grid, multiple: int, growth: int = 4) -> Grid:
    """The same grid in arrays of few lengths: ``multiple`` times 1, or ``growth``, or its square, ....

    What is filled in has no weight.
    """
    fill = Nodes(log_x=math.log(0.5), log_y=math.log(0.5), log_weight=_NO_WEIGHT)
    nodes = (_longer(part, value, multiple, growth) for part, value in zip(grid.nodes, fill, strict=True))
    if not grid.span.size:
        return Grid(Nodes(*nodes), grid.ends, grid.span)
    share, log_weight = grid.span
    longer = [_longer(share, 0.5, MULTIPLE, growth), _longer(log_weight, _NO_WEIGHT, MULTIPLE, growth)]
    return Grid(Nodes(*nodes), grid.ends, np.stack(longer))


def _longer(part: np.ndarray, value: float, multiple: int, growth: int) -> np.ndarray:
    length = grown(part.size, multiple, growth)
    return np.pad(part, (0, length - part.size), constant_values=value)
