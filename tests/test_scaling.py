"""Slopes of log(-log pass@k): in a window, at a point, and what they tend to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln

from lmpower.difficulty import Beta, Kumaraswamy, Scaled
from lmpower.scaling import SLOPE_POINTS, line_through, local_slope, window_slope

F = np.float64


def beta_curve(alpha: float, beta: float, ks: np.ndarray) -> np.ndarray:
    """log(-log pass@k) of Beta's closed form, by SciPy."""
    return np.log(-np.log(-np.expm1(betaln(alpha, beta + ks) - betaln(alpha, beta))))


@pytest.mark.parametrize("points", [2, SLOPE_POINTS])
@pytest.mark.parametrize(("low", "high"), [(1, 100), (100, 1e4)])
def test_window_slope_is_numpy_s_straight_line(low, high, points):
    ks = np.geomspace(low, high, points)
    line = np.polyfit(np.log(ks), beta_curve(0.3, 5.0, ks), 1)
    ours = window_slope(Beta(F(0.3), F(5.0)), low, high, points)
    np.testing.assert_allclose(ours, -line[0], rtol=1e-9)


def test_a_window_s_slope_is_no_tail_exponent_until_far_out():
    law = Beta(F(0.3), F(5.0))
    assert abs(window_slope(law, 1, 100) - 0.3) > 0.05
    np.testing.assert_allclose(window_slope(law, 1e30, 1e32), 0.3, rtol=1e-6)


def test_window_slope_of_a_batch():
    alphas, betas = np.array([0.2, 0.9]), np.array([3.0, 30.0])
    ours = window_slope(Beta(alphas, betas), 1, 1000)
    one_by_one = [window_slope(Beta(F(a), F(b)), 1, 1000) for a, b in zip(alphas, betas, strict=True)]
    np.testing.assert_allclose(ours, one_by_one, rtol=1e-12)


def test_line_through_a_law_is_numpy_s_straight_line():
    ks = np.array([1, 3, 10, 200])
    slope, log_a = np.polyfit(np.log(ks), beta_curve(0.3, 5.0, ks), 1)
    np.testing.assert_allclose(line_through(Beta(F(0.3), F(5.0)), ks), (np.exp(log_a), -slope), rtol=1e-9)
    batch = line_through(Beta(np.array([0.3, 0.6]), np.array([5.0, 2.0])), ks)
    np.testing.assert_allclose([each[0] for each in batch], (np.exp(log_a), -slope), rtol=1e-9)


def test_a_line_needs_two_budgets():
    with pytest.raises(ValueError, match=r"at least 2 different k, not \[5, 5\]"):
        line_through(Beta(F(0.3), F(5.0)), [5, 5])
    with pytest.raises(ValueError, match="whole number from 1"):
        line_through(Beta(F(0.3), F(5.0)), [0, 5])


def test_local_slope_is_the_derivative():
    ks = np.array([3.0, 100.0, 1e5])
    h = 1e-4
    rise = beta_curve(0.3, 5.0, ks * np.exp(h)) - beta_curve(0.3, 5.0, ks * np.exp(-h))
    np.testing.assert_allclose(local_slope(Beta(F(0.3), F(5.0)), ks), -rise / (2 * h), rtol=1e-5)


@pytest.mark.parametrize("law", [Beta(F(0.3), F(5.0)), Scaled(Kumaraswamy(F(0.6), F(2.0)), F(0.1))])
def test_local_slope_tends_to_the_tail_exponent(law):
    np.testing.assert_allclose(local_slope(law, [1e30]), law.tail().exponent, rtol=1e-6)


def test_what_is_out_of_range_is_repeated():
    law = Beta(F(0.3), F(5.0))
    with pytest.raises(ValueError, match="1 <= k_low < k_high, not 10 to 10"):
        window_slope(law, 10, 10)
    with pytest.raises(ValueError, match=r"not 0\.5 to 10"):
        window_slope(law, 0.5, 10)
    with pytest.raises(ValueError, match="at least 2 points, not 1"):
        window_slope(law, 1, 10, points=1)
    with pytest.raises(ValueError, match="k must be positive, not -3"):
        local_slope(law, [1, -3])
