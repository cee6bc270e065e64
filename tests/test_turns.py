"""Lanes that take turns on a few places end as they do alone, and whoever has ended keeps no place."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmpower.numerics.turns import take_turns


@functools.partial(jax.jit, static_argnames="places")
def collatz(numbers, most_steps, places):
    """Where each number has come to, and after how many steps, when it is 1 or has made its most steps."""

    def step(lanes, states):
        number, steps = states
        return jnp.where(number % 2 == 0, number // 2, 3 * number + 1), steps + 1

    def running(lanes, states):
        number, steps = states
        return (number > 1) & (steps < most_steps[lanes])

    return take_turns(step, running, (numbers, jnp.zeros_like(numbers)), places=places)


def alone(number, most_steps):
    steps = 0
    while number > 1 and steps < most_steps:
        number, steps = (number // 2 if number % 2 == 0 else 3 * number + 1), steps + 1
    return number, steps


@pytest.mark.parametrize("places", [1, 3, 8, 20])
@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 150)), min_size=20, max_size=20))
def test_every_lane_ends_as_alone(places, lanes):
    numbers, most_steps = (jnp.asarray(each, jnp.int32) for each in zip(*lanes, strict=True))
    ended = np.stack(collatz(numbers, most_steps, places), axis=-1)
    np.testing.assert_array_equal(ended, [alone(*lane) for lane in lanes])


def test_a_place_is_not_kept_by_a_lane_that_has_ended():
    needed = jnp.array([0, 40, 0, 1, 1, 1, 0, 1, 5, 5, 9, 9, 1, 20, 0, 7])
    served = []

    def step(lanes, steps):
        served.append(np.asarray(lanes))
        return steps + 1

    with jax.disable_jit():  # so that every round calls ``step``
        steps = take_turns(
            step, lambda lanes, steps: steps < needed[lanes], jnp.zeros_like(needed), places=4
        )
    np.testing.assert_array_equal(steps, needed)
    # the longest lane is among the first, and the other three places do all the rest in its time
    assert len(served) == 40
    # who has nothing to do never has a place
    assert not np.isin(np.concatenate(served), np.flatnonzero(needed == 0)).any()


def test_lanes_that_are_not_running_stay_as_they_are():
    numbers = jnp.array([7, 1, 9, 1])
    ended, steps = collatz(numbers, jnp.zeros(4, int), 2)
    np.testing.assert_array_equal(ended, numbers)
    np.testing.assert_array_equal(steps, 0)
