"""Chains of the model that groups share, each by itself on a CPU, side by side elsewhere."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int
from numpyro.infer.util import constrain_fn, potential_energy

from lmpower.counts import Rows
from lmpower.fit.devices import devices, elsewhere
from lmpower.fit.lanes import Lanes
from lmpower.likelihood import normalised
from lmpower.numerics.grid import FINE, FINEST
from lmpower.posterior.draws import Posterior
from lmpower.posterior.nuts import Chains, one_chain
from lmpower.posterior.sample import off_the_grid
from lmpower.posterior.shared_model import Task, model, task_of
from lmpower.prior import Whitened

CHAINS, _WARMUP = 4, 150
# NumPyro's handlers are a stack that all threads share: one at a time may look at the model.
_LOOKING = threading.Lock()


class Found(NamedTuple):
    """Of C chains of S draws: [C, S, ..]."""  # NumPy's on the host, JAX's in the program: hence Any

    u: Any
    log_likelihood: Any
    shared: Any
    middle: Any
    slope: Any
    divergent: Any


def chains_of(
    rows: Rows,
    family: Whitened,
    alone: Posterior,
    raised: np.ndarray | None,
    words: np.ndarray,
    draws: int,
    thinning: int,
) -> Found:
    """The chains, on a finer grid where what they find is too narrow for the first."""
    size, rows = len(family.prior.names), normalised(rows)
    lanes = Lanes.over(rows, family, np.stack([np.zeros(size), np.ones(size)]))
    rng = np.random.default_rng([*words.tolist(), 0, 3])
    every = size + (raised is not None) + alone.u.shape[0] * size
    # as wide as what they will find, or wider
    start = {"e": rng.normal(size=(CHAINS, every)), "shared": rng.logistic(size=(CHAINS, size))}
    seeds = rng.integers(2**32, size=(CHAINS, 2), dtype=np.uint32)
    for refinement in (FINE, FINEST):
        found = _run(
            task_of(rows, family, alone, raised, refinement), start, seeds, draws // CHAINS, thinning
        )
        u, log_likelihood = (np.moveaxis(each, 2, 0) for each in (found.u, found.log_likelihood))
        if refinement == FINEST or not np.any(off_the_grid(lanes, Chains(u, log_likelihood, None))):
            break
    return found


def _run(task: Task, start: dict[str, np.ndarray], seeds: np.ndarray, draws: int, thinning: int) -> Found:
    """All chains: on a CPU each by itself, so that none waits for another; else side by side."""
    parts = np.split(np.arange(CHAINS), CHAINS if devices()[0].platform == "cpu" else 1)

    def arguments(index: np.ndarray) -> tuple[Any, ...]:
        return task, {name: leaf[index] for name, leaf in start.items()}, seeds[index], np.int64(thinning)

    def job(index: np.ndarray) -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, _chains(*arguments(index), draws=draws))

    with _LOOKING, jax.enable_x64(True):
        _chains.trace(*arguments(parts[0]), draws=draws)
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(elsewhere(functools.partial(job, index))) for index in parts]
        done = [each.result() for each in waiting]
    return Found(*(np.concatenate(leaf) for leaf in zip(*done, strict=True)))


@functools.partial(jax.jit, static_argnames=("draws",))
def _chains(
    task: Task, start: dict[str, Array], seeds: Int[Array, "C W"], thinning: Array, *, draws: int
) -> Found:
    def kept(state: Any) -> dict[str, Array]:
        return constrain_fn(model, (task,), {}, state.z, return_deterministic=True)

    def chain(start: dict[str, Array], seed: Array) -> Found:
        def potential(z: dict[str, Array]) -> Array:
            return potential_energy(model, (task,), {}, z)

        found, divergent = one_chain(potential, start, seed, kept, _WARMUP, draws, thinning)
        return Found(**{name: found[name] for name in Found._fields[:-1]}, divergent=divergent)

    if seeds.shape[0] > 1:
        return jax.vmap(chain)(start, seeds)
    # (a program of one chain is shorter without a batch, in which every choice computes both ways)
    one = chain(*jax.tree.map(lambda leaf: leaf[0], (start, seeds)))
    return jax.tree.map(lambda leaf: leaf[None], one)
