"""Curves drawn through unbiased pass@k, without a model of the problems.

All are fitted to pass@k at many k <= n, read off the same counts (Chen et al. 2021), and extrapolated:

* the straight line: log(-log pass@k) = log a - b log k (Schaeffer et al. 2025, Tables 1 and 2);
* "regression": -log pass@k = a - b log k, which Kazdan et al. 2025 (public code) take as the line;
* Brown et al. 2024: pass@k = exp(a k^b), least squares on pass@k itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.baseline import log_spaced_ks
from lmpower.counts import CountsError, Rows
from lmpower.estimators.base import Estimate, slope_in
from lmpower.numerics.maximise import ascend, begin
from lmpower.passk import log_fail_at_k

_BROWN_KS = 40
_MOST_STEPS = 200


def log_failure_at(rows: Rows, ks: Float[np.ndarray, " K"]) -> Float[np.ndarray, "B K"]:
    """log(1 - pass@k) of each dataset, unbiased pass@k averaged over its problems; -inf where it is 1.

    Raises:
        CountsError: if some problem has fewer attempts than the largest k.
    """
    present = rows.weight > 0
    fewest = np.min(np.where(present, rows.attempts, np.inf))
    if np.max(ks) > fewest:
        raise CountsError(f"pass@{np.max(ks):.0f} cannot be read off a problem with {fewest:.0f} attempts")
    # each distinct (n, s) of all datasets once
    kinds, kind = np.unique(
        np.stack([rows.attempts[present], rows.successes[present]], -1), axis=0, return_inverse=True
    )
    chance = np.exp(log_fail_at_k(kinds[:, 0], kinds[:, 1], ks[:, None])).T
    each = np.zeros((*rows.weight.shape, ks.size))
    each[present] = chance[kind]
    share = rows.weight / rows.weight.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.einsum("br,brk->bk", share, each)))


def on_its_own_attempts(run: Callable[..., Estimate]) -> Callable[..., Estimate]:
    """``run`` on the datasets of each number of attempts by themselves.

    The list of k through which a curve goes ends at the fewest attempts, and those should be its own.
    """

    @functools.wraps(run)
    def each(rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Estimate:
        fewest = np.min(np.where(rows.weight > 0, rows.attempts, np.inf), axis=-1)
        kinds, kind = np.unique(fewest, return_inverse=True)
        if kinds.size == 1:
            return run(rows, ks, window)
        whole = Estimate(*(np.full((kind.size, *tail), np.nan) for tail in ((), (), (len(ks),))))
        for j in range(kinds.size):
            mine = np.flatnonzero(kind == j)
            some = run(jax.tree.map(lambda leaf, i=mine: leaf[i], rows), ks, window)
            for old, new in zip(whole[:3], some[:3], strict=True):
                old[mine] = new
        return whole

    return each


@on_its_own_attempts
def line(rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Estimate:
    """-log pass@k = a k^-b, by least squares of log(-log pass@k) on log k over the published list."""
    log_k, loss = _measured(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        intercept, slope = _least_squares(log_k, np.log(loss), np.isfinite(np.log(loss)))

    def pass_at(k: np.ndarray) -> np.ndarray:
        return np.exp(-np.exp(intercept[:, None] + slope[:, None] * np.log(k)))

    return Estimate(-slope, -slope, pass_at(ks))


@on_its_own_attempts
def semilog(rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Estimate:
    """-log pass@k = a - b log k, as the public code of Kazdan et al. has it; below 0 pass@k is 1."""
    log_k, loss = _measured(rows)
    intercept, slope = _least_squares(log_k, loss, np.isfinite(loss))

    def pass_at(k: np.ndarray) -> np.ndarray:
        return np.exp(-np.maximum(intercept[:, None] + slope[:, None] * np.log(k), 0.0))

    nothing = np.full(intercept.shape, np.nan)
    return Estimate(nothing, slope_in(window, pass_at), pass_at(ks))


@on_its_own_attempts
def brown(rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Estimate:
    """pass@k = exp(-a k^-b), by least squares on pass@k itself at 40 log-spaced k."""
    fitted = _within(rows, _BROWN_KS)
    coverage = -np.expm1(log_failure_at(rows, fitted))
    start = line(rows, ks, window)
    # the straight line's own a and b are where the descent begins
    log_b = np.log(np.clip(np.nan_to_num(start.tail_exponent, nan=0.3), 1e-2, 5.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_a = np.nan_to_num(np.log(-np.log(coverage[:, 0])), nan=0.0, posinf=5.0, neginf=-5.0)
    with jax.enable_x64(True):
        theta = np.asarray(_brown(np.stack([log_a, log_b], -1), np.log(fitted), coverage))
    a, b = np.exp(theta).T
    # as with a straight line, two numbers need two points
    some = (coverage[:, -1] > 0) & (fitted.size > 1)

    def pass_at(k: np.ndarray) -> np.ndarray:
        return np.where(some[:, None], np.exp(-a[:, None] * k ** -b[:, None]), np.nan)

    exponent = np.where(some, b, np.nan)
    return Estimate(exponent, exponent, pass_at(ks))


@jax.jit
def _brown(
    theta: Float[Array, "B 2"], log_k: Float[Array, " K"], coverage: Float[Array, "B K"]
) -> Float[Array, "B 2"]:
    def one(theta: Array, coverage: Array) -> Array:
        def height(t: Array) -> Array:
            off = coverage - jnp.exp(-jnp.exp(t[0] - jnp.exp(t[1]) * log_k))
            # in units in which the maximiser's tolerance is far below any difference that matters
            return -1e6 * jnp.sum(off**2)

        def surface(t: Array) -> tuple[Array, Array, Array]:
            return height(t), jax.grad(height)(t), jax.hessian(height)(t)

        lower, upper = jnp.array([-20.0, -12.0]), jnp.array([20.0, 4.0])
        return ascend(surface, begin(theta), lower, upper, _MOST_STEPS).theta

    return jax.vmap(one)(theta, coverage)


def _within(rows: Rows, number: int = 100) -> Float[np.ndarray, " K"]:
    """The published list of k up to the fewest attempts."""
    fewest = int(np.min(np.where(rows.weight > 0, rows.attempts, np.inf)))
    return log_spaced_ks(fewest, number).astype(np.float64)


def _measured(rows: Rows) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "B K"]]:
    """log k and -log pass@k."""
    ks = _within(rows)
    log_failure = log_failure_at(rows, ks)
    with np.errstate(divide="ignore"):
        # from whichever of pass@k and its complement is the smaller
        loss = np.where(
            log_failure < -0.7, -np.log1p(-np.exp(log_failure)), -np.log(-np.expm1(log_failure))
        )
    return np.log(ks), np.asarray(loss)


def _least_squares(
    x: Float[np.ndarray, " K"], y: Float[np.ndarray, "B K"], used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope for each dataset, through the points that can be used; nan for fewer than 2."""
    count = used.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean = (used * x).sum(-1) / count
        y = np.where(used, y, 0.0)
        y_mean = y.sum(-1) / count
        dx = used * (x - x_mean[:, None])
        slope = (dx * (y - y_mean[:, None])).sum(-1) / (dx**2).sum(-1)
        slope = np.where(count < 2, np.nan, slope)
    return y_mean - slope * x_mean, slope


CURVES: dict[str, tuple[Callable[..., Estimate], str]] = {
    "line": (line, "Schaeffer et al. 2025: straight line through log(-log pass@k)"),
    "semilog": (semilog, "Kazdan et al. 2025, public code: their 'regression'"),
    "brown": (brown, "Brown et al. 2024: exp(a k^b) on coverage itself"),
}
