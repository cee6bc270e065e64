"""Is an exact Newton step worth its Hessian?

One scaled-Kumaraswamy fit (P = 128 problems, N = 100 attempts) from the same starting point: damped
Newton of ``lmpower.numerics.maximise`` against Optax's L-BFGS on the same float64 likelihood, both
compiled, both run until a full step promises less than 1e-9 nats (Newton) or the gradient is below 1e-6
(L-BFGS).

    pip install '.[bench]' && python benchmarks/optimiser.py
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lmpower.counts import Rows
from lmpower.difficulty.named import family_named
from lmpower.fit.surface import FINE, reach_of
from lmpower.likelihood import expand, value_on_points
from lmpower.numerics.grid import shared_grid
from lmpower.numerics.maximise import ascend, begin


def rows(seed: int) -> Rows:
    """One dataset of scaled Kumaraswamy truth alpha .3, beta 3, c .5."""
    rng = np.random.default_rng(seed)
    p = 0.5 * (1 - (1 - rng.random(128)) ** (1 / 3)) ** (1 / 0.3)
    solved, problems = np.unique(rng.binomial(100, p), return_counts=True)
    return Rows(solved.astype(float), 100.0 - solved, problems.astype(float))


def main() -> None:
    template = family_named("scaled-kumaraswamy")
    with jax.enable_x64(True):
        data = rows(0)
        grid = shared_grid(reach_of(data), FINE)
        given = jax.tree.map(jnp.asarray, data)
        lower, upper = (jnp.asarray(bound) for bound in template.box[:2])
        start = jnp.asarray(template.to_search())

        @jax.jit
        def newton(theta: Any) -> Any:
            def surface(t: Any) -> Any:
                return expand(template, t, given, grid)[:3]

            return ascend(surface, begin(theta), lower, upper, 200)

        def loss(theta: Any) -> Any:
            law = template.from_search(jnp.clip(theta, lower, upper))
            return -value_on_points(law, given, grid)

        solver = optax.lbfgs()

        @jax.jit
        def lbfgs(theta: Any) -> Any:
            value_and_grad = optax.value_and_grad_from_state(loss)

            def step(carry: Any) -> Any:
                theta, state, count, _ = carry
                value, grad = value_and_grad(theta, state=state)
                update, state = solver.update(grad, state, theta, value=value, grad=grad, value_fn=loss)
                return optax.apply_updates(theta, update), state, count + 1, jnp.max(jnp.abs(grad))

            def going(carry: Any) -> Any:
                return (carry[2] < 500) & (carry[3] > 1e-6)

            carry = (theta, solver.init(theta), 0, jnp.asarray(jnp.inf))
            return jax.lax.while_loop(going, step, carry)

        for name, run in (("damped Newton", newton), ("Optax L-BFGS", lbfgs)):
            jax.block_until_ready(run(start))
            clock = time.perf_counter
            began = clock()
            for _ in range(20):
                result = jax.block_until_ready(run(start))
            elapsed = (clock() - began) / 20 * 1e3
            steps = result.steps if name == "damped Newton" else result[2]
            theta = result.theta if name == "damped Newton" else result[0]
            print(f"{name:14} {elapsed:8.2f} ms  {int(steps):4d} steps  log-likelihood {-loss(theta):.9f}")


if __name__ == "__main__":
    main()
