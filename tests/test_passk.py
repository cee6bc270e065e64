"""passk.py against exact fractions, every subset of attempts, and 60-digit arithmetic."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmpower.counts import Counts, CountsError
from lmpower.passk import batch_size, check_ks, log_fail_at_k, pass_at_k, stopped_pass_at_k


def exact_pass(n: int, s: int, k: int) -> Fraction:
    return 1 - Fraction(math.comb(n - s, k), math.comb(n, k))


def exact_log_fail(n: int, s: int, k: int) -> mpmath.mpf:
    with mpmath.workdps(60):
        log = mpmath.loggamma
        return log(n - s + 1) + log(n - k + 1) - log(n - s - k + 1) - log(n + 1)


@st.composite
def tried(draw: st.DrawFn, most: int = 10**9) -> tuple[int, int, int]:
    """(n, s, k) with s, k >= 1 and s + k <= n, over all orders of magnitude."""
    n = draw(st.integers(2, 10 ** draw(st.integers(1, round(math.log10(most))))))
    s = draw(st.integers(1, min(n - 1, 10 ** draw(st.integers(0, 9)))))
    k = draw(st.integers(1, min(n - s, 10 ** draw(st.integers(0, 9)))))
    return (n, s, k) if draw(st.booleans()) else (n, k, s)


def test_the_estimate_is_the_share_of_subsets_with_a_success() -> None:
    for n, s in itertools.product(range(1, 8), range(8)):
        for k in range(1, n + 1):
            if s <= n:
                subsets = list(itertools.combinations([True] * s + [False] * (n - s), k))
                share = sum(map(any, subsets)) / len(subsets)
                result = pass_at_k(Counts([n], [s]), k)
                assert result.estimate[0] == pytest.approx(share, rel=1e-14, abs=0)
                assert result.failure[0] == pytest.approx(1 - share, rel=1e-13, abs=1e-16)


def test_every_small_count_is_exact() -> None:
    for n in range(1, 41):
        s, k = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
        logs = log_fail_at_k(n, s, k)
        for log, s_i, k_i in zip(logs.tolist(), s.tolist(), k.tolist(), strict=True):
            ways = math.comb(n - s_i, k_i)
            ratio = Fraction(ways, math.comb(n, k_i))
            if ways == 0:
                assert log == -math.inf
            elif ratio == 1:
                assert log == 0
            else:
                exact = float(mpmath.log(mpmath.mpf(ratio.numerator) / ratio.denominator))
                assert log == pytest.approx(exact, rel=5e-15, abs=0)


@settings(max_examples=500)
@given(tried())
def test_nothing_is_lost_up_to_a_billion_attempts(counted: tuple[int, int, int]) -> None:
    n, s, k = counted
    log_fail = exact_log_fail(n, s, k)
    assert float(log_fail_at_k(n, s, k)) == pytest.approx(float(log_fail), rel=5e-15, abs=0)
    result = pass_at_k(Counts([n], [s]), [k])
    with mpmath.workdps(60):
        passed, failed = float(-mpmath.expm1(log_fail)), float(mpmath.exp(log_fail))
        log_passed = float(mpmath.log1p(-mpmath.exp(log_fail)))
    assert result.estimate[0] == pytest.approx(passed, rel=1e-12, abs=0)
    assert result.failure[0] == pytest.approx(failed, rel=1e-12, abs=1e-300)
    assert result.log_estimate[0] == pytest.approx(log_passed, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize(
    ("n", "s", "k"),
    [
        (10**9, 1, 1),  # pass@k = 1e-9
        (10**9, 1, 10**9 - 1),  # 1 - pass@k = 1e-9
        (10**9, 5, 10**9 // 2),
        (10**9, 10**9 // 2, 500),  # 1 - pass@k = 1e-151
        (10**9, 10**9 - 10**5, 10**5),  # the last subset of failures
        (2**53, 2**40, 2**12),
    ],
)
def test_extremes(n: int, s: int, k: int) -> None:
    exact = float(exact_log_fail(n, s, k))
    assert float(log_fail_at_k(n, s, k)) == pytest.approx(exact, rel=5e-15, abs=0)


def test_arguments_broadcast() -> None:
    table = log_fail_at_k(np.array([10, 20]), np.array([[1], [2], [3]]), 4)
    assert table.shape == (3, 2)
    assert table[1, 1] == log_fail_at_k(20, 2, 4)


counted_alike = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=2, max_size=12), st.integers(1, n))
)


@given(counted_alike)
def test_mean_and_standard_error_over_problems(drawn: tuple[int, list[int], int]) -> None:
    n, successes, k = drawn
    result = pass_at_k(Counts([n] * len(successes), successes), [k, 1])
    each = [exact_pass(n, s, k) for s in successes]
    np.testing.assert_allclose(result.per_problem[:, 0], np.array(each, float), rtol=1e-13, atol=1e-16)
    assert result.per_problem.shape == (len(successes), 2)
    mean = sum(each) / len(each)
    assert result.estimate[0] == pytest.approx(float(mean), rel=1e-13, abs=1e-16)
    variance = sum((e - mean) ** 2 for e in each) / (len(each) - 1) / len(each)
    assert result.standard_error[0] == pytest.approx(math.sqrt(variance), rel=1e-10, abs=1e-15)


@given(counted_alike)
def test_more_attempts_never_pass_less(drawn: tuple[int, list[int], int]) -> None:
    n, successes, _ = drawn
    result = pass_at_k(Counts([n] * len(successes), successes), np.arange(1, n + 1))
    assert (np.diff(result.estimate) >= -1e-15).all()
    assert result.estimate[0] == pytest.approx(np.mean(successes) / n, rel=1e-13, abs=1e-16)
    assert result.estimate[-1] == pytest.approx(np.mean(np.array(successes) > 0), rel=1e-13)


@given(st.integers(2, 14).flatmap(lambda n: st.tuples(*[st.integers(1, n)] * 3, st.just(n))))
def test_fewer_attempts_estimate_the_same(drawn: tuple[int, int, int, int]) -> None:
    """Unbiased: averaged over which m of the n attempts were made, the estimate is unchanged."""
    s, m, k, n = drawn
    m = max(m, k)
    expected = 0.0
    for j in range(max(0, m - (n - s)), min(s, m) + 1):
        chance = Fraction(math.comb(s, j) * math.comb(n - s, m - j), math.comb(n, m))
        expected += float(chance) * pass_at_k(Counts([m], [j]), k).estimate[0]
    assert expected == pytest.approx(float(exact_pass(n, s, k)), rel=1e-12, abs=1e-15)


def test_unequal_attempts_and_labels() -> None:
    counts = Counts([10, 20, 10], [1, 5, 0], ["a", "b", "c"])
    result = pass_at_k(counts, [1, 10])
    assert result.k.tolist() == [1, 10]
    assert result.problems == 3
    exact = [[float(exact_pass(n, s, k)) for k in (1, 10)] for n, s in ((10, 1), (20, 5), (10, 0))]
    np.testing.assert_allclose(result.per_problem, exact, rtol=1e-14)


def test_one_problem_has_no_standard_error() -> None:
    result = pass_at_k(Counts([10], [3]), [1, 2])
    assert np.isnan(result.standard_error).all()


def test_summary_and_dict() -> None:
    result = pass_at_k(Counts([4, 4], [1, 4]), [1, 4])
    assert result.summary() == (
        "2 problems, unbiased estimates\n"
        "pass@1 = 0.625 (standard error 0.38)\n"
        "pass@4 = 1 (standard error 0)"
    )
    found = json.loads(json.dumps(result.to_dict()))
    assert found.keys() == {"k", "estimate", "standard_error", "problems"}
    assert found["k"] == [1, 4]
    assert found["estimate"] == pytest.approx([0.625, 1])


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (0, "k must be a whole number from 1 to 2**53; got 0"),
        ([5, -3], "k must be a whole number from 1 to 2**53; got -3"),
        (2.5, "k must be a whole number from 1 to 2**53; got 2.5"),
        ([1, np.nan], "k must be a whole number from 1 to 2**53; got nan"),
        (np.inf, "k must be a whole number from 1 to 2**53; got inf"),
        (1e300, "k must be a whole number from 1 to 2**53; got 1e+300"),
        ([], "k must be one whole number or a list of them; got []"),
        ("10", "k must be one whole number or a list of them; got '10'"),
        (None, "k must be one whole number or a list of them; got None"),
        (True, "k must be one whole number or a list of them; got True"),
        ([[1, 2]], "k must be one whole number or a list of them; got [[1, 2]]"),
        ([[1, 2], [3]], "k must be one whole number or a list of them; got [[1, 2], [3]]"),
    ],
)
def test_k_is_a_whole_number(k: object, message: str) -> None:
    with pytest.raises(CountsError) as refusal:
        pass_at_k(Counts([100], [1]), k)
    assert str(refusal.value) == message


def test_whole_floats_and_single_numbers_are_budgets_too() -> None:
    assert check_ks(1e3).tolist() == [1000]
    assert check_ks(range(1, 4)).tolist() == [1, 2, 3]
    assert check_ks(2**53).dtype == np.int64


def test_no_reading_beyond_the_attempts() -> None:
    why = "k must be at most 50; beyond the attempts, use fit_difficulty and forecast_pass_at_k"
    with pytest.raises(CountsError) as refusal:
        pass_at_k(Counts([100, 50], [1, 50], ["a", "b"]), [1, 51])
    assert str(refusal.value) == f"pass@51 cannot be read off problem 'b' with 50 attempts: {why}"
    with pytest.raises(CountsError) as refusal:
        pass_at_k(Counts([100, 50], [1, 50]), 60)
    assert str(refusal.value) == f"pass@60 cannot be read off row 1 with 50 attempts: {why}"


@pytest.mark.parametrize("stopping", ["on_success", "adaptive"])
def test_attempts_must_be_fixed_in_advance(stopping: str) -> None:
    counts = Counts([100, 50], [1, 50], stopping=stopping)
    with pytest.raises(CountsError) as refusal:
        pass_at_k(counts, 10)
    assert str(refusal.value) == (
        f"the unbiased pass@k is not valid for counts with stopping='{stopping}', because the "
        "outcomes decided how many attempts a problem got; the likelihood is: use fit_difficulty "
        "(or give stopping='fixed' if attempts were chosen in advance)"
    )


# --- tried until solved ------------------------------------------------------------------------------


def stopped(batch: int, limit: int, problems: int, seed: int) -> tuple[Counts, np.ndarray]:
    """Streams tried in batches until the first batch with a success, and the chances behind them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 6.0, problems)
    attempts, successes = np.zeros(problems, int), np.zeros(problems, int)
    while np.any(waiting := (successes == 0) & (attempts < limit)):
        successes += np.where(waiting, rng.binomial(batch, p), 0)
        attempts += np.where(waiting, batch, 0)
    return Counts(attempts, successes, stopping="on_success"), p


@pytest.mark.parametrize("batch", [1, 12])
def test_stopped_pass_at_k_is_unbiased_at_every_k(batch):
    counts, p = stopped(batch, limit=120, problems=40_000, seed=3)
    ks = np.array([1, 5, 12, 13, 60, 120])
    assert batch_size(counts) == batch
    truth = np.mean(1 - (1 - p) ** ks[:, None], axis=1)
    # given these p, each problem's share has a variance of at most p (1 - p)
    np.testing.assert_allclose(stopped_pass_at_k(counts, ks), truth, rtol=0, atol=4 * 0.5 / 200)


def test_stopped_attempt_by_attempt_it_is_the_share_solved_in_time():
    counts, _ = stopped(1, limit=50, problems=300, seed=4)
    ks = np.array([1, 7, 50])
    share = np.mean((counts.successes > 0) & (counts.attempts <= ks[:, None]), axis=1)
    np.testing.assert_allclose(stopped_pass_at_k(counts, ks), share, rtol=1e-12)


def test_stopped_pass_at_k_refuses_what_it_cannot_know():
    with pytest.raises(CountsError, match="for stopping='on_success', not 'fixed'"):
        stopped_pass_at_k(Counts([5, 5], [1, 2]), 3)
    streams = Counts([60, 120, 240], [3, 1, 0], stopping="on_success")
    with pytest.raises(CountsError, match=r"pass@300 .* an unsolved problem with 240 attempts"):
        stopped_pass_at_k(streams, 300)
    with pytest.raises(CountsError, match="61 successes do not fit into one batch of 60"):
        stopped_pass_at_k(Counts([60, 120], [3, 61], stopping="on_success"), 3)
