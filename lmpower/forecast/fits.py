"""Forecasts from one law, a batch of them, or a fit, whose intervals lie on the scale log(-log(1 - g)).

That keeps them inside (0, 1). A fit's covariance comes through the delta rule, and for these problems the
spread of their own chances around the mean, which a fit known without error would leave, is added; with a
bootstrap, percentiles of its replicates take the place of the delta rule.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lmpower.counts import Counts, Rows, unseen
from lmpower.difficulty.base import Difficulty
from lmpower.fit import Fit
from lmpower.fit.uncertainty import covariance
from lmpower.forecast.chances import chance, grid_holding, reach_of_chances, weights_given
from lmpower.forecast.result import Forecast
from lmpower.numerics.grid import Grid
from lmpower.numerics.normal import normal_quantiles

_OFFSETS = 41
# Laws of a batch at a time, which bounds the memory.
_AT_A_TIME = 16


def forecast_from_law(
    difficulty: Difficulty | Fit,
    ks: np.ndarray,
    counts: Counts | None,
    replicates: Difficulty | Fit | None,
    asked: dict[str, Any],
) -> Forecast:
    """``forecast_pass_at_k`` of whatever is no posterior, and bears a fit's intervals or none."""
    problems, level, metric, tau = (asked[name] for name in ("problems", "level", "metric", "tau"))
    law = difficulty.difficulty if isinstance(difficulty, Fit) else difficulty
    rows = counts.rows() if counts is not None and problems == "same" else None
    if rows is not None and law.batch_shape:
        raise ValueError("a forecast for the same problems takes one difficulty, not a batch")

    by_delta = (
        isinstance(difficulty, Fit) and not law.batch_shape and replicates is None and bool(difficulty.ok)
    )
    mean = _expectations(law, rows, ks, metric, tau, slope=by_delta)
    lower = upper = np.full_like(mean.hit, np.nan)
    if replicates is not None:
        batch = replicates.difficulty if isinstance(replicates, Fit) else replicates
        every = _expectations(batch, rows, ks, metric, tau, slope=False)
        lower, upper = _percentiles(every, mean, level)
    elif by_delta:
        slope, known = np.asarray(mean.slope), covariance(cast(Fit, difficulty))
        variance = np.einsum("kd,de,ke->k", slope, known, slope) + mean.spread
        lower, upper = _interval(mean, np.sqrt(variance), level)
    per_problem = None if rows is None or counts is None else mean.each[counts.row_of_problem]
    return Forecast(ks, mean.hit, lower, upper, per_problem, None, **asked)


class _Mean(NamedTuple):
    """The mean over problems of E g [K], of E (1-g), its variance, and E g of every row [R, K].

    (JAX's inside the compiled program, NumPy's outside: hence Any.) The slope is that of ``hit`` in
    the search coordinates, [K, D].
    """

    hit: Any
    miss: Any
    spread: Any
    each: Any
    slope: Any


def _expectations(
    law: Difficulty, rows: Rows | None, ks: np.ndarray, metric: str, tau: float | None, slope: bool
) -> _Mean:
    """All that a forecast needs, from one compiled program."""
    grid = grid_holding(*reach_of_chances(rows, ks, metric), law.needs_span)
    asked = functools.partial(_ask, metric=metric, tau=tau, slope=slope)
    given = unseen() if rows is None else rows
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (law, given, grid, ks))
        mean = jax.tree.map(np.asarray, asked(*arrays, batched=bool(law.batch_shape)))
    # (a mean of what is 1 everywhere rounds to a little above)
    mean = mean._replace(**{name: np.minimum(getattr(mean, name), 1.0) for name in ("hit", "miss", "each")})
    return cast(_Mean, mean if rows is not None else mean._replace(spread=0 * mean.spread))


@functools.partial(jax.jit, static_argnames=("metric", "tau", "slope", "batched"))
def _ask(
    law: Difficulty,
    rows: Rows,
    grid: Grid,
    ks: Array,
    *,
    metric: str,
    tau: float | None,
    slope: bool,
    batched: bool,
) -> _Mean:
    share = jnp.asarray(rows.weight) / jnp.sum(rows.weight)

    def of(law: Difficulty) -> tuple[Array, Array, Array]:
        points = law.points(grid)
        hit, miss = chance(points, ks, metric, tau)
        return weights_given(points, rows), hit, miss

    def one(law: Difficulty) -> _Mean:
        weights, hit, miss = of(law)
        each = weights @ hit
        variance = jnp.maximum(weights @ hit**2 - each**2, 0.0)
        mixed = share @ weights
        spread = (share / jnp.sum(rows.weight)) @ variance
        return _Mean(mixed @ hit, mixed @ miss, spread, each, None)

    def hit_at(theta: Array) -> Array:
        weights, hit, _ = of(law.from_search(theta))
        return (share @ weights) @ hit

    mean = jax.lax.map(one, law, batch_size=_AT_A_TIME) if batched else one(law)
    return mean._replace(slope=jax.jacfwd(hit_at)(law.to_search())) if slope else mean


# --- intervals -------------------------------------------------------------------------------------


def _interval(mean: _Mean, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The normal interval on the stretched scale, for a standard error on the plain one."""
    centre = _stretch(mean.hit, mean.miss)
    # a share of exactly 0 or 1 has no room on the stretched scale
    room = np.isfinite(centre)
    centre = np.where(room, centre, 0.0)
    half = normal_quantiles([0.5 + level / 2]) * error / _stretching(mean.miss, centre)
    lower, upper = _shrink(centre - half), _shrink(centre + half)
    return np.where(room, lower, mean.hit), np.where(room, upper, mean.hit)


def _percentiles(replicates: _Mean, mean: _Mean, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles over replicates, each widened by the problems' own spread."""
    centre = _stretch(mean.hit, mean.miss)
    own = np.sqrt(mean.spread) / _stretching(mean.miss, np.where(np.isfinite(centre), centre, 0.0))
    # equally probable normal offsets stand for the spread: no random numbers are needed
    offsets = normal_quantiles((np.arange(_OFFSETS) + 0.5) / _OFFSETS)
    # a replicate whose fit failed is nan, and left out
    stretched = _stretch(replicates.hit, replicates.miss)
    widened = stretched[:, None, :] + offsets[:, None] * own
    ends = np.nanquantile(widened, [0.5 - level / 2, 0.5 + level / 2], axis=(0, 1))
    return _shrink(ends[0]), _shrink(ends[1])


def _stretch(hit: np.ndarray, miss: np.ndarray) -> np.ndarray:
    """log(-log(1 - g)) from whichever of g and 1 - g is the smaller."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(np.where(hit < 0.5, -np.log1p(-hit), -np.log(miss))))


def _stretching(miss: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """dg / d log(-log(1 - g)) = (1 - g) (-log(1 - g))."""
    return np.maximum(miss, 1e-300) * np.exp(centre)


def _shrink(stretched: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(-np.expm1(-np.exp(stretched)))
