"""counts/ against exact arithmetic, brute force and simulated sampling rules."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import jax
import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmpower.counts import (
    Counts,
    CountsError,
    RepeatedProblemError,
    Rows,
    listed,
    stack_rows,
    unseen,
)
from lmpower.numerics.binomial import log_choose, stirling_remainder
from lmpower.tables import read_counts

pairs = st.lists(
    st.integers(1, 2**53).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=1,
    max_size=40,
)
few_pairs = st.lists(
    st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=1,
    max_size=40,
)


def test_fields_are_read_only_whole_numbers_of_their_own() -> None:
    attempts = np.array([3.0, 5.0])
    counts = Counts(attempts, [1, 5], ["a", 7])
    attempts[0] = 99
    assert counts.attempts.tolist() == [3, 5]
    assert counts.attempts.dtype == counts.successes.dtype == np.int64
    assert counts.failures.tolist() == [2, 0]
    assert counts.problem is not None
    assert counts.problem.tolist() == ["a", 7]
    assert len(counts) == counts.problems == 2
    for array in (counts.attempts, counts.successes, counts.problem):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        counts.stopping = "adaptive"


@pytest.mark.parametrize(
    "attempts",
    [
        [3, 5],
        np.array([3, 5], dtype=np.uint8),
        pd.Series([3, 5], index=[7, 9]),
        pd.Series([3, 5], dtype="Int64"),
        jax.numpy.array([3, 5]),
        [np.float32(3), 5],
        np.ma.array([3, 5]),
    ],
)
def test_any_array_of_whole_numbers_will_do(attempts: object) -> None:
    assert Counts(attempts, [True, False]).attempts.tolist() == [3, 5]


NOT_WHOLE = "is not a whole number from"
RAGGED = "got rows of unequal length"
LABELS = "problem must be a list of text or number labels"
MASKED = np.ma.array([1, 1], mask=[False, True])


@pytest.mark.parametrize(
    ("attempts", "successes", "message"),
    [
        ([5, -1], [0, 0], f"row 1: attempts = -1 {NOT_WHOLE} 1 to 2**53"),
        ([5, 0], [0, 0], f"row 1: attempts = 0 {NOT_WHOLE} 1 to 2**53"),
        ([2.5, 5], [0, 0], f"row 0: attempts = 2.5 {NOT_WHOLE} 1 to 2**53"),
        ([5, np.nan], [0, 0], f"row 1: attempts = nan {NOT_WHOLE} 1 to 2**53"),
        ([5, np.inf], [0, 0], f"row 1: attempts = inf {NOT_WHOLE} 1 to 2**53"),
        ([5, 2**53 + 1], [0, 0], f"row 1: attempts = 9007199254740993 {NOT_WHOLE} 1 to 2**53"),
        (np.uint64([2**63]), [0], f"row 0: attempts = 9223372036854775808 {NOT_WHOLE} 1 to 2**53"),
        ([5, 2**70], [0, 0], f"row 1: attempts = 1180591620717411303424 {NOT_WHOLE} 1 to 2**53"),
        ([5, 5], [0, -2], f"row 1: successes = -2 {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], [0.5, 0], f"row 0: successes = 0.5 {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], [0, None], f"row 1: successes = None {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], ["0", "1"], f"row 0: successes = '0' {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], [0, -np.inf], f"row 1: successes = -inf {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], MASKED, f"row 1: successes = nan {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], [1, pd.NA], f"row 1: successes = <NA> {NOT_WHOLE} 0 to 2**53"),
        ([5, 5], [0, 6], "row 1: 6 successes in 5 attempts"),
        ([5, 5], [0, 0, 0], "lists must have equal length; got 2 attempts, 3 successes"),
        ([], [], "no attempts and no successes given; at least one is needed"),
        (5, [1], "attempts must have shape [problems]; got ()"),
        ([5], [[1]], "successes must have shape [problems]; got (1, 1)"),
        ([[5, 5], [5]], [1], f"attempts must have shape [problems]; {RAGGED}"),
    ],
)
def test_impossible_counts_are_refused(attempts: object, successes: object, message: str) -> None:
    with pytest.raises(CountsError) as refusal:
        Counts(attempts, successes)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (["a"], "lists must have equal length; got 2 attempts, 2 successes, 1 problem"),
        (["a", None], "row 1: the problem has no label"),
        ([np.nan, 1.0], "row 0: the problem has no label"),
        ([["a"], ["b"]], f"{LABELS}: unhashable type: 'list'"),
        (7, f"{LABELS}: 'int' object is not iterable"),
        (["a", "b"], "row 1 (problem 'b'): 6 successes in 5 attempts"),
    ],
)
def test_problem_labels(problem: object, message: str) -> None:
    with pytest.raises(CountsError) as refusal:
        Counts([5, 5], [0, 6], problem)
    assert str(refusal.value) == message


def test_a_problem_may_appear_once() -> None:
    with pytest.raises(RepeatedProblemError, match=r"^row 2: problem 'a' appears a second time$"):
        Counts([5, 5, 5], [1, 1, 1], ["a", "b", "a"])


def test_errors_carry_where_and_why() -> None:
    with pytest.raises(CountsError) as refusal:
        Counts([1, 2], [0, 3], ["x", "y"])
    assert refusal.value.row == 1
    assert refusal.value.problem == "y"
    assert refusal.value.reason == "3 successes in 2 attempts"


def test_stopping_is_one_of_three() -> None:
    with pytest.raises(CountsError) as refusal:
        Counts([1], [0], stopping="sometimes")
    assert str(refusal.value) == (
        "stopping must be one of ('fixed', 'on_success', 'adaptive'); got 'sometimes'"
    )


# ---- other ways in


def test_from_outcomes_counts_what_was_tried() -> None:
    outcomes = np.array([[1, 0, np.nan], [0, 0, 0], [1, np.nan, np.nan]])
    counts = Counts.from_outcomes(outcomes, problem=["a", "b", "c"], stopping="adaptive")
    assert counts.attempts.tolist() == [2, 3, 1]
    assert counts.successes.tolist() == [1, 0, 1]
    assert counts.stopping == "adaptive"
    masked = np.ma.array(np.nan_to_num(outcomes), mask=np.isnan(outcomes)).astype(bool)
    objects = [[True, False, None], [0, 0, 0], [1, None, float("nan")]]
    for same in (masked, objects, pd.DataFrame(outcomes)):
        again = Counts.from_outcomes(same)
        assert again.attempts.tolist() == [2, 3, 1]
        assert again.successes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([[0, 1], [1, 2]], "row 1: attempt 1 = 2 is not 0, 1 or missing"),
        ([[0, 0.5]], "row 0: attempt 1 = 0.5 is not 0, 1 or missing"),
        ([[0, "C"]], "row 0: attempt 0 = '0' is not 0, 1 or missing"),
        ([[0, None, -1]], "row 0: attempt 2 = -1 is not 0, 1 or missing"),
        ([0, 1], "outcomes must have shape [problems, attempts]; got (2,)"),
        ([[0, 1], [1]], f"outcomes must have shape [problems, attempts]; {RAGGED}"),
        ([[np.nan], [0]], f"row 0: attempts = 0 {NOT_WHOLE} 1 to 2**53"),
    ],
)
def test_from_outcomes_refuses(outcomes: object, message: str) -> None:
    with pytest.raises(CountsError) as refusal:
        Counts.from_outcomes(outcomes)
    assert str(refusal.value) == message


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), min_size=1))
def test_from_attempts_is_a_tally(rows: list[tuple[str, bool]]) -> None:
    problem, success = zip(*rows, strict=True)
    counts = Counts.from_attempts(problem, success)
    assert counts.problem is not None
    assert counts.problem.tolist() == list(dict.fromkeys(problem))
    for label, n, s in zip(counts.problem, counts.attempts, counts.successes, strict=True):
        assert (n, s) == (problem.count(label), rows.count((label, True)))


@pytest.mark.parametrize(
    ("problem", "success", "message"),
    [
        (["a", "b"], [1], "lists must have equal length; got 2 problem, 1 success"),
        ([], [], "no problem and no success given; at least one is needed"),
        (["a", "a"], [1, 2], f"row 1: success = 2 {NOT_WHOLE} 0 to 1"),
        (["a", "a"], [1, np.nan], f"row 1: success = nan {NOT_WHOLE} 0 to 1"),
        (["a", None], [1, 1], "row 1: the problem has no label"),
    ],
)
def test_from_attempts_refuses(problem: list[str], success: object, message: str) -> None:
    with pytest.raises(CountsError) as refusal:
        Counts.from_attempts(problem, success)
    assert str(refusal.value) == message


# ---- what it says of itself


def test_summary_and_dict() -> None:
    counts = Counts([1000, 60], [0, 3], ["a", "b"], "on_success")
    assert counts.summary() == "2 problems, 60 to 1,000 attempts, 1 unsolved, stopping='on_success'"
    assert repr(counts) == f"<Counts: {counts.summary()}>"
    again = json.loads(json.dumps(counts.to_dict()))
    assert Counts(**again).to_dict() == counts.to_dict()
    equal = Counts([10, 10], [0, 3])
    assert equal.summary() == "2 problems, 10 attempts each, 1 unsolved, stopping='fixed'"


@pytest.mark.parametrize("stopping", ["on_success", "adaptive"])
def test_averages_need_attempts_fixed_in_advance(stopping: str) -> None:
    counts = Counts([4, 4], [1, 2], stopping=stopping)
    why = (
        f" is not valid for counts with stopping='{stopping}', because the outcomes decided how "
        "many attempts a problem got; the likelihood is: use fit_difficulty (or give "
        "stopping='fixed' if attempts were chosen in advance)"
    )
    with pytest.raises(CountsError) as refusal:
        _ = counts.rate
    assert str(refusal.value) == "the rate s/n" + why
    with pytest.raises(CountsError) as refusal:
        counts.thin(2, jax.random.key(0))
    assert str(refusal.value) == "thinning to fewer attempts" + why


def test_rate() -> None:
    assert Counts([4, 5], [1, 0]).rate.tolist() == [0.25, 0.0]


# ---- thinning


def test_thinning_is_hypergeometric() -> None:
    n, s, m, draws = 12, 5, 4, 40_000
    counts = Counts(np.full(draws, n), np.full(draws, s), np.arange(draws))
    thinned = counts.thin(m, jax.random.key(1))
    assert thinned.attempts.tolist() == [m] * draws
    assert thinned.problem is not None
    assert thinned.problem.tolist() == list(range(draws))
    seen = np.bincount(thinned.successes, minlength=m + 1)
    exact = [Fraction(math.comb(s, j) * math.comb(n - s, m - j), math.comb(n, m)) for j in range(5)]
    expected = draws * np.array(exact, dtype=float)
    assert ((seen - expected) ** 2 / expected).sum() < 18.5  # chi-square, 4 degrees: p = .001


def test_thinning_follows_its_key_and_keeps_all_when_asked_for_all() -> None:
    counts = Counts([100, 100, 50], [50, 3, 50])
    once, again, other = (counts.thin(50, jax.random.key(seed)) for seed in (0, 0, 1))
    assert once.successes.tolist() == again.successes.tolist() != other.successes.tolist()
    assert once.successes[2] == 50
    fold = [counts.thin(20, jax.random.fold_in(jax.random.key(0), i)).successes for i in range(9)]
    assert len({tuple(f.tolist()) for f in fold}) > 1


@pytest.mark.parametrize("attempts", [0, -1, 51, 2.5, "2", None, float("nan")])
def test_thinning_needs_attempts_that_are_there(attempts: object) -> None:
    with pytest.raises(CountsError) as refusal:
        Counts([100, 50], [1, 1]).thin(attempts, jax.random.key(0))
    assert str(refusal.value) == (
        "thinned attempts must be a whole number from 1 to 50, the fewest any problem has; "
        f"got {attempts!r}"
    )


def test_thinning_says_where_its_sampler_ends() -> None:
    with pytest.raises(CountsError) as refusal:
        Counts([10**9], [1]).thin(10, jax.random.key(0))
    assert str(refusal.value) == "thinning takes up to 999999999 attempts a problem; got 1000000000"


# ---- rows


@given(st.one_of(pairs, few_pairs))
def test_rows_are_the_distinct_counts_with_multiplicity(counted: list[tuple[int, int]]) -> None:
    attempts, successes = zip(*counted, strict=True)
    counts = Counts(attempts, successes)
    rows = counts.rows()
    listed = list(zip(rows.attempts.tolist(), rows.successes.tolist(), strict=True))
    assert sorted(listed) == sorted(set(counted))
    assert [listed[i] for i in counts.row_of_problem] == counted
    assert rows.weight.tolist() == [counted.count((int(n), int(s))) for n, s in listed]
    assert {a.dtype for a in (rows.successes, rows.failures, rows.weight)} == {np.dtype(float)}


def test_rows_are_a_pytree() -> None:
    rows = Counts([3, 3, 5], [1, 1, 0]).rows()
    assert len(jax.tree.leaves(rows)) == 3
    total = jax.jit(lambda r: (r.weight * r.attempts).sum())(rows)
    assert float(total) == 11.0
    assert isinstance(jax.tree.map(lambda leaf: leaf, rows), Rows)


@pytest.mark.parametrize("multiple", [1, 8])
def test_stacked_rows_are_padded_with_weight_zero(multiple: int) -> None:
    datasets = [
        Counts([3, 3, 5], [1, 1, 0]).rows(),
        Counts(np.arange(1, 10), np.zeros(9)).rows(),
    ]
    batch = stack_rows(datasets, multiple)
    assert batch.weight.shape == (2, {1: 9, 8: 16}[multiple])
    for line, rows in enumerate(datasets):
        size = len(rows.weight)
        for name in ("successes", "failures", "weight"):
            assert getattr(batch, name)[line, :size].tolist() == getattr(rows, name).tolist()
        assert not batch.weight[line, size:].any()
        assert not batch.successes[line, size:].any()
        assert (batch.failures[line, size:] == 1).all()
        assert batch.log_choose[line, :size].tolist() == rows.log_choose.tolist()
    assert np.isfinite(batch.log_choose).all()


@pytest.mark.parametrize("batch", [(), (3,)])
def test_what_was_not_seen_leaves_a_law_as_it_is(batch: tuple[int, ...]) -> None:
    rows = unseen(*batch)
    assert rows.weight.shape == (*batch, 1)
    assert (rows.weight == 1).all()
    # p^0 (1-p)^0 = 1, whatever p
    assert not rows.successes.any()
    assert not rows.failures.any()


def test_stacking_nothing_is_refused() -> None:
    with pytest.raises(CountsError, match=r"^there are no rows to stack$"):
        stack_rows([])


# ---- log C(n, s)


def test_log_choose_is_exact_for_small_counts() -> None:
    for n in range(61):
        exact = [float(mpmath.log(math.comb(n, s))) for s in range(n + 1)]
        np.testing.assert_allclose(log_choose(n, np.arange(n + 1)), exact, rtol=3e-15, atol=0)


@given(st.integers(1, 2**53).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_log_choose_loses_nothing_to_large_counts(counted: tuple[int, int]) -> None:
    n, s = counted
    with mpmath.workdps(60):
        log = mpmath.loggamma
        exact = float(log(n + 1) - log(s + 1) - log(n - s + 1))
    assert float(log_choose(n, s)) == pytest.approx(exact, rel=3e-15, abs=0)
    assert Counts([n], [s]).rows().log_choose[0] == log_choose(n, s)


def test_stirling_remainder() -> None:
    whole = [*range(1, 40), 10**3, 10**9, 2**53]
    with mpmath.workdps(60):
        half_log = mpmath.log(2 * mpmath.pi) / 2
        exact = [
            float(mpmath.loggamma(n + 1) - ((n + mpmath.mpf(1) / 2) * mpmath.log(n) - n + half_log))
            for n in whole
        ]
    np.testing.assert_allclose(stirling_remainder(whole), exact, rtol=1e-14, atol=5e-16)


# ---- how sampling stopped


def stopped(p: np.ndarray, batch: int, limit: int, rng: np.random.Generator) -> Counts:
    """Batches of attempts at each problem until one has a success, or the limit."""
    attempts, successes = np.zeros(len(p), dtype=int), np.zeros(len(p), dtype=int)
    for i, chance in enumerate(p):
        while attempts[i] < limit and not successes[i]:
            size = min(batch, limit - attempts[i])
            attempts[i] += size
            successes[i] = rng.binomial(size, chance)
    return Counts(attempts, successes)


@pytest.mark.parametrize("batch", [1, 7, 60])
@pytest.mark.parametrize("batches", [2, 2.5, 10, 60])
@pytest.mark.parametrize("mean", [0.3, 0.01])
def test_stopping_on_success_is_always_seen(batch: int, batches: float, mean: float) -> None:
    rng = np.random.default_rng([batch, int(10 * batches), int(100 * mean)])
    unequal = 0
    for _ in range(60):
        p = rng.beta(0.3, 0.3 / mean - 0.3, size=rng.choice([2, 10, 160]))
        counts = stopped(p, batch, int(batch * batches), rng)
        if counts.attempts.min() < counts.attempts.max():
            unequal += 1
            assert counts.looks_stopped(), counts.to_dict()
    assert unequal


@pytest.mark.parametrize("sizes", [(10, 20), (64, 128), (9, 10), (256, 10_112), (50, 75, 100)])
@pytest.mark.parametrize("mean", [0.3, 0.05])
def test_unequal_attempts_fixed_in_advance_are_not(sizes: tuple[int, ...], mean: float) -> None:
    rng = np.random.default_rng([*sizes, int(100 * mean)])
    for _ in range(60):
        p = rng.beta(0.5, 0.5 / mean - 0.5, size=100)
        attempts = rng.choice(sizes, size=100)
        assert not Counts(attempts, rng.binomial(attempts, p)).looks_stopped()


@pytest.mark.parametrize(
    ("attempts", "successes", "expected"),
    [
        ([10, 10, 10], [1, 0, 1], False),  # equal attempts
        ([1, 2, 3, 10], [1, 1, 1, 0], True),  # an agent harness that stops early
        ([1, 2, 3, 10], [1, 1, 0, 0], False),  # one gave up unsolved
        ([1, 2, 3, 10], [1, 2, 1, 0], False),  # one went on after a success
        ([60, 120, 600], [44, 9, 0], True),
        ([60, 120, 600], [44, 61, 0], False),  # more successes than a batch holds
        ([60, 60_000, 60_000], [44, 30, 0], False),  # 30 successes in the last of 1,000 batches
        ([60, 120, 150], [44, 9, 2], True),  # the limit cuts the last batch short
        ([9_998] + [10_000] * 40, [7] + [300] * 40, False),  # two attempts were lost
        ([10, 20, 30], [0, 0, 0], False),  # nothing solved, so nothing stopped it
        ([5], [1], False),
    ],
)
def test_stopping_by_hand(attempts: list[int], successes: list[int], expected: bool) -> None:
    assert Counts(attempts, successes).looks_stopped() is expected


@pytest.mark.parametrize(
    ("file", "groups", "stopping"),
    [
        ("harmbench_bon_text.csv", 4, "on_success"),
        ("pythia_math.csv", 4, "fixed"),
        ("code_contests.csv", 2, "fixed"),
        ("pythia_math_checkpoints.csv", 16, "fixed"),
    ],
)
def test_stopping_of_real_counts(shared_data: Path, file: str, groups: int, stopping: str) -> None:
    found = read_counts(shared_data / file, by="model")
    assert [counts.stopping for counts in found.values()] == [stopping] * groups


def test_names_in_an_error_stay_on_one_line():
    names = ["plain", "with spaces", "\n", "", " ", "\ud800", "é", None, 3]
    assert listed(names) == r"plain, with spaces, '\n', '', ' ', '\ud800', é, None, 3"


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    error = CountsError("results.json: a\nb\x1b[31m: 0 is no list", row=3, problem="c\nd")
    assert str(error) == r"row 3 (problem 'c\nd'): results.json: a\nb\x1b[31m: 0 is no list"
    assert error.reason == r"results.json: a\nb\x1b[31m: 0 is no list"
