"""Damped Newton ascent on a box, for a handful of parameters and very many problems at once.

With two to ten parameters the exact Hessian costs little more than the gradient, and Newton's method
needs some ten steps where a quasi-Newton method needs forty. Three things make it safe:

* parameters held at a bound by their gradient are left out of the step (projected Newton, Bertsekas
  1982), so a maximum on the boundary (c = 1, say) is reached and recognised exactly;
* the step solves (|H| + lambda diag |H|) d = g, where |H| takes the absolute values of the pivots of
  H = L D L^T: uphill also where the surface is not concave;
* lambda follows the ratio of gained to predicted height (Levenberg-Marquardt).

All is elementwise arithmetic on small unrolled matrices, so thousands of lanes run side by side under
``jax.vmap``, and a lane's course does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

RUNNING, CONVERGED, STALLED = 0, 1, 2

# A full Newton step that promises less than this (in nats) is not worth taking; nor, while looking
# for the neighbourhood of a maximum only, one that promises less than the second.
TOLERANCE = 1e-9
ROUGH_TOLERANCE = 1e-3
# No parameter moves by more than this in one step: a factor of e^2 for one searched in logs.
_LONGEST_STEP = 2.0
_MOST_DAMPING = 1e10

Surface = Callable[[Float[Array, " D"]], tuple[Array, Array, Array]]


class Ascent(NamedTuple):
    """Where one lane stands: the surface's expansion at ``theta`` and how boldly to step next."""

    theta: Float[Array, " D"]
    value: Float[Array, ""]
    gradient: Float[Array, " D"]
    hessian: Float[Array, "D D"]
    damping: Float[Array, ""]
    steps: Int[Array, ""]
    status: Int[Array, ""]


def begin(theta: Any) -> Ascent:
    """About to look at ``theta`` [*B, D]: the first step expands the surface there and moves nowhere."""
    xp = theta.__array_namespace__()  # NumPy on the host, JAX in a program
    batch, size = theta.shape[:-1], theta.shape[-1]
    return Ascent(
        theta,
        value=xp.full(batch, -xp.inf, dtype=theta.dtype),
        gradient=xp.zeros_like(theta),
        hessian=xp.broadcast_to(-xp.eye(size, dtype=theta.dtype), (*batch, size, size)),
        damping=xp.full(batch, 1e-3, dtype=theta.dtype),
        steps=xp.zeros(batch, dtype=xp.int32),
        status=xp.full(batch, RUNNING, dtype=xp.int32),
    )


def ascend(
    surface: Surface,
    state: Ascent,
    lower: Float[Array, " D"],
    upper: Float[Array, " D"],
    most_steps: int | Array,
    tolerance: float = TOLERANCE,
) -> Ascent:
    """Go on until converged or stalled, or for ``most_steps`` more steps."""
    end = state.steps + most_steps
    return jax.lax.while_loop(
        lambda s: (s.status == RUNNING) & (s.steps < end),
        lambda s: step_up(surface, s, lower, upper, tolerance),
        state,
    )


def free_coordinates(state: Ascent, lower: Array, upper: Array) -> Bool[Array, " D"]:
    """Those not held at a bound by the gradient."""
    held_low = (state.theta <= lower) & (state.gradient <= 0)
    held_high = (state.theta >= upper) & (state.gradient >= 0)
    return ~(held_low | held_high)


def step_up(
    surface: Surface,
    state: Ascent,
    lower: Float[Array, " D"],
    upper: Float[Array, " D"],
    tolerance: float = TOLERANCE,
) -> Ascent:
    """One step of the ascent, and whether it was the last."""
    free = free_coordinates(state, lower, upper)
    gradient, curvature = jnp.where(free, state.gradient, 0.0), masked(-state.hessian, free)
    scale = jnp.abs(jnp.diagonal(curvature)) + 1e-12
    step = solve_positive(curvature + state.damping * jnp.diag(scale), gradient)
    step = step * jnp.minimum(1.0, _LONGEST_STEP / (jnp.max(jnp.abs(step)) + 1e-30))
    theta = _stay_inside(state.theta, step, lower, upper)
    taken = theta - state.theta

    value, gradient_there, hessian_there = surface(theta)
    predicted = state.gradient @ taken + 0.5 * taken @ state.hessian @ taken
    gained = value - state.value
    # where the model is not concave the quadratic may promise nothing: any gain is then welcome
    ratio = gained / jnp.maximum(predicted, 1e-30)
    better = jnp.isfinite(value) & (gained > 0)
    damping = jnp.where(ratio > 0.75, state.damping / 8, state.damping)
    damping = jnp.where(ratio < 0.25, jnp.maximum(4 * state.damping, 1e-3), damping)
    damping = jnp.where(better, damping, jnp.maximum(10 * state.damping, 1e-2))

    def kept(new: Array, old: Array) -> Array:
        return jnp.where(better, new, old)

    after = Ascent(
        theta=kept(theta, state.theta),
        value=kept(value, state.value),
        gradient=kept(gradient_there, state.gradient),
        hessian=kept(hessian_there, state.hessian),
        damping=damping,
        steps=state.steps + 1,
        status=state.status,
    )
    arrived = (_promise(after, lower, upper) < tolerance) & jnp.isfinite(after.value)
    stuck = ~better & (damping > _MOST_DAMPING)
    status = jnp.where(arrived, CONVERGED, jnp.where(stuck, STALLED, RUNNING))
    return after._replace(status=status.astype(state.status.dtype))


def _stay_inside(theta: Array, step: Array, lower: Array, upper: Array) -> Array:
    """theta + step, cut short where it first meets a bound; projected if it starts on one.

    Along a curved ridge a projected step would leave the ridge, and a shortened one does not.
    """
    room = jnp.where(step > 0, upper - theta, lower - theta)
    share = jnp.where(step == 0, 1.0, room / jnp.where(step == 0, 1.0, step))
    shortest = jnp.minimum(jnp.min(share), 1.0)
    shortest = jnp.where(shortest > 1e-3, shortest, 1.0)
    there = jnp.clip(theta + shortest * step, lower, upper)
    # whoever met its bound stands on it exactly
    met = share <= shortest
    return jnp.where(met & (shortest < 1), jnp.where(step > 0, upper, lower), there)


def _promise(state: Ascent, lower: Array, upper: Array) -> Float[Array, ""]:
    """What an undamped Newton step is expected to gain."""
    free = free_coordinates(state, lower, upper)
    gradient = jnp.where(free, state.gradient, 0.0)
    return 0.5 * gradient @ solve_positive(masked(-state.hessian, free), gradient)


def masked(matrix: Float[Array, "D D"], free: Bool[Array, " D"]) -> Float[Array, "D D"]:
    """The matrix with rows and columns of coordinates that are not free replaced by the identity's."""
    both = free[:, None] & free[None, :]
    return jnp.where(both, matrix, jnp.eye(free.shape[0], dtype=matrix.dtype))


def solve_positive(matrix: Float[Array, "D D"], right: Float[Array, " D"]) -> Float[Array, " D"]:
    """Solve |A| x = b, |A| = L |D| L^T from A = L D L^T: A itself where it is positive definite."""
    size = right.shape[0]
    L = [[jnp.zeros((), right.dtype)] * size for _ in range(size)]
    pivots: list[Array] = []
    for j in range(size):
        pivot = matrix[j, j] - sum(L[j][m] ** 2 * pivots[m] for m in range(j))
        floor = 1e-10 * jnp.abs(matrix[j, j]) + 1e-12
        pivots.append(jnp.maximum(jnp.abs(pivot), floor))
        for i in range(j + 1, size):
            inner = sum(L[i][m] * L[j][m] * pivots[m] for m in range(j))
            L[i][j] = (matrix[i, j] - inner) / pivots[j]
    forward: list[Array] = []
    for i in range(size):
        forward.append(right[i] - sum(L[i][m] * forward[m] for m in range(i)))
    x: list[Array] = [jnp.zeros((), right.dtype)] * size
    for i in reversed(range(size)):
        x[i] = forward[i] / pivots[i] - sum(L[m][i] * x[m] for m in range(i + 1, size))
    return jnp.stack(x)
