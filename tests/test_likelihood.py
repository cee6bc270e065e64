"""Counts scored under a difficulty: exact, expanded, binned."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from scipy import stats

from lmpower.counts import Counts, Rows, stack_rows
from lmpower.difficulty import Beta, Kumaraswamy, Scaled, ZeroInflated
from lmpower.difficulty.named import family_named
from lmpower.fit.surface import reach_of
from lmpower.likelihood import (
    Blocks,
    binned_log_likelihood,
    expand,
    log_likelihood,
    log_moments_on_points,
    normalised,
    scores_on_points,
    slope,
    value_on_points,
)
from lmpower.likelihood.terms import moved_by
from lmpower.numerics.grid import filled_up, shared_grid
from lmpower.prior import Whitened, default_prior

F = np.float64
ATTEMPTS = np.array([50] * 12 + [80, 20, 7, 100])
SUCCESSES = np.array([0, 0, 0, 0, 1, 1, 2, 5, 9, 15, 20, 30, 0, 3, 7, 61])
COUNTS = Counts(attempts=ATTEMPTS, successes=SUCCESSES)
ROWS = COUNTS.rows()
GRID, ROUGH_GRID = (shared_grid(reach_of(ROWS), refinement) for refinement in (1.5, 1.0))
SPAN_GRID = shared_grid(reach_of(ROWS), 1.5, True)
LONG_GRID = filled_up(GRID, 512)

LAWS = {
    "beta": Beta(F(0.3), F(3.0)),
    "scaled_kumaraswamy": Scaled(Kumaraswamy(F(0.7), F(1.5)), F(0.8)),
    "zero_inflated_beta": ZeroInflated(Beta(F(0.4), F(2.0)), F(0.15)),
}


@pytest.mark.parametrize("family", LAWS)
def test_log_likelihood_is_scipy_s(family):
    law = LAWS[family]
    # by name, since the oracle wants alpha, beta[, c | pi0]
    named = law.parameters()
    parameters = [named[name] for name in oracle.PARAMETERS[family]]
    truth = oracle.log_likelihood(family, parameters, ATTEMPTS, SUCCESSES)
    ours = log_likelihood(law, ROWS) + np.sum(ROWS.weight * ROWS.log_choose)
    np.testing.assert_allclose(ours, truth, rtol=1e-11)


def test_log_likelihood_of_a_beta_binomial():
    truth = np.sum(stats.betabinom.logpmf(SUCCESSES, ATTEMPTS, 0.3, 3.0))
    ours = log_likelihood(LAWS["beta"], ROWS) + np.sum(ROWS.weight * ROWS.log_choose)
    np.testing.assert_allclose(ours, truth, rtol=1e-11)


def test_unstopped_rows_are_told_by_weight():
    assert len(ROWS.weight) < len(ATTEMPTS)
    assert np.sum(ROWS.weight) == len(ATTEMPTS)


@pytest.mark.parametrize("family", LAWS)
def test_expand_is_the_log_likelihood_and_its_derivatives(family):
    template = LAWS[family]
    with jax.enable_x64(True):
        rows = jax.tree.map(jnp.asarray, ROWS)
        theta = jax.tree.map(jnp.asarray, template).to_search()

        def height(t):
            return log_likelihood(template.from_search(t), rows)

        @jax.jit
        def both(t):
            def slope(u):
                first, value = jax.jacfwd(lambda v: (height(v),) * 2, has_aux=True)(u)
                return first, (value, first)

            bend, (value, first) = jax.jacfwd(slope, has_aux=True)(t)
            scores = scores_on_points(template, t, rows, GRID)
            return expand(template, t, rows, GRID), scores, value, first, bend

        ours, scores, value, gradient, hessian = jax.tree.map(np.asarray, both(theta))
    np.testing.assert_allclose(ours.value, value, rtol=1e-9)
    np.testing.assert_allclose(ours.gradient, gradient, atol=1e-8 * np.max(np.abs(gradient)))
    np.testing.assert_allclose(ours.hessian, hessian, atol=1e-7 * np.max(np.abs(hessian)))
    np.testing.assert_allclose(ROWS.weight @ scores, ours.gradient, rtol=1e-11)
    np.testing.assert_array_equal(ours.hessian, ours.hessian.T)


TEMPLATES = {
    name: family_named(name)
    for name in (
        "beta",
        "scaled-kumaraswamy",
        "zero-inflated-beta",
        "uniform",
        "continuous-bernoulli",
        "reciprocal",
        "discrete-2",
    )
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_slope_is_the_value_and_gradient_of_the_expansion(name):
    """The gradient that chains follow."""
    template = TEMPLATES[name]
    whitened = Whitened(template, default_prior(template))
    size = len(whitened.box.names)

    def both(u):
        there = expand(whitened, u, ROWS, SPAN_GRID)
        return (there.value, there.gradient), slope(whitened, u, ROWS, SPAN_GRID)

    with jax.enable_x64(True):
        run = jax.jit(both)
        for place in (np.zeros(size), np.random.default_rng(size).normal(size=size)):
            expanded, ours = jax.tree.map(np.asarray, run(place))
            np.testing.assert_allclose(ours[0], expanded[0], rtol=1e-13)
            np.testing.assert_allclose(ours[1], expanded[1], rtol=1e-9, atol=1e-9)


def test_padding_rows_do_nothing():
    padded = stack_rows([ROWS], multiple=40)
    padded = jax.tree.map(lambda leaf: leaf[0], padded)
    assert len(padded.weight) == 40
    law = LAWS["beta"]
    np.testing.assert_allclose(log_likelihood(law, padded), log_likelihood(law, ROWS), rtol=1e-15)
    with jax.enable_x64(True):
        run = jax.jit(lambda rows: expand(law, jnp.log(jnp.array([0.3, 3.0])), rows, ROUGH_GRID))
        full, bare = run(padded), run(ROWS)
        for field in ("value", "gradient", "hessian"):
            np.testing.assert_allclose(
                np.asarray(getattr(full, field)), np.asarray(getattr(bare, field)), rtol=1e-12
            )


def test_an_impossible_padding_row_cannot_spoil_the_sum():
    rows = Rows(np.array([1.0, np.inf]), np.array([3.0, 0.0]), np.array([2.0, 0.0]))
    assert np.isfinite(log_likelihood(LAWS["beta"], rows))


def test_moments_on_points_are_the_moments():
    law = LAWS["scaled_kumaraswamy"]
    with jax.enable_x64(True):
        rows, there = jax.tree.map(jnp.asarray, (ROWS, law))
        ours = jax.jit(lambda d, r: log_moments_on_points(d, r, GRID))(there, rows)
        ours = np.asarray(ours)
    np.testing.assert_allclose(ours, law.log_moment(ROWS.successes, ROWS.failures), atol=1e-9)


@pytest.mark.parametrize("family", LAWS)
def test_blocks_of_rows_and_nodes_add_up(family):
    law, padded = LAWS[family], jax.tree.map(lambda leaf: leaf[0], stack_rows([ROWS], multiple=64))
    used = -(-ROWS.weight.size // 8)
    with jax.enable_x64(True):
        theta = jax.tree.map(jnp.asarray, law).to_search()
        whole = jax.jit(lambda t, rows: expand(law, t, rows, GRID))(theta, ROWS)

        def taken(n):
            return Blocks(8, 32, n, GRID.nodes.log_x.size // 32)

        blocks = jax.jit(lambda t, rows, n: expand(law, t, rows, LONG_GRID, taken(n)))
        value = jax.jit(lambda rows, n: value_on_points(law, rows, LONG_GRID, taken(n)))
        for name, one, all_of_it in zip(whole._fields, blocks(theta, padded, used), whole, strict=True):
            np.testing.assert_allclose(one, all_of_it, rtol=1e-11, err_msg=name)
        np.testing.assert_allclose(value(padded, used), whole.value, rtol=1e-13)
        # blocks that are not used cost nothing, and count for nothing
        np.testing.assert_array_equal(value(padded, used), value(padded, 8))


FAMILIES = ("beta", "scaled-kumaraswamy", "zero-inflated-scaled-beta", "uniform", "discrete-3")


@pytest.mark.parametrize("name", FAMILIES)
def test_what_moves_the_points_is_told_from_what_does_not(name):
    template = family_named(name)
    size = len(template.box.names)

    def cloud(*t):
        return template.from_search(t).points(ROUGH_GRID)

    theta = [jnp.asarray(0.1 * d - 0.6) for d in range(size)]
    moves = moved_by(cloud, theta)
    slopes = jax.jacfwd(cloud, argnums=tuple(range(size)))(*theta)
    for part, told in zip(slopes, moves, strict=True):
        assert {d for d in range(size) if np.any(np.asarray(part[d]) != 0)} <= told


def test_only_c_moves_the_points_of_a_scaled_law():
    template = family_named("scaled-kumaraswamy")
    theta = [jnp.zeros(())] * 3
    assert moved_by(lambda *t: template.from_search(t).points(ROUGH_GRID), theta) == [{2}, {2}, {0, 1}]


@pytest.mark.parametrize("family", LAWS)
def test_a_compiled_cloud_is_the_cloud(family):
    """Guards against a constant of a compiled program that is written to after it was traced."""
    law = LAWS[family]
    with jax.enable_x64(True):
        compiled, bare = jax.jit(lambda d: d.points(ROUGH_GRID))(law), law.points(ROUGH_GRID)
    for ours, theirs in zip(compiled, bare, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-12)


EDGES = np.concatenate([[0.0], np.logspace(-2, 0, 11)])


def test_binned_log_likelihood_is_the_histogram_s_under_scipy_s_cdf():
    problems, _ = np.histogram(SUCCESSES / ATTEMPTS, EDGES)
    mass = np.diff(stats.beta.cdf(EDGES, 0.3, 3.0))
    truth = np.sum(problems * np.log(mass))
    ours = binned_log_likelihood(LAWS["beta"], EDGES, problems)
    np.testing.assert_allclose(ours, truth, rtol=1e-9)


def test_an_empty_bin_without_mass_costs_nothing():
    law = Scaled(Beta(F(0.3), F(3.0)), F(0.1))
    problems = np.zeros(len(EDGES) - 1)
    problems[:3] = 4.0
    assert np.isfinite(binned_log_likelihood(law, EDGES, problems))


def test_narrow_laws_are_scored_relative_to_the_mass_that_a_grid_sees():
    batch = stack_rows([ROWS, Counts(attempts=[30] * 8, successes=[0] * 8).rows()])
    many = jax.tree.map(lambda leaf: leaf[1], normalised(batch))
    assert many.weight[0] == -8
    coarse = shared_grid(reach_of(batch), 0.75)
    with jax.enable_x64(True):
        narrow, wide = Beta(F(98.0), F(1.6e5)), LAWS["beta"]
        assert value_on_points(narrow, jax.tree.map(lambda leaf: leaf[1:], many), coarse) > 1.0
        assert value_on_points(narrow, many, coarse) < 0.0
        # a law that the grid resolves is scored as before
        mine = jax.tree.map(lambda leaf: leaf[0], normalised(batch))
        there = value_on_points(wide, mine, GRID)
        np.testing.assert_allclose(there, value_on_points(wide, ROWS, GRID), rtol=1e-9)
