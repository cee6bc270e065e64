"""The model of groups whose difficulties are alike in part, in coordinates made for its chains.

In the prior's normal coordinates (``prior``) each group g has its own u_g. They are tied together by

    u_gd = sqrt(r_d) m_d + sqrt(1 - r_d) z_gd,    m_d, z_gd ~ N(0, 1),    r_d ~ Uniform(0, 1),

a middle m that all groups share and what is each one's own, in shares that the counts decide, for every
coordinate d. Whatever r, a single group's prior stays N(0, I), the same as alone: r_d = 0 is no pooling,
r_d = 1 is one law for all, and in between a group with few problems borrows from the others. It is
Gelman & Hill's varying intercepts (2007, chapter 12) with the total variance known.

With a covariate x a coordinate gets a trend, + b x_g, where x is standardised over the groups and
b ~ N(0, 1): from one standard deviation of x to the next the coordinate moves by about as much as its
prior is wide. The tail exponent's coordinate is the log of it over log(factor) (``prior.LogNormal``), so
that b stands for a change of log alpha by b log(factor)/sd(x) for each unit of x as given. Of a group at
x_g the prior is wider then, N(0, 1 + x_g^2).

Chains run in coordinates made for them. Given r all of u is linear in normals v = (m, b, z), u = A(r) v.
Were the groups' likelihoods normal, exp(h u - u P u/2) with h and P from each group sampled alone, v would
be too, with precision Q = I + A'PA = LL'; so we sample e in

    v = L^-T (e + L^-1 A'h),

whose posterior is then N(0, I) for every r, and nearly so as things are: it leaves no funnel at r = 1, and
no slow valley. On four models with 10,000 attempts at 128 problems a draw of alpha and beta takes 7 leaps,
and r has some 1,000 effective draws in 1,000; with z for e it takes 42 leaps and has 370, with u for e
15 and 380. The likelihoods are exact throughout: h and P decide how long it takes, not what is found.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from lmpower.counts import Rows, widened
from lmpower.fit.chunks import used_rows
from lmpower.fit.surface import Tile, reach_of
from lmpower.likelihood import Blocks, slope
from lmpower.numerics.grid import Grid, filled_up, shared_grid
from lmpower.posterior.draws import Posterior
from lmpower.posterior.nuts import with_gradient
from lmpower.prior import Whitened

# Rows and nodes taken at a time, of all groups; arrays hold so many of either, or a multiple.
_TILE, _ROWS, _NODES = Tile(1, 16, 128), 128, 8192


class Task(NamedTuple):
    """What the model works on.

    Attributes:
        family: whitened.
        rows: of the groups, [G, R].
        grid: that holds the largest group, filled up.
        used_rows, used_nodes: blocks of either.
        precision, pull: P and h of each group's likelihood, were it normal, [G, D, D] and [G, D].
        raised: standardised covariate of the coordinate with the trend, 0 of the others, [G, D]; or None.
    """  # NumPy's on the host, JAX's in the program: hence Any

    family: Any
    rows: Any
    grid: Grid
    used_rows: Any
    used_nodes: Any
    precision: Any
    pull: Any
    raised: Any


def task_of(
    rows: Rows, family: Whitened, alone: Posterior, raised: np.ndarray | None, refinement: float
) -> Task:
    """The task for these rows, with each group's likelihood likened to a normal by its draws ``alone``."""
    width = rows.weight.shape[-1]
    grid = shared_grid(reach_of(rows), refinement, family.needs_span)
    mean = np.mean(alone.u, axis=1)
    off = alone.u - mean[:, None]
    # the precision of a group alone is that of its counts and 1 for the prior's
    variances, axes = np.linalg.eigh(np.einsum("gsd,gse->gde", off, off) / off.shape[1])
    in_all = np.maximum(1 / np.maximum(variances, 1e-12), 1.0)
    whole = (axes * in_all[:, None, :]) @ axes.swapaxes(1, 2)
    return Task(
        family=jax.tree.map(np.float64, family),
        rows=widened(rows, -(-width // _ROWS) * _ROWS),
        grid=filled_up(grid, _NODES),
        used_rows=np.int32(-(-np.max(used_rows(rows)) // _TILE.rows)),
        used_nodes=np.int32(-(-grid.nodes.log_x.size // _TILE.nodes)),
        precision=whole - np.eye(whole.shape[-1]),
        pull=np.einsum("gde,ge->gd", whole, mean),
        raised=raised,
    )


def model(task: Task) -> None:
    """The formulas atop the file, as a NumPyro model."""
    groups, size = task.pull.shape
    every = size + (task.raised is not None) + groups * size
    shared = numpyro.sample("shared", dist.Uniform(jnp.zeros(size), jnp.ones(size)).to_event(1))
    e = numpyro.sample("e", dist.Normal(jnp.zeros(every), 1.0).to_event(1))
    a = _ways(shared, task.raised, groups)
    bent = jnp.einsum("gde,gen->gdn", task.precision, a.reshape(groups, size, every))
    root = jnp.linalg.cholesky(jnp.eye(every) + a.T @ bent.reshape(a.shape))
    mean = solve_triangular(root, a.T @ task.pull.ravel(), lower=True)
    v = solve_triangular(root, e + mean, lower=True, trans="T")
    # v is standard normal a priori, and dv = de/|L|
    log_volume = jnp.sum(jnp.log(jnp.diagonal(root)))
    numpyro.factor("v", 0.5 * jnp.sum(e**2) - 0.5 * jnp.sum(v**2) - log_volume)
    u = (a @ v).reshape(groups, size)
    log_likelihood = with_gradient(functools.partial(_slopes, task))(u)
    numpyro.factor("counts", jnp.sum(log_likelihood))
    numpyro.deterministic("u", u)
    numpyro.deterministic("log_likelihood", log_likelihood)
    numpyro.deterministic("middle", v[:size])
    numpyro.deterministic("slope", v[size : every - groups * size])


def _ways(shared: Float[Array, " D"], raised: Array | None, groups: int) -> Float[Array, "GD N"]:
    """A: how every group's coordinates come from the middle, the trend, and what is its own."""
    middle = jnp.tile(jnp.diag(jnp.sqrt(shared)), (groups, 1))
    own = jnp.diag(jnp.tile(jnp.sqrt(1 - shared), groups))
    trend = [] if raised is None else [raised.reshape(-1, 1)]
    return jnp.concatenate([middle, *trend, own], axis=1)


@jax.jit  # (traced once for all the places where a sampler's program has it)
def _slopes(task: Task, u: Float[Array, "G D"]) -> tuple[Float[Array, " G"], Float[Array, "G D"]]:
    """Every group's log-likelihood without log C(n, s), and its gradient."""
    blocks = Blocks(_TILE.rows, _TILE.nodes, task.used_rows, task.used_nodes)
    return jax.vmap(lambda u, rows: slope(task.family, u, rows, task.grid, blocks))(u, task.rows)
