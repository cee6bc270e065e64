"""baseline.py against the published tables, an independent least squares, and exact lines."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmpower.baseline import PUBLISHED_KS, Line, fit_line, log_spaced_ks
from lmpower.counts import Counts, CountsError
from lmpower.tables import read_counts

# Schaeffer et al. 2025 (arXiv 2502.17578), Table 1
PUBLISHED_LINES = {
    "Pythia 160M": (6.591, 0.280),
    "Pythia 410M": (5.524, 0.286),
    "Pythia 2.8B": (4.104, 0.336),
    "Pythia 12B": (4.113, 0.370),
}


def test_the_published_table_is_reproduced(shared_data: Path) -> None:
    models = read_counts(shared_data / "pythia_math.csv", by="model")
    assert models.keys() == PUBLISHED_LINES.keys()
    for model, (a, b) in PUBLISHED_LINES.items():
        line = fit_line(models[model])
        assert line.a == pytest.approx(a, abs=1e-3)
        assert line.b == pytest.approx(b, abs=1e-3)
        assert line.ks.tolist() == list(PUBLISHED_KS)
        assert line.left_out == {}


def test_evenly_spaced_budgets_do_not_reproduce_it(shared_data: Path) -> None:
    """Why PUBLISHED_KS is what it is."""
    counts = read_counts(shared_data / "pythia_math.csv", by="model")["Pythia 160M"]
    even = np.unique(np.logspace(0, 4, 123).astype(int))
    assert len(even) == 101
    assert fit_line(counts, even).a > 6.591 + 0.1


def test_the_published_budgets() -> None:
    assert len(PUBLISHED_KS) == 101
    assert PUBLISHED_KS[:14] == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18)
    assert PUBLISHED_KS[-5:] == (8000, 8500, 9000, 9500, 10000)
    assert sorted(set(PUBLISHED_KS)) == list(PUBLISHED_KS)
    assert all(type(k) is int for k in PUBLISHED_KS)


@pytest.mark.parametrize(
    ("largest", "length", "last"),
    [(1, 1, 1), (100, 54, 100), (1000, 75, 1000), (4642, 81, 4641), (10_000, 84, 10_000)],
)
def test_log_spaced_budgets(largest: int, length: int, last: int) -> None:
    ks = log_spaced_ks(largest)
    assert ks[0] == 1
    assert (len(ks), ks[-1]) == (length, last)
    assert (np.diff(ks) > 0).all()


def test_log_spaced_budgets_need_a_whole_number() -> None:
    with pytest.raises(CountsError, match=r"^k must be a whole number from 1 to 2\*\*53; got 0$"):
        log_spaced_ks(0)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=20).filter(any))
def test_least_squares_on_exact_pass_at_k(successes: list[int]) -> None:
    n, ks = 30, [1, 2, 3, 5, 8, 13, 21]
    fails = [
        sum(Fraction(math.comb(n - s, k), math.comb(n, k)) for s in successes) / len(successes) for k in ks
    ]
    usable = [(k, -math.log1p(-fail)) for k, fail in zip(ks, fails, strict=True) if fail > 0]
    if len(usable) < 2:
        return
    x, y = np.log(np.array(usable)).T
    slope, intercept = np.polyfit(x, y, 1)
    line = fit_line(Counts([n] * len(successes), successes), ks)
    assert line.ks.tolist() == [k for k, _ in usable]
    assert line.b == pytest.approx(-slope, rel=1e-7, abs=1e-9)
    assert line.a == pytest.approx(math.exp(intercept), rel=1e-7)
    np.testing.assert_allclose(line.log_pass, [-value for _, value in usable], rtol=1e-11)


def test_the_line_is_read_as_it_is_written() -> None:
    line = Line(2.0, 0.5, np.array([1, 4]), np.array([-2.0, -1.0]), {})
    np.testing.assert_allclose(line.pass_at_k([1, 4, 10**6]), np.exp([-2, -1, -0.002]), rtol=1e-15)
    assert line.pass_at_k(4).tolist() == [math.exp(-1)]
    with pytest.raises(CountsError, match=r"^k must be a whole number from 1 to 2\*\*53; got 0.5$"):
        line.pass_at_k(0.5)


def test_two_points_are_met_exactly() -> None:
    counts = Counts([100] * 3, [1, 2, 50])
    line = fit_line(counts, [1, 100 // 7])
    np.testing.assert_allclose(np.log(line.pass_at_k(line.ks)), line.log_pass, rtol=1e-12)


def test_what_cannot_be_used_is_left_out_and_said() -> None:
    line = fit_line(Counts([20, 20], [1, 20]), [1, 2, 10, 20, 21, 50])
    assert line.ks.tolist() == [1, 2, 10]
    assert line.left_out == {
        21: "some problem has only 20 attempts",
        50: "some problem has only 20 attempts",
        20: "pass@k is 1",
    }
    assert line.summary() == (
        f"-log pass@k = {line.a:.4g} k^-{line.b:.4g}, least squares over 3 values of k, 1 to 10\n"
        "2 values of k, 21 to 50, left out: some problem has only 20 attempts\n"
        "1 value of k, 20, left out: pass@k is 1"
    )
    found = json.loads(json.dumps(line.to_dict()))
    assert found["ks"] == [1, 2, 10]
    assert found["left_out"] == {str(k): why for k, why in line.left_out.items()}


def test_repeated_budgets_count_once() -> None:
    counts = Counts([100] * 3, [1, 2, 50])
    assert fit_line(counts, [9, 1, 1, 3]).to_dict() == fit_line(counts, [1, 3, 9]).to_dict()


@pytest.mark.parametrize(
    ("attempts", "successes", "ks", "reason"),
    [
        ([10, 10], [0, 0], [1, 5, 20], "some problem has only 10 attempts; pass@k is 0"),
        ([10, 10], [10, 10], [1, 5], "pass@k is 1"),
        ([10, 10], [1, 2], [20, 30], "some problem has only 10 attempts"),
    ],
)
def test_no_line_without_points(
    attempts: list[int], successes: list[int], ks: list[int], reason: str
) -> None:
    with pytest.raises(CountsError) as refusal:
        fit_line(Counts(attempts, successes), ks)
    assert str(refusal.value) == f"a line needs two values of k; 0 can be used ({reason})"


def test_no_line_through_one_point() -> None:
    with pytest.raises(CountsError) as refusal:
        fit_line(Counts([10], [1]), [5])
    message = "a line needs two values of k; 1 can be used (no more were given)"
    assert str(refusal.value) == message


@pytest.mark.parametrize("stopping", ["on_success", "adaptive"])
def test_attempts_must_be_fixed_in_advance(stopping: str) -> None:
    counts = Counts([100, 50], [1, 50], stopping=stopping)
    with pytest.raises(CountsError) as refusal:
        fit_line(counts)
    assert str(refusal.value) == (
        "the straight line through pass@k is not valid for counts with "
        f"stopping='{stopping}', because the outcomes decided how many attempts a problem got; "
        "the likelihood is: use fit_difficulty (or give stopping='fixed' if attempts were chosen "
        "in advance)"
    )
