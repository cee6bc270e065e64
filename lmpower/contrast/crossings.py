"""Where two curves of pass@k cross."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from lmpower.contrast.curves import AT_A_TIME, height
from lmpower.contrast.pairs import paired, trust_in_all
from lmpower.difficulty.base import Difficulty
from lmpower.forecast.chances import grid_holding
from lmpower.numerics.grid import Grid
from lmpower.posterior.draws import Posterior
from lmpower.posterior.estimate import Estimate, estimate_of, number_or_none, percent

# Budgets at which two curves are compared before a crossing is narrowed down: two crossings between the
# same two of them are missed.
_LOOKS = 65
# Halvings of the way between two looks, after which log k is known to 1e-9.
_HALVINGS = 30


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
            f"median k = {float(at.median):,.4g}, {percent(self.level)} interval {float(at.lower):,.4g} to "
            f"{float(at.upper):,.4g}",
        ]
        if self.several.any():
            lines.append(f"{np.mean(self.several):.1%} cross more than once: the first crossing is taken")
        return "\n".join([*lines, self.sentence])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        at = self.at
        return {
            "share": number_or_none(self.share),
            "median": number_or_none(at.median),
            "lower": number_or_none(at.lower),
            "upper": number_or_none(at.upper),
            "ahead_before": number_or_none(self.ahead_before),
            "ahead_throughout": number_or_none(self.ahead_throughout),
            "several": float(np.mean(self.several)) if self.ok else None,
            "k_low": self.k_low,
            "k_high": self.k_high,
            "level": self.level,
            "status": self.sentence,
        }


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
    at_a, at_b = paired([a, b], ["A", "B"])
    laws = (
        jax.tree.map(lambda leaf: leaf[at_a], a.difficulty),
        jax.tree.map(lambda leaf: leaf[at_b], b.difficulty),
    )
    span = a.difficulty.needs_span or b.difficulty.needs_span
    log_ks = np.linspace(math.log(k_low), math.log(k_high), _LOOKS)
    with jax.enable_x64(True):
        arrays = jax.tree.map(
            lambda leaf: np.asarray(leaf, np.float64), (*laws, grid_holding(0, k_high, span), log_ks)
        )
        log_k, changes, gap = jax.tree.map(np.asarray, _first_crossings(*arrays))
    ok, sentence = trust_in_all([a, b], ["A", "B"])
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


@jax.jit
def _first_crossings(
    one: Difficulty, other: Difficulty, grid: Grid, log_ks: Float[Array, " M"]
) -> tuple[Array, Array, Array]:
    """Of S pairs: log k of the first crossing or nan, how many there are, and the gap at the first k."""

    def pair(laws: tuple[Difficulty, Difficulty]) -> tuple[Array, Array, Array]:
        clouds = [law.points(grid) for law in laws]

        def gap(log_k: Array) -> Array:
            first, second = (height(points, jnp.exp(log_k)) for points in clouds)
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

    return jax.lax.map(pair, (one, other), batch_size=AT_A_TIME)
