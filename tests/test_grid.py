"""Grids: every kernel within their reach, to the accuracy promised; and filled up without a trace."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from lmpower.difficulty.named import family_named
from lmpower.numerics.grid import MULTIPLE, Reach, filled_up, shared_grid

REACHES = [Reach(100, 100), Reach(50, 10_000), Reach(5_000, 5_000)]


# Kernels dying out before the window's ends, so that the nodes alone must carry them
@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize(("refinement", "accuracy"), [(1.0, 5e-6), (1.5, 1e-10)])
def test_a_shared_grid_resolves_every_kernel_within_its_reach(reach, refinement, accuracy):
    log_x, log_y, log_weight = shared_grid(reach, refinement).nodes
    assert np.all(np.diff(log_x) > 0)
    np.testing.assert_allclose(np.exp(log_x) + np.exp(log_y), 1, rtol=1e-14)
    kernels = [
        (s, f)
        for s in (4, 20, reach.successes // 2, reach.successes)
        for f in (6, 50, reach.failures // 2, reach.failures)
    ]
    s, f = np.array(kernels, float).T
    # dx = x (1-x) dw: the integral of x^s (1-x)^f dw is B(s, f)
    ours = np.logaddexp.reduce(s[:, None] * log_x + f[:, None] * log_y + log_weight, axis=1)
    np.testing.assert_allclose(ours, special.betaln(s, f), rtol=0, atol=accuracy)


@pytest.mark.parametrize("reach", REACHES)
def test_a_span_resolves_every_kernel_of_a_law_that_ends_within(reach):
    share, log_weight = shared_grid(reach, 1.5, span=True).span
    low, high = np.log(1e-6), np.log(0.5)
    y = low + (high - low) * share
    for s, f in ((0, 0), (1, reach.failures), (40, 3), (reach.successes, reach.failures)):
        ours = np.logaddexp.reduce(s * y + f * np.log1p(-np.exp(y)) + log_weight) + np.log(high - low)
        # p^s (1-p)^f over log p is an incomplete beta integral
        if s:
            part = special.betainc(s, f + 1, 0.5) - special.betainc(s, f + 1, 1e-6)
            truth = special.betaln(s, f + 1) + np.log(part)
        else:
            truth = np.log(high - low)
        np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-9)


def test_few_nodes_serve_a_hundred_attempts():
    assert shared_grid(Reach(100, 100)).nodes.log_x.size == 2 * MULTIPLE


def test_a_grid_that_memory_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="ask for fewer attempts"):
        shared_grid(Reach(100, 10**17), span=True)
    assert shared_grid(Reach(100, 10**17)).span.size == 0


def test_a_grid_is_never_written_to():
    """Guards against a constant of a compiled program that is written to after it was traced."""
    grid = shared_grid(REACHES[0])
    for part in (*grid.nodes, grid.ends, grid.span):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0


@pytest.mark.parametrize("name", ["scaled-beta", "zero-inflated-kumaraswamy", "reciprocal", "discrete-2"])
def test_filling_up_changes_nothing(name):
    grid = shared_grid(REACHES[0], span=True)
    longer = filled_up(grid, 512)
    assert longer.nodes.log_x.size == 512
    law = family_named(name)
    with jax.enable_x64(True):

        def moment(grid, s, f):
            log_p, log_q, log_weight = law.points(grid)
            return jax.nn.logsumexp(s * log_p + f * log_q + log_weight)

        for s, f in ((0.0, 30.0), (7.0, 90.0)):
            np.testing.assert_allclose(
                jnp.asarray(moment(longer, s, f)), moment(grid, s, f), rtol=1e-13, err_msg=f"{s}, {f}"
            )


def test_a_reach_holds_its_kernels_and_little_more():
    s, f = (np.ravel(each) for each in np.meshgrid(*[[0, 1, 99, 100, 101, 1000, 10_001, 10**9]] * 2))
    found = Reach.of_each(s, f)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(found.values()))), np.arange(s.size))
    for reach, those in found.items():
        assert {reach} == {Reach.holding(s[i], f[i]) for i in those}  # each alone
        assert np.all(s[those] <= reach.successes)
        assert np.all(f[those] <= reach.failures)
        assert np.all(reach.failures <= np.maximum(10 * f[those], 100))
        assert np.all(reach.successes <= np.maximum(100 * s[those], 1000))
