"""Loops of unequal length on a few places: whoever has ended makes room for the next one waiting.

A loop of many lanes side by side ends with the slowest of them, and all others wait. Here a place is never
kept by a lane that has ended, so what a lane costs depends little on how many there are, or how unlike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

T = TypeVar("T")


def take_turns(
    step: Callable[[Int[Array, " K"], T], T],
    running: Callable[[Int[Array, " K"], T], Bool[Array, " K"]],
    states: T,
    *,
    places: int,
) -> T:
    """Every lane's state once it is no longer running; so many ``places`` step at the same time.

    Args:
        step: lanes by number, and their states, to their states after one step.
        running: the same to whether they go on; those that do not at the beginning stay as they are.
        states: of all lanes, each leaf with a leading axis.
        places: K, no more than there are lanes.
    """
    everyone = jnp.arange(len(jax.tree.leaves(states)[0]), dtype=jnp.int32)
    waiting = running(everyone, states)
    queue, length = jnp.argsort(~waiting, stable=True).astype(jnp.int32), jnp.sum(waiting, dtype=jnp.int32)

    def everywhere(now: tuple[T, Array, Array]) -> tuple[T, Array, Array]:
        states, turns, following = now
        # a place that nobody is left for works on the last lane, and nobody looks at it
        lanes = queue[jnp.minimum(turns, length - 1)]
        after = step(lanes, jax.tree.map(lambda leaf: leaf[lanes], states))
        taken = turns < length
        target = jnp.where(taken, lanes, everyone.size)
        states = jax.tree.map(lambda leaf, new: leaf.at[target].set(new, mode="drop"), states, after)
        ended = taken & ~running(lanes, after)
        turns = jnp.where(ended, following + jnp.cumsum(ended, dtype=jnp.int32) - 1, turns)
        return states, turns, following + jnp.sum(ended, dtype=jnp.int32)

    first = jnp.arange(places, dtype=jnp.int32)
    begin: Any = (states, first, jnp.int32(places))
    return jax.lax.while_loop(lambda now: jnp.any(now[1] < length), everywhere, begin)[0]
