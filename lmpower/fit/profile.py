"""Profile likelihood: which tail exponents explain the counts nearly as well as the best one.

With the other parameters nu at their best for each exponent, l_p(alpha) = max_nu l(alpha, nu), the
interval is {alpha : 2 [l_hat - l_p(alpha)] <= chi^2_1's quantile} (Wilks 1938, Ann. Math. Stat. 9,
60). Unlike alpha +- z standard errors it is the same in any coordinates and need not be symmetric:
few successes bound an exponent well from one side and hardly from the other.

Each end is the root of r(t) = z, where r = sqrt(2 [l_hat - l_p]) is nearly linear in t = log alpha
and has the slope -l_p'/r for free: l_p' is the gradient's own alpha entry (envelope theorem). So
Newton's method, kept inside a bracket, needs some four values of l_p; each starts on the tangent of
the ridge, dnu/dt = -H_nn^-1 H_nt, and takes a few steps in nu, all fits and both ends side by side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from lmpower.counts import Rows
from lmpower.fit.lanes import MOST_STEPS, Lanes
from lmpower.fit.maximum import Fit, penalty_table
from lmpower.fit.uncertainty import covariance
from lmpower.numerics.grid import FINE, FINEST
from lmpower.numerics.maximise import Ascent, begin
from lmpower.numerics.normal import normal_quantiles

# An end is found when r is this close to z: alpha is then off by a millionth of a standard error.
_TOLERANCE = 1e-6
# Grids whose maxima differ by less (in nats) give ends that agree to as many standard errors.
_GRID_TOLERANCE = 1e-5
_MOST_TRIES = 40
# A first guess of the way to an end, in log alpha, where the curvature gives none.
_FIRST_GUESS = 0.5
# Followed further than this in one go, the ridge's tangent leads nowhere.
_LONGEST_TANGENT = 2.0

Climb = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], Ascent]


def profile_interval(
    fit: Fit, level: float = 0.9
) -> tuple[Float[np.ndarray, "*B"], Float[np.ndarray, "*B"]]:
    """Lower and upper end of the tail exponent's profile-likelihood interval, each [*B].

    The likelihood is the one that was maximised, with its penalty if it had one. An end is open,
    and 0 or inf is returned, where even the exponent at the end of the search box is not excluded.
    Both ends are the exponent itself where it was held, or the family fixes it (uniform: 1). Nan: fits
    that cannot be used, families without a power law, and mixtures, whose exponent is the smallest of
    several (``bootstrap_fit`` those).

    Args:
        fit: one fit or a batch.
        level: coverage aimed at, between 0 and 1.

    Raises:
        ValueError: for a level outside of (0, 1).
    """
    z = _normal_quantile(level)
    names = fit.names
    exponent = np.asarray(fit.tail_exponent)
    if "alpha" not in names or "alpha" in fit.held:
        known = fit.ok & ("alpha" in fit.held or not any(name.startswith("alpha") for name in names))
        exponent = np.where(known, exponent, np.nan)
        return exponent, exponent.copy()
    shape = exponent.shape
    lanes = jax.tree.map(lambda leaf: np.reshape(leaf, (-1, *np.shape(leaf)[len(shape) :])), fit)
    log_alpha = np.full((2, lanes.status.size), np.nan)
    usable = np.flatnonzero(lanes.ok)
    for refinement in (FINE, FINEST):
        if usable.size:
            log_alpha[:, usable], uneven = _log_ends(lanes[usable], names.index("alpha"), z, refinement)
            usable = usable[uneven]
    lower, upper = np.exp(log_alpha)
    return lower.reshape(shape), upper.reshape(shape)


def _normal_quantile(level: float) -> float:
    """z with P(|Z| <= z) = level, the square root of chi^2_1's quantile."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")
    return float(normal_quantiles([0.5 + 0.5 * level])[0])


def _log_ends(fit: Fit, at: int, z: float, refinement: float) -> tuple[np.ndarray, np.ndarray]:
    """log alpha at both ends, [2, B], and whether the grid was too coarse, [B].

    ``at`` is the place of log alpha among the search coordinates. Lanes are the lower ends, then
    the upper ones.
    """
    rows, theta, lower, upper = jax.tree.map(
        lambda leaf: np.concatenate([leaf, leaf]), (fit.rows, fit.theta, *fit.bounds)
    )
    side = np.repeat([-1.0, 1.0], fit.status.size)
    climb = _climber(fit, rows, refinement)

    anywhere = np.full(side.size, MOST_STEPS)
    top = climb(theta, lower, upper, anywhere)
    home = np.asarray(top.theta)[:, at]
    room = np.where(side < 0, home - lower[:, at], upper[:, at] - home)
    spread = np.tile(np.sqrt(covariance(fit)[:, at, at]), 2)
    guess = np.where(spread > 0, z * spread, _FIRST_GUESS)

    here, way = top, np.minimum(guess, room)
    near, far = np.zeros_like(way), np.full_like(way, np.inf)
    found, open_ended = np.zeros((2, side.size), bool)
    for _ in range(_MOST_TRIES):
        t = home + side * way
        lower[:, at], upper[:, at] = t, t
        # whoever has arrived stays where it is, and costs no step
        most_steps = np.where(found | open_ended, 0, MOST_STEPS)
        tried = climb(_along_the_ridge(here, at, t), lower, upper, most_steps)
        here = jax.tree.map(functools.partial(_where, most_steps > 0), tried, here)
        root = np.sqrt(2 * np.maximum(top.value - here.value, 0.0))
        found = np.abs(root - z) < _TOLERANCE
        open_ended = (root < z) & ~found & (way >= room)
        if np.all(found | open_ended):
            break
        near, far = np.where(root < z, way, near), np.where(root < z, far, way)
        slope = -side * here.gradient[:, at] / np.maximum(root, 1e-12)
        following = np.minimum(_next_way(way, z - root, slope, near, far), room)
        way = np.where(found | open_ended, way, following)
    log_alpha = np.where(found, home + side * way, np.where(open_ended, side * np.inf, np.nan))
    return log_alpha.reshape(2, -1), _uneven(fit, np.asarray(top.value))


def _where(lanes: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(lanes.reshape(-1, *[1] * (new.ndim - 1)), new, old))


def _next_way(
    way: np.ndarray, short: np.ndarray, slope: np.ndarray, near: np.ndarray, far: np.ndarray
) -> np.ndarray:
    """Newton's next distance if inside the bracket; else the bracket's middle, or twice as far."""
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = np.minimum(way + short / slope, 4 * way)
        otherwise = np.where(np.isinf(far), 2 * way, 0.5 * (near + far))
        return np.asarray(np.where((newton > near) & (newton < far), newton, otherwise))


def _along_the_ridge(state: Ascent, at: int, t: np.ndarray) -> np.ndarray:
    """theta with log alpha moved to t and the others along the tangent of their best values."""
    theta, hessian = np.array(state.theta), np.array(state.hessian)
    others = np.arange(theta.shape[-1]) != at
    moved = t - theta[:, at]
    theta[:, at] = t
    block = hessian[:, others][:, :, others]
    # any other start is as safe: where the block is singular a least-norm tangent will do
    tangent = -np.linalg.pinv(block, hermitian=True) @ hessian[:, others, at, None]
    step = tangent[..., 0] * moved[:, None]
    theta[:, others] += np.clip(step, -_LONGEST_TANGENT, _LONGEST_TANGENT)
    return theta


def _uneven(fit: Fit, value: np.ndarray) -> np.ndarray:
    """Where the maximum on this grid is not the one reported, which a finer grid gave."""
    mean, precision = penalty_table(fit.template, fit.penalty)
    reported = fit.log_likelihood - np.sum(fit.rows.weight * fit.rows.log_choose, axis=-1)
    reported = reported - 0.5 * np.sum(precision * (fit.theta - mean) ** 2, axis=-1)
    uneven: np.ndarray = np.abs(value[: reported.size] - reported) > _GRID_TOLERANCE
    return uneven


def _climber(fit: Fit, rows: Rows, refinement: float) -> Climb:
    lanes = Lanes.over(rows, fit.template, penalty_table(fit.template, fit.penalty))

    def climb(theta: np.ndarray, lower: np.ndarray, upper: np.ndarray, most_steps: np.ndarray) -> Ascent:
        start = begin(np.clip(theta, lower, upper))
        return lanes.climb(start, lower, upper, most_steps, refinement)

    return climb
