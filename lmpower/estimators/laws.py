"""Laws fitted by their exact binomial likelihood.

Published: c is not fitted but set to min(1, (P+1)/P max s/n), and "the exponent" is the slope of a line
through the fitted curve at 20 k from 1 to 10^4 (Schaeffer et al. 2025, public code, which seeks both shapes
in (.01, 100); here it is the family's own, wider box). The corrected variants take the fitted law's own
tail exponent. Kazdan et al. 2025 fit Beta with c = 1 and forecast new problems from it; conditional on what
each problem showed, the same fit forecasts these problems. lmpower's own fit c and the share of
unsolvable problems too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows, unseen, widened
from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.named import family_named
from lmpower.estimators.base import QUANTILES, Estimate, ks_of_slope, slope_through, slope_weights
from lmpower.fit.maximum import Fit, Status, fit_rows
from lmpower.fit.uncertainty import covariance, exponent_slope
from lmpower.forecast.chances import grid_holding, weights_given
from lmpower.numerics.grid import Grid
from lmpower.numerics.normal import normal_quantiles

# Datasets forecast at once.
_AT_A_TIME = 64


def scale_rule(rows: Rows) -> Float[np.ndarray, " B"]:
    """min(1, (P+1)/P max s/n), the published scale of a law on (0, c)."""
    present = rows.weight > 0
    largest = np.max(np.where(present, rows.successes / rows.attempts, 0.0), axis=-1)
    problems = rows.weight.sum(-1)
    return np.asarray(np.minimum((problems + 1) / problems * largest, 1.0))


def fit_freely(rows: Rows, *, family: str, penalty: str | None = None) -> Fit:
    """All parameters fitted."""
    return fit_rows(rows, family_named(family), penalty=penalty)


def fit_by_scale_rule(rows: Rows, *, family: str) -> Fit:
    """A scaled law with c from the rule."""
    scale = np.log(np.maximum(scale_rule(rows), 1e-6))
    return fit_rows(rows, family_named(family), held={"c": scale})


def read_off(
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
    fit: Fit,
    *,
    given: bool = False,
    slope_as_exponent: bool = False,
) -> Estimate:
    """What a fit says of new problems or, ``given`` their counts, of these.

    Its exponent is the law's own or, as published, the slope of its curve. Intervals are normal in the
    logs of the exponents and in log(-log pass@k), with the covariance of the fit.
    """
    whole = curve(fit, np.concatenate([ks_of_slope(window), ks]) if not given else ks_of_slope(window))
    split = ks_of_slope(window).size
    ahead = curve(fit, ks, rows) if given else Curve(*(part[:, split:] for part in whole))
    weights = slope_weights(window)
    slope = slope_through(whole.log_loss[:, :split], window)
    known, moved = covariance(fit), np.einsum("w,bwd->bd", weights, whole.slope[:, :split])
    slope_error = np.sqrt(np.einsum("bd,bde,be->b", moved, known, moved)) / slope
    if slope_as_exponent:
        exponent, error = slope, slope_error
    else:
        exponent, own = np.where(fit.ok, fit.tail_exponent, np.nan), exponent_slope(fit)
        error = np.sqrt(np.einsum("bd,bde,be->b", own, known, own)) / exponent
    variance = np.einsum("bkd,bde,bke->bk", ahead.slope, known, ahead.slope) + ahead.spread
    errors = np.column_stack([error, slope_error, np.sqrt(variance)])
    centres = np.column_stack([np.log(exponent), np.log(slope), ahead.log_loss])
    stretched = centres[..., None] + errors[..., None] * normal_quantiles(QUANTILES)
    with np.errstate(over="ignore"):  # few attempts may leave a quantile anywhere
        # the larger the loss, the smaller pass@k
        of_pass = np.exp(-np.exp(stretched[:, 2:, ::-1]))
        quantiles = np.concatenate([np.exp(stretched[:, :2]), of_pass], axis=1)
    # a shape at the end of its box is not known, however steep the likelihood is there
    quantiles[np.asarray(fit.status) == Status.AT_BOUND] = np.nan
    return Estimate(exponent, slope, np.exp(-np.exp(ahead.log_loss)), quantiles)


class Curve(NamedTuple):
    """log(-log pass@k) of B laws, its slope in the search coordinates, and its variance at a given law."""

    log_loss: Float[np.ndarray, "B K"]
    slope: Float[np.ndarray, "B K D"]
    spread: Float[np.ndarray, "B K"]


def curve(fit: Fit, ks: Float[np.ndarray, " K"], rows: Rows | None = None) -> Curve:
    """Of new problems, or of those behind ``rows`` [B, R] after what they showed; nan without a fit.

    Only of those does chance at a given law leave a variance: they are so many and no more.
    """
    theta = np.where(np.asarray(fit.ok)[:, None], fit.theta, np.nan)
    return curve_of(fit.template, theta, ks, rows)


def curve_of(
    template: Difficulty,
    theta: Float[np.ndarray, "B D"],
    ks: Float[np.ndarray, " K"],
    rows: Rows | None = None,
    *,
    sloped: bool = True,
) -> Curve:
    """``curve`` of the laws with these search coordinates; unless ``sloped`` its slope has no columns."""
    new = rows is None
    rows = unseen(len(theta)) if rows is None else widened(rows)
    most = float(rows.successes.max()), float(rows.failures.max() + np.max(ks))
    grid = grid_holding(*most, template.needs_span, growth=2)
    parts = []
    with jax.enable_x64(True):
        for at in range(0, len(theta), _AT_A_TIME):
            index = np.resize(np.arange(at, min(at + _AT_A_TIME, len(theta))), _AT_A_TIME)
            part = jax.tree.map(lambda leaf, i=index: leaf[i], rows)
            found = _curve(template, theta[index], ks, part, grid, sloped=sloped)
            parts.append(jax.tree.map(np.asarray, found))
    whole = Curve(*(np.concatenate(part)[: len(theta)] for part in zip(*parts, strict=True)))
    return whole._replace(spread=np.zeros_like(whole.spread)) if new else whole


@functools.partial(jax.jit, static_argnames="sloped")
def _curve(
    template: Difficulty, theta: Array, ks: Float[Array, " K"], rows: Rows, grid: Grid, *, sloped: bool
) -> tuple[Array, Array, Array]:
    def one(theta: Array, rows: Rows) -> tuple[Array, Array, Array]:
        def log_loss(theta: Array) -> tuple[Array, tuple[Array, Array]]:
            points = template.from_search(theta).points(grid)
            log_failure = points.log_q[:, None] * ks
            success = -jnp.expm1(log_failure)
            weights, share = weights_given(points, rows), rows.weight / jnp.sum(rows.weight)
            each = weights @ success
            pass_at, square = share @ each, share @ (weights @ success**2 - each**2)
            # near pass@k = 1 from its complement: a sum that rounds to above 1 has no such log
            failure = share @ (weights @ jnp.exp(log_failure))
            loss = jnp.where(failure < 0.5, -jnp.log1p(-jnp.minimum(failure, 0.5)), -jnp.log(pass_at))
            # d log(-log pass) = -d pass / (pass (-log pass))
            spread = jnp.maximum(square, 0.0) / jnp.sum(rows.weight) / (pass_at * loss) ** 2
            return jnp.log(loss), (jnp.log(loss), spread)

        if not sloped:
            value, (_, spread) = log_loss(theta)
            return value, jnp.zeros((*value.shape, 0)), spread
        slope, (value, spread) = jax.jacfwd(log_loss, has_aux=True)(theta)
        return value, slope, spread

    return jax.vmap(one)(theta, rows)


_FREE = {
    family: functools.partial(fit_freely, family=family)
    for family in ("beta", "kumaraswamy", "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta")
}
_WEAKLY = {
    family: functools.partial(fit_freely, family=family, penalty="weak")
    for family in ("beta", "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta")
}
BY_RULE = {
    family: functools.partial(fit_by_scale_rule, family=f"scaled-{family}")
    for family in ("beta", "kumaraswamy")
}
_PAPER = "Schaeffer et al. 2025: c by rule"
# name: (how to read the fit, the fit, source)
LAWS: dict[str, tuple[Callable[..., Estimate], Callable[[Rows], Fit], str]] = {
    **{
        f"{family}-binomial-published": (
            functools.partial(read_off, slope_as_exponent=True),
            BY_RULE[family],
            f"{_PAPER}, slope of the fitted curve as exponent",
        )
        for family in BY_RULE
    },
    **{
        f"{family}-binomial-corrected": (
            read_off,
            BY_RULE[family],
            f"{_PAPER}; corrected: the fitted law's own tail exponent",
        )
        for family in BY_RULE
    },
    "beta-binomial": (
        read_off,
        _FREE["beta"],
        "Kazdan et al. 2025: Beta-binomial with c = 1, forecasts for new problems",
    ),
    "beta-binomial-given": (
        functools.partial(read_off, given=True),
        _FREE["beta"],
        "Kazdan et al. 2025; corrected: conditional on each problem's own counts",
    ),
    **{
        name: (read_off, _FREE[name], "lmpower: all parameters fitted")
        for name in ("kumaraswamy", "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta")
    },
    **{
        f"{name}-weak": (read_off, fit, "lmpower: all parameters fitted, under the weak prior")
        for name, fit in _WEAKLY.items()
    },
}
