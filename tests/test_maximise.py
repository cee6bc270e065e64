"""Damped Newton ascent in a box, on surfaces whose maximum is known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lmpower.numerics.maximise import (
    CONVERGED,
    RUNNING,
    ascend,
    begin,
    free_coordinates,
    masked,
    solve_positive,
)

CURVATURE = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, -0.4], [0.2, -0.4, 1.0]])
TOP = np.array([0.5, -1.0, 2.0])


def climb(height, start, lower, upper, most_steps=60):
    """From ``start`` to the top of ``height`` in the box, everything in float64."""

    def surface(theta):
        return height(theta), jax.grad(height)(theta), jax.hessian(height)(theta)

    with jax.enable_x64(True):
        start, lower, upper = (jnp.asarray(x, jnp.float64) for x in (start, lower, upper))
        end = jax.jit(lambda z: ascend(surface, begin(z), lower, upper, most_steps))(start)
        return jax.tree.map(np.asarray, end)


def quadratic(theta):
    return -0.5 * (theta - TOP) @ CURVATURE @ (theta - TOP)


def test_a_quadratic_is_climbed_to_its_top():
    end = climb(quadratic, np.zeros(3), [-9.0] * 3, [9.0] * 3)
    assert end.status == CONVERGED
    np.testing.assert_allclose(end.theta, TOP, atol=1e-4)
    np.testing.assert_allclose(end.value, 0, atol=1e-8)
    np.testing.assert_allclose(end.hessian, -CURVATURE, atol=1e-12)


def test_a_maximum_on_the_boundary_is_reached_exactly_and_recognised():
    lower, upper = [-9.0, -9.0, -9.0], [9.0, 9.0, 1.0]  # the top has its last coordinate at 2
    end = climb(quadratic, np.zeros(3), lower, upper)
    assert end.status == CONVERGED
    assert end.theta[2] == 1.0
    # on the face, the other two solve their own quadratic
    rest = TOP[:2] - np.linalg.solve(CURVATURE[:2, :2], CURVATURE[:2, 2] * (1.0 - TOP[2]))
    np.testing.assert_allclose(end.theta[:2], rest, atol=1e-4)
    assert end.gradient[2] > 0
    free = free_coordinates(end, np.array(lower), np.array(upper))
    np.testing.assert_array_equal(free, [True, True, False])


def test_a_maximum_in_a_corner():
    end = climb(lambda z: z[0] - 2 * z[1], np.zeros(2), [-1.0, -3.0], [2.0, 4.0])
    assert end.status == CONVERGED
    np.testing.assert_array_equal(end.theta, [2.0, -3.0])


def test_a_start_beyond_a_bound_that_is_not_the_maximum_moves_inside():
    end = climb(quadratic, [9.0, 9.0, 9.0], [-9.0] * 3, [9.0] * 3)
    np.testing.assert_allclose(end.theta, TOP, atol=1e-4)


@pytest.mark.parametrize("start", [(-3.0, 2.5), (0.05, -0.05), (6.0, -6.0)])
def test_a_start_where_the_surface_is_not_concave(start):
    def height(z):  # convex further than 1.3 from (1, -1), and falling on towards infinity
        return jnp.exp(-0.3 * ((z[0] - 1) ** 2 + (z[1] + 1) ** 2)) - 0.01 * jnp.log1p(z @ z)

    end = climb(height, start, [-8.0] * 2, [8.0] * 2)
    assert end.status == CONVERGED
    np.testing.assert_allclose(end.gradient, 0, atol=1e-4)
    assert np.all(np.linalg.eigvalsh(end.hessian) < 0)


def test_going_on_is_the_same_as_never_having_stopped():
    def height(z):
        return -jnp.log(jnp.cosh(z[0] - 3)) - 0.1 * (z[1] - z[0] ** 2) ** 2

    def surface(z):
        return height(z), jax.grad(height)(z), jax.hessian(height)(z)

    with jax.enable_x64(True):
        lower, upper = jnp.full(2, -20.0), jnp.full(2, 20.0)
        run = jax.jit(lambda s: ascend(surface, s, lower, upper, 3))
        whole = jax.jit(lambda s: ascend(surface, s, lower, upper, 60))(begin(jnp.zeros(2)))
        state = begin(jnp.zeros(2))
        for _ in range(20):
            state = run(state)
    assert whole.status == CONVERGED
    assert whole.steps > 3
    np.testing.assert_array_equal(state.theta, whole.theta)
    assert state.steps == whole.steps


def test_most_steps_is_kept_and_leaves_it_running():
    end = climb(quadratic, np.full(3, 8.0), [-9.0] * 3, [9.0] * 3, most_steps=2)
    assert end.status == RUNNING
    assert end.steps == 2


def test_a_surface_without_a_finite_value_is_never_called_converged():
    end = climb(lambda z: jnp.nan * z[0], np.zeros(1), [-1.0], [1.0])
    assert end.status != CONVERGED


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_solve_positive_is_a_linear_solve_where_the_matrix_is_positive_definite(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(20, size, size))
    matrix = root @ np.swapaxes(root, 1, 2) + 0.1 * np.eye(size)
    right = rng.normal(size=(20, size))
    with jax.enable_x64(True):
        ours = jax.jit(jax.vmap(solve_positive))(jnp.asarray(matrix), jnp.asarray(right))
    np.testing.assert_allclose(ours, np.linalg.solve(matrix, right[..., None])[..., 0], rtol=1e-8)


def test_solve_positive_points_uphill_where_it_is_not():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(200, 3, 3))
    matrix, right = half + np.swapaxes(half, 1, 2), rng.normal(size=(200, 3))
    with jax.enable_x64(True):
        step = jax.jit(jax.vmap(solve_positive))(jnp.asarray(matrix), jnp.asarray(right))
        step = np.asarray(step)
    assert np.all(np.sum(step * right, axis=1) > 0)


def test_masked_leaves_the_held_coordinate_alone():
    free = np.array([True, False, True])
    ours = np.asarray(masked(jnp.asarray(CURVATURE), jnp.asarray(free)))
    np.testing.assert_allclose(ours[np.ix_(free, free)], CURVATURE[np.ix_(free, free)], rtol=1e-6)
    np.testing.assert_array_equal(ours[1], [0, 1, 0])
    np.testing.assert_array_equal(ours[:, 1], [0, 1, 0])
