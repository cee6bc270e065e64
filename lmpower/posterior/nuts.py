"""A posterior from chains: NumPyro's No-U-Turn sampler, all chains of all data sets side by side.

Chains run in the prior's normal coordinates, where the potential is |u|^2/2 - log L(u). Each lane is one
chain of one data set, with a step size and a mass matrix of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpyro.infer.hmc import hmc

from lmpower.counts import Rows
from lmpower.fit.lanes import Lanes
from lmpower.fit.surface import Load, Tile, block_by_block
from lmpower.likelihood import Blocks, slope
from lmpower.numerics.grid import FINE, FINEST

_DEEPEST, _ACCEPTANCE = 8, 0.9


class Chains(NamedTuple):
    """C chains of each of B data sets, [B, C, ...] (JAX's in the program, NumPy's outside: hence Any).

    Attributes:
        u: draws after the warm-up, [B, C, S, D].
        log_likelihood: without log C(n, s), [B, C, S].
        divergent: kept draws with a trajectory before them that left the level set, [B, C].
    """

    u: Any
    log_likelihood: Any
    divergent: Any


def run_chains(
    lanes: Lanes,
    start: Float[np.ndarray, "B C D"],
    covariance: Float[np.ndarray, "B D D"],
    seeds: Int[np.ndarray, "B W"],
    *,
    warmup: int,
    draws: int,
    thinning: int,
    finest: bool = False,
) -> Chains:
    """Chains from ``start``, whose mass matrices begin at the inverse of ``covariance``.

    Every ``thinning``-th state is kept: those between are too much alike. ``seeds`` are words for each data
    set's own random numbers.
    """
    size, chains, dimensions = start.shape
    every = lanes.only(np.repeat(np.arange(size), chains)).ranging()
    words = [np.random.SeedSequence([*each, 2]).generate_state(2 * chains) for each in seeds.tolist()]
    found = every.chunked(
        _chains,
        start.reshape(-1, dimensions),
        np.repeat(covariance, chains, axis=0),
        np.reshape(words, (size * chains, 2)),
        refinement=FINEST if finest else FINE,
        warmup=warmup,
        draws=draws,
        thinning=np.int64(thinning),
    )
    return Chains(*(leaf.reshape(size, chains, *leaf.shape[1:]) for leaf in found))


@functools.partial(jax.jit, static_argnames=("tile", "rough", "warmup", "draws"))
def _chains(
    load: Load,
    rows: Rows,
    start: Float[Array, "B D"],
    covariance: Float[Array, "B D D"],
    keys: Array,
    *,
    tile: Tile,
    rough: bool,
    warmup: int,
    draws: int,
    thinning: Int[Array, ""],
) -> Chains:
    def some(load: Load, blocks: Blocks, *lanes: Any) -> Chains:
        return jax.vmap(functools.partial(_chain, load, blocks, warmup, draws, thinning))(*lanes)

    size, dimensions = start.shape
    like = Chains(
        u=jnp.zeros((size, draws, dimensions)),
        log_likelihood=jnp.zeros((size, draws)),
        divergent=jnp.zeros(size, np.int32),
    )
    return block_by_block(some, load, (rows, start, covariance, keys), like, tile, rough)


def _chain(
    load: Load,
    blocks: Blocks,
    warmup: int,
    draws: int,
    thinning: Array,
    rows: Rows,
    start: Array,
    covariance: Array,
    key_data: Array,
) -> Chains:
    def kept(state: Any) -> tuple[Array, Array]:
        return state.z, state.potential_energy

    mass = {"inverse_mass_matrix": covariance, "dense_mass": True}
    potential = potential_of(load, blocks, rows)
    (u, energy), diverging = one_chain(potential, start, key_data, kept, warmup, draws, thinning, **mass)
    log_likelihood = 0.5 * jnp.sum(u**2, axis=-1) - energy
    return Chains(u, log_likelihood, jnp.sum(diverging).astype(np.int32))


def one_chain(
    potential: Callable[[Any], Array],
    start: Any,
    key_data: Array,
    kept: Callable[[Any], Any],
    warmup: int,
    draws: int,
    thinning: int | Array,
    **mass: Any,
) -> tuple[Any, Array]:
    """``kept(state)`` of every ``thinning``-th state after the warm-up, and which diverged before, [draws].

    ``mass`` is how NumPyro's kernel is to find its mass matrix.
    """
    init, sample = hmc(potential, algo="NUTS")
    state = init(
        start,
        warmup,
        target_accept_prob=_ACCEPTANCE,
        max_tree_depth=_DEEPEST,
        rng_key=jax.random.wrap_key_data(key_data, impl="threefry2x32"),
        **mass,
    )

    def draw(state: Any, steps: Any) -> tuple[Any, tuple[Any, Array]]:
        state, diverging = jax.lax.fori_loop(0, steps, step, (state, np.bool_(False)))
        return state, (kept(state), diverging)

    def step(_: int, so_far: tuple[Any, Array]) -> tuple[Any, Array]:
        state = sample(so_far[0])
        return state, so_far[1] | (state.diverging & (state.i > warmup))

    # the warm-up goes before the first draw, so that a sampler's long program is compiled once
    steps = thinning + warmup * (np.arange(draws) == 0)
    _, found = jax.lax.scan(draw, state, steps)
    return found


def potential_of(load: Load, blocks: Blocks, rows: Rows) -> Callable[[Array], Array]:
    """|u|^2/2 - log L(u)."""

    def ground(u: Array) -> tuple[Array, Array]:
        value, gradient = slope(load.template, u, rows, load.grid, blocks)
        return 0.5 * jnp.sum(u**2) - value, u - gradient

    return with_gradient(ground)


def with_gradient(ground: Callable[[Array], tuple[Array, Array]]) -> Callable[[Array], Array]:
    """u [*G, D] -> values [*G], of a ground that gives them together with their gradients [*G, D].

    (Loops over blocks have no reverse mode.)
    """

    @jax.custom_jvp
    def value(u: Array) -> Array:
        return ground(u)[0]

    @value.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        found, gradient = ground(*primals)
        return found, jnp.sum(gradient * tangents[0], axis=-1)

    return value
