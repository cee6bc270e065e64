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

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows, widened
from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.named import family_named
from lmpower.estimators.base import Estimate, slope_in
from lmpower.fit import Fit, fit_rows
from lmpower.forecast import weights_given
from lmpower.grid import Grid, Reach, filled_up, shared_grid
from lmpower.surface import FINE

# Datasets forecast at once, and nodes (or 4, 16, ... times as many).
_AT_A_TIME, _NODES = 256, 256


def scale_rule(rows: Rows) -> Float[np.ndarray, " B"]:
    """min(1, (P+1)/P max s/n), the published scale of a law on (0, c)."""
    present = rows.weight > 0
    largest = np.max(np.where(present, rows.successes / rows.attempts, 0.0), axis=-1)
    problems = rows.weight.sum(-1)
    return np.asarray(np.minimum((problems + 1) / problems * largest, 1.0))


def by_scale_rule(
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
    *,
    family: str,
    slope_as_exponent: bool,
) -> Estimate:
    """A scaled law with c from the rule; its exponent is its slope (as published), or its own."""
    template = family_named(family)
    scale = np.log(np.maximum(scale_rule(rows), 1e-6))
    fitted = fit_rows(rows, template, starts=1, held={"c": scale})
    estimate = _forecast(fitted, template, None, ks, window)
    return estimate._replace(tail_exponent=estimate.window_slope) if slope_as_exponent else estimate


def freely(
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
    *,
    family: str,
    given: bool = False,
) -> Estimate:
    """All parameters fitted; forecasts for new problems or, ``given`` their counts, for these."""
    template = family_named(family)
    fitted = fit_rows(rows, template, starts=1)
    return _forecast(fitted, template, rows if given else None, ks, window)


def _forecast(
    fitted: Fit,
    template: Difficulty,
    rows: Rows | None,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
) -> Estimate:
    theta = np.where(np.asarray(fitted.ok)[:, None], fitted.theta, np.nan)

    slope = slope_in(window, functools.partial(curve, template, theta))
    return Estimate(fitted.tail_exponent, slope, curve(template, theta, ks, rows))


def curve(
    template: Difficulty,
    theta: Float[np.ndarray, "B D"],
    ks: Float[np.ndarray, " K"],
    rows: Rows | None = None,
) -> Float[np.ndarray, "B K"]:
    """pass@k of B laws: for new problems, or for those behind ``rows`` [B, R] after what they showed."""
    if rows is None:
        rows = Rows(*(np.full((len(theta), 1), x) for x in (0.0, 0.0, 1.0)))
    else:
        rows = widened(rows)
    reach = Reach.holding(rows.successes.max(), rows.failures.max() + np.max(ks))
    grid = filled_up(shared_grid(reach, FINE), _NODES)
    parts = []
    with jax.enable_x64(True):
        for at in range(0, len(theta), _AT_A_TIME):
            index = np.resize(np.arange(at, min(at + _AT_A_TIME, len(theta))), _AT_A_TIME)
            part = jax.tree.map(lambda leaf, i=index: leaf[i], rows)
            parts.append(np.asarray(_curve(template, theta[index], ks, part, grid)))
    return np.concatenate(parts)[: len(theta)]


@jax.jit
def _curve(
    template: Difficulty, theta: Array, ks: Float[Array, " K"], rows: Rows, grid: Grid
) -> Float[Array, "B K"]:
    def one(theta: Array, rows: Rows) -> Array:
        points = template.from_search(theta).points(grid)
        mixed = (rows.weight / jnp.sum(rows.weight)) @ weights_given(points, rows)
        return -jnp.expm1(points.log_q[:, None] * ks).T @ mixed

    return jax.vmap(one)(theta, rows)


_PAPER = "Schaeffer et al. 2025: c by rule"
LAWS: dict[str, tuple[Callable[..., Estimate], str]] = {
    **{
        f"{family}-binomial-published": (
            functools.partial(by_scale_rule, family=f"scaled-{family}", slope_as_exponent=True),
            f"{_PAPER}, slope of the fitted curve as exponent",
        )
        for family in ("beta", "kumaraswamy")
    },
    **{
        f"{family}-binomial-corrected": (
            functools.partial(by_scale_rule, family=f"scaled-{family}", slope_as_exponent=False),
            f"{_PAPER}; corrected: the fitted law's own tail exponent",
        )
        for family in ("beta", "kumaraswamy")
    },
    "beta-binomial": (
        functools.partial(freely, family="beta"),
        "Kazdan et al. 2025: Beta-binomial with c = 1, forecasts for new problems",
    ),
    "beta-binomial-given": (
        functools.partial(freely, family="beta", given=True),
        "Kazdan et al. 2025; corrected: conditional on each problem's own counts",
    ),
    **{
        name: (functools.partial(freely, family=name), "lmpower: all parameters fitted")
        for name in ("kumaraswamy", "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta")
    },
}
