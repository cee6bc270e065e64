"""Posteriors side by side: which is better at k, where two curves cross, what an exponent does along x.

A contrast is a function of one draw of each posterior, taken over pairs of draws. Draws of groups that were
sampled together (``posterior.hierarchy``) are joint: the i-th of one goes with the i-th of the other. All
others are independent, and are paired with their order shifted, because posteriors drawn with the same key
may be alike at the same place.

Curves are compared as log(-log(1 - pass@k)), which rises with pass@k and keeps its digits near 0
and near 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from lmpower.counts import Counts
from lmpower.difficulty.base import Difficulty, Points
from lmpower.forecast import forecast_pass_at_k
from lmpower.grid import Grid, Reach, filled_up, shared_grid
from lmpower.passk import check_ks
from lmpower.posterior.draws import Estimate, Posterior, estimate_of
from lmpower.posterior.hierarchy import checked_covariate
from lmpower.posterior.together import listed
from lmpower.surface import FINE

# Budgets at which two curves are compared before a crossing is narrowed down: two crossings between the
# same two of them are missed.
_LOOKS = 65
# Halvings of the way between two looks, after which log k is known to 1e-9.
_HALVINGS = 30
# Draws at a time, and nodes of the grid or 4, 16, ... times as many, so that few programs are compiled.
_AT_A_TIME, _NODES = 16, 256


@dataclasses.dataclass(frozen=True)
class Better:
    """Who is better at each of K budgets. All nan where a posterior cannot be believed.

    Attributes:
        k: budgets, [K].
        chance: P(pass@k of A > pass@k of B), [K]; ties count half.
        difference: pass@k of A less that of B, medians, [K].
        lower, upper: ends of its interval, [K].
        level: of the interval.
        problems: "same" (those counted) or "new".
        sentence: whether to believe it.
    """

    k: Float[np.ndarray, " K"]
    chance: Float[np.ndarray, " K"]
    difference: Float[np.ndarray, " K"]
    lower: Float[np.ndarray, " K"]
    upper: Float[np.ndarray, " K"]
    level: float
    problems: str
    sentence: str

    def summary(self) -> str:
        """A line for each k."""
        lines = [f"{'k':>10}{'P(A > B)':>11}{'A less B':>11}   {self.level:.0%} interval"]
        for row in self.to_dict()["budgets"]:
            if row["chance"] is None:
                lines.append(f"{row['k']:>10,}{'-':>11}{'-':>11}   -")
                continue
            lines.append(
                f"{row['k']:>10,}{row['chance']:>11.3f}{row['difference']:>11.4f}   "
                f"{row['lower']:.4f} to {row['upper']:.4f}"
            )
        which = {"same": "the same problems", "new": "new problems"}[self.problems]
        return "\n".join([*lines, f"pass@k of {which}; {self.sentence}"])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON: a record for each k."""
        rows = zip(self.k, self.chance, self.difference, self.lower, self.upper, strict=True)
        names = ("chance", "difference", "lower", "upper")
        return {
            "budgets": [
                {"k": int(k), **dict(zip(names, map(_plain, numbers), strict=True))} for k, *numbers in rows
            ],
            "level": self.level,
            "problems": self.problems,
            "status": self.sentence,
        }


@dataclasses.dataclass(frozen=True)
class Crossing:
    """At which k the curves of A and B cross, in S pairs of draws. Nan where one cannot be believed.

    Attributes:
        k: the first crossing, not a whole number; nan in draws without one within the window, [S].
        ahead: whether A is the better at ``k_low``, [S].
        several: whether there are more crossings, [S].
        k_low, k_high: the window.
        level: of the interval.
        ok: whether both posteriors can be believed.
        sentence: the same in words.
    """

    k: Float[np.ndarray, " S"]
    ahead: Bool[np.ndarray, " S"]
    several: Bool[np.ndarray, " S"]
    k_low: float
    k_high: float
    level: float
    ok: bool
    sentence: str

    @property
    def share(self) -> float:
        """Of the draws, how many cross at all within the window."""
        return float(np.mean(~np.isnan(self.k))) if self.ok else math.nan

    @property
    def at(self) -> Estimate:
        """Of the first crossing in those draws that have one: mean of log k as k, median, interval.

        It says nothing of the others: look at ``share`` too.
        """
        crossing = self.k[~np.isnan(self.k)]
        if not self.ok or not crossing.size:
            return Estimate(*np.full(4, np.nan))
        return Estimate(*(np.exp(part) for part in estimate_of(np.log(crossing), True, self.level)))

    @property
    def ahead_before(self) -> float:
        """Of the draws that cross, in how many A is the better before; nan without any."""
        crossing = ~np.isnan(self.k)
        return float(np.mean(self.ahead[crossing])) if self.ok and crossing.any() else math.nan

    @property
    def ahead_throughout(self) -> float:
        """Of all draws, in how many A is the better in the whole window."""
        return float(np.mean(self.ahead & np.isnan(self.k))) if self.ok else math.nan

    def summary(self) -> str:
        """Whether, where and which way the curves cross."""
        if not self.ok:
            return f"crossing: -; {self.sentence}"
        window = f"between k = {self.k_low:,.10g} and {self.k_high:,.10g}"
        behind = 1 - self.share - self.ahead_throughout
        throughout = f"A is ahead throughout in {self.ahead_throughout:.1%}, B in {behind:.1%}"
        if not self.share:
            return f"the curves cross {window} in no draw; {throughout}; {self.sentence}"
        at = self.at
        lines = [
            f"the curves cross {window} in {self.share:.1%} of the draws; {throughout}",
            f"where they cross, A is ahead before in {self.ahead_before:.1%}; "
            f"median k = {float(at.median):,.4g}, {self.level:.0%} interval {float(at.lower):,.4g} to "
            f"{float(at.upper):,.4g}",
        ]
        if self.several.any():
            lines.append(f"{np.mean(self.several):.1%} cross more than once: the first crossing is taken")
        return "\n".join([*lines, self.sentence])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        at = self.at
        return {
            "share": _plain(self.share),
            "median": _plain(at.median),
            "lower": _plain(at.lower),
            "upper": _plain(at.upper),
            "ahead_before": _plain(self.ahead_before),
            "ahead_throughout": _plain(self.ahead_throughout),
            "several": float(np.mean(self.several)) if self.ok else None,
            "k_low": self.k_low,
            "k_high": self.k_high,
            "level": self.level,
            "status": self.sentence,
        }


@dataclasses.dataclass(frozen=True)
class ExponentTrend:
    """How the tail exponent moves along x, in S sets of draws.

    Attributes:
        slope: change of log exponent for each unit of x, [S].
        level: of the interval.
        ok: whether all posteriors can be believed; if not, what is said of the slope is nan.
        sentence: the same in words.
    """

    slope: Float[np.ndarray, " S"]
    level: float
    ok: bool
    sentence: str

    @property
    def at(self) -> Estimate:
        """Mean, median and interval of the slope."""
        return estimate_of(self.slope, self.ok, self.level)

    @property
    def chance_rising(self) -> float:
        """P(slope > 0)."""
        return float(np.mean(self.slope > 0)) if self.ok else math.nan

    def summary(self) -> str:
        """The slope, its interval and whether it rises."""
        if not self.ok:
            return f"slope of log exponent: -; {self.sentence}"
        _, median, lower, upper = map(float, self.at)
        return (
            f"slope of log exponent {median:.4g}, {self.level:.0%} interval {lower:.4g} to {upper:.4g}; "
            f"P(slope > 0) = {self.chance_rising:.3f}; {self.sentence}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        slope = {name: _plain(value) for name, value in self.at._asdict().items()}
        rising = _plain(self.chance_rising)
        return {"slope": slope, "chance_rising": rising, "level": self.level, "status": self.sentence}


def chance_better(
    a: Posterior,
    b: Posterior,
    ks: ArrayLike,
    *,
    counts: tuple[Counts, Counts] | None = None,
    level: float = 0.9,
    key: jax.Array | None = None,
) -> Better:
    """P(pass@k of A > pass@k of B), and the difference, at budgets ``ks``.

    Args:
        a, b: posteriors of one data set each; their draws are joint if both are of one ``Together``.
        ks: whole budgets k >= 1, [K].
        counts: of A and of B, to ask about the very problems counted; the chances of each are then drawn
            given what was seen of it. Else the question is of new problems, or of endlessly many.
        level: of the difference's interval, in (0, 1).
        key: with ``counts``, of the chances drawn; by default always the same.

    Raises:
        ValueError: for batches, a k that is no whole number of at least 1, or a level outside of (0, 1).
    """
    budgets = check_ks(ks).astype(np.float64)
    at_a, at_b = _side_by_side([a, b], ["A", "B"])
    if counts is None:
        heights = _heights(a, budgets)[at_a], _heights(b, budgets)[at_b]
        first, second = (-np.expm1(-np.exp(height)) for height in heights)
        higher = heights[0] - heights[1]
    else:
        keys = jax.random.split(jax.random.key(0) if key is None else key)
        one, other = (
            forecast_pass_at_k(posterior, ks, mine, key=each).draws
            for posterior, mine, each in zip((a, b), counts, keys, strict=True)
        )
        first, second = np.asarray(one)[at_a], np.asarray(other)[at_b]
        higher = first - second
    ok, sentence = _trust([a, b], ["A", "B"])
    chance = np.mean((np.sign(higher) + 1) / 2, axis=0)
    between = estimate_of(first - second, ok, level)
    return Better(
        k=budgets,
        chance=np.where(ok, chance, np.nan),
        difference=between.median,
        lower=between.lower,
        upper=between.upper,
        level=float(level),
        problems="new" if counts is None else "same",
        sentence=sentence,
    )


def crossing(
    a: Posterior, b: Posterior, k_low: float = 1, k_high: float = 1e6, level: float = 0.9
) -> Crossing:
    """The k at which pass@k of A and of B cross, for new problems.

    Every pair of draws is two curves. They are compared at 65 budgets from ``k_low`` to ``k_high``, evenly
    in log k, and the first change of order is narrowed down by bisection. The interval is of those draws
    that cross: ``share`` says how many.

    Args:
        a, b: posteriors of one data set each; their draws are joint if both are of one ``Together``.
        k_low, k_high: the window, at least 1 and rising; k need not be whole.
        level: of the interval, in (0, 1).

    Raises:
        ValueError: for batches, a window that is not 1 <= k_low < k_high, or a level outside of (0, 1).
    """
    if not 1 <= k_low < k_high < math.inf:
        raise ValueError(f"a window must have 1 <= k_low < k_high, not {k_low} to {k_high}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level!r}")
    at_a, at_b = _side_by_side([a, b], ["A", "B"])
    laws = (
        jax.tree.map(lambda leaf: leaf[at_a], a.difficulty),
        jax.tree.map(lambda leaf: leaf[at_b], b.difficulty),
    )
    span = a.difficulty.needs_span or b.difficulty.needs_span
    log_ks = np.linspace(math.log(k_low), math.log(k_high), _LOOKS)
    with jax.enable_x64(True):
        arrays = jax.tree.map(
            lambda leaf: np.asarray(leaf, np.float64), (*laws, _grid_for(k_high, span), log_ks)
        )
        log_k, changes, gap = jax.tree.map(np.asarray, _first_crossings(*arrays))
    ok, sentence = _trust([a, b], ["A", "B"])
    return Crossing(
        k=np.where(ok, np.exp(log_k), np.nan),
        ahead=gap > 0,
        several=changes > 1,
        k_low=float(k_low),
        k_high=float(k_high),
        level=float(level),
        ok=ok,
        sentence=sentence,
    )


def exponent_trend(
    posteriors: Mapping[str, Posterior], x: Mapping[str, float], level: float = 0.9
) -> ExponentTrend:
    """The least-squares slope of log tail exponent on x, over posteriors of at least two groups.

    It is the slope of these very groups: its interval holds how well their exponents are known, and not how
    they scatter around the line. For what another group would show, and for groups with few problems, take
    ``sample_together(..., covariate=x)``, where the scatter is estimated and widens the interval, and where
    exponents that are hardly known count for less.

    Args:
        posteriors: of one data set each, by the names of the groups; draws of one ``Together`` are joint.
        x: a number for each group, such as the log of a model's size.
        level: of the interval, in (0, 1).

    Raises:
        ValueError: for fewer than two groups, an x that lacks a group or is the same for all, batches,
            families without a tail exponent, or a level outside of (0, 1).
    """
    names = tuple(posteriors)
    if len(names) < 2:
        raise ValueError(f"a trend takes at least two groups; got {listed(names) or 'none'}")
    at = checked_covariate(x, names)
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level!r}")
    every = [posteriors[name] for name in names]
    places = _side_by_side(every, names)
    exponent = [one.tail_exponent[place] for one, place in zip(every, places, strict=True)]
    for name, draws in zip(names, exponent, strict=True):
        if np.all(np.isnan(draws)):
            raise ValueError(f"the family of {name!r} has no tail exponent: take one with a power law")
    off = at - np.mean(at)
    slope = off @ np.log(np.stack(exponent)) / np.sum(off**2)
    ok, sentence = _trust(every, names)
    return ExponentTrend(slope, float(level), ok, sentence)


def _side_by_side(posteriors: Sequence[Posterior], names: Sequence[str]) -> list[np.ndarray]:
    """Of each posterior, which of its draws make one set with the others', [S] each."""
    for name, one in zip(names, posteriors, strict=True):
        if one.log_likelihood.ndim != 1:
            raise ValueError(
                f"{name!r} must be the posterior of one data set, not a batch: take posterior[i]"
            )
    fewest = min(len(one.log_likelihood) for one in posteriors)
    marks: dict[str | int, int] = {}
    place = [marks.setdefault(one.joint or i, len(marks)) for i, one in enumerate(posteriors)]
    return [
        (np.arange(fewest) + j * fewest // len(marks)) % fewest * len(one.log_likelihood) // fewest
        for j, one in zip(place, posteriors, strict=True)
    ]


def _trust(posteriors: Sequence[Posterior], names: Sequence[str]) -> tuple[bool, str]:
    """Whether all can be believed, and what is to be said of those that cannot, or not in all."""
    said = [
        f"{name}: {one.sentence}" for name, one in zip(names, posteriors, strict=True) if int(one.trust)
    ]
    return all(bool(one.ok) for one in posteriors), "; ".join(said) or "all posteriors have mixed"


def _plain(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


# --- curves ----------------------------------------------------------------------------------------


def _grid_for(most: float, span: bool) -> Grid:
    return filled_up(shared_grid(Reach.holding(0, most), FINE, span), _NODES)


def _heights(posterior: Posterior, ks: np.ndarray) -> Float[np.ndarray, "S K"]:
    """log(-log(1 - pass@k)) of every draw."""
    law = posterior.difficulty
    with jax.enable_x64(True):
        grid = _grid_for(float(np.max(ks)), law.needs_span)
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (law, grid, ks))
        return np.asarray(_curves(*arrays))


@jax.jit
def _curves(laws: Difficulty, grid: Grid, ks: Float[Array, " K"]) -> Float[Array, "S K"]:
    return jax.lax.map(lambda law: _height(law.points(grid), ks), laws, batch_size=_AT_A_TIME)


def _height(points: Points, ks: Float[Array, " K"]) -> Float[Array, " K"]:
    """log(-log(1 - pass@k)), from whichever of pass@k and 1 - pass@k is the smaller."""
    log_weight = points.log_weight - jax.nn.logsumexp(points.log_weight)
    log_missed = ks[:, None] * points.log_q
    hit = -jnp.expm1(log_missed) @ jnp.exp(log_weight)
    small = hit < 0.5
    log_miss = jnp.where(
        small, jnp.log1p(-jnp.where(small, hit, 0.25)), jax.nn.logsumexp(log_missed + log_weight, axis=-1)
    )
    return jnp.log(-log_miss)


@jax.jit
def _first_crossings(
    one: Difficulty, other: Difficulty, grid: Grid, log_ks: Float[Array, " M"]
) -> tuple[Array, Array, Array]:
    """Of S pairs: log k of the first crossing or nan, how many there are, and the gap at the first k."""

    def pair(laws: tuple[Difficulty, Difficulty]) -> tuple[Array, Array, Array]:
        clouds = [law.points(grid) for law in laws]

        def gap(log_k: Array) -> Array:
            first, second = (_height(points, jnp.exp(log_k)) for points in clouds)
            return first - second

        looks = gap(log_ks)
        changes = looks[:-1] * looks[1:] < 0
        at = jnp.argmax(changes)

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (ends[0] + ends[1])
            before = gap(middle[None])[0] * looks[at] > 0
            return jnp.where(before, middle, ends[0]), jnp.where(before, ends[1], middle)

        low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (log_ks[at], log_ks[at + 1]))
        found = jnp.where(jnp.any(changes), 0.5 * (low + high), jnp.nan)
        return found, jnp.sum(changes), looks[0]

    return jax.lax.map(pair, (one, other), batch_size=_AT_A_TIME)
