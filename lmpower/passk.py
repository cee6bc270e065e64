"""pass@k read off the counts alone: unbiased, and only as far as the attempts go.

A problem with s successes in n attempts fails k attempts drawn from those n without replacement
with chance C(n-s, k) / C(n, k). One minus that is the unbiased estimate of pass@k (Chen et al.
2021, arXiv 2107.03374); its mean over problems is the estimate for the benchmark. It exists for
k <= n only: beyond, counts alone say nothing, and a difficulty law has to be fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from lmpower.counts import LARGEST_COUNT, Counts, CountsError
from lmpower.numerics.binomial import stirling_remainder


@dataclass(frozen=True, eq=False)
class PassAtK:
    """pass@k at K budgets, over P problems.

    Attributes:
        k: the budgets.
        estimate: mean over problems of the chance that at least one of k attempts succeeds.
        failure: 1 - estimate, kept because subtraction loses it where pass@k is near 1.
        standard_error: standard deviation over problems / sqrt(P); NaN for a single problem. The
            problem is the unit: it holds for new problems of the same kind, not for these again.
        problems: P.
    """

    k: Int64[np.ndarray, " K"]
    estimate: Float64[np.ndarray, " K"]
    failure: Float64[np.ndarray, " K"]
    standard_error: Float64[np.ndarray, " K"]
    problems: int
    _per_row: Float64[np.ndarray, "K R"] = field(repr=False)
    _row_of_problem: Int64[np.ndarray, " P"] = field(repr=False)

    @property
    def per_problem(self) -> Float64[np.ndarray, "P K"]:
        """The estimate of each problem, in the order of the counts."""
        return np.asarray(self._per_row.T[self._row_of_problem])

    @property
    def log_estimate(self) -> Float64[np.ndarray, " K"]:
        """log pass@k, exact where pass@k is tiny and where it is near 1; -inf where it is 0."""
        with np.errstate(divide="ignore"):
            likely = self.failure < 0.5
            return np.asarray(np.where(likely, np.log1p(-self.failure), np.log(self.estimate)))

    def summary(self) -> str:
        """A line for each k."""
        rows = zip(self.k, self.estimate, self.standard_error, strict=True)
        lines = [f"pass@{k} = {mean:.4g} (standard error {se:.2g})" for k, mean, se in rows]
        return "\n".join([f"{self.problems:,} problems, unbiased estimates", *lines])

    def to_dict(self) -> dict[str, Any]:
        """k, estimate and standard error as plain lists, and the number of problems."""
        return {
            "k": self.k.tolist(),
            "estimate": self.estimate.tolist(),
            "standard_error": self.standard_error.tolist(),
            "problems": self.problems,
        }


def pass_at_k(counts: Counts, ks: ArrayLike) -> PassAtK:
    """Unbiased pass@k for each k in ``ks``, each at most the attempts of every problem.

    Raises:
        CountsError: if the attempts were not fixed in advance, if a k is not a whole number of at
            least 1, or if some problem has fewer than k attempts (naming it).
    """
    counts.require_fixed("the unbiased pass@k")
    k = check_ks(ks)
    _check_reach(counts, int(k.max()))
    rows = counts.rows()
    log_failure = log_fail_at_k(rows.attempts, rows.successes, k[:, None])
    per_row = -np.expm1(log_failure)
    share = rows.weight / len(counts)
    estimate = per_row @ share
    return PassAtK(
        k=k,
        estimate=estimate,
        failure=np.exp(log_failure) @ share,
        standard_error=_standard_error(per_row, estimate, rows.weight),
        problems=len(counts),
        _per_row=per_row,
        _row_of_problem=counts.row_of_problem,
    )


def stopped_pass_at_k(counts: Counts, ks: ArrayLike) -> Float64[np.ndarray, " K"]:
    """Unbiased pass@k of problems each tried, batch by batch, until the first batch with a success.

    Nothing succeeded in the batches before the last. Of the last, with s successes among B, chance has left
    only the order open: r of its attempts hold a success with probability 1 - C(B-s, r)/C(B, r). B is the
    greatest common divisor of all attempts (``batch_size``), 1 for streams stopped attempt by attempt.

    Raises:
        CountsError: if the counts are not of that kind, or some unsolved problem has fewer than k attempts.
    """
    if counts.stopping != "on_success":
        raise CountsError(f"this pass@k is for stopping='on_success', not {counts.stopping!r}")
    k = check_ks(ks)
    unsolved = counts.successes == 0
    fewest = int(counts.attempts[unsolved].min(initial=LARGEST_COUNT))
    if k.max() > fewest:
        raise CountsError(f"pass@{k.max()} cannot be read off an unsolved problem with {fewest} attempts")
    batch = batch_size(counts)
    if counts.successes.max() > batch:
        raise CountsError(
            f"{counts.successes.max()} successes do not fit into one batch of {batch} attempts"
        )
    into_last = np.clip(k[:, None] - (counts.attempts - batch), 0, batch)
    return np.asarray(-np.expm1(log_fail_at_k(batch, counts.successes, into_last)).mean(axis=1))


def batch_size(counts: Counts) -> int:
    """Of how many attempts the batches are in which problems were tried: what divides all their numbers."""
    return int(np.gcd.reduce(counts.attempts))


def check_ks(ks: ArrayLike) -> Int64[np.ndarray, " K"]:
    """One budget or a list of them, as whole numbers from 1 to 2**53."""
    try:
        given = np.atleast_1d(np.asarray(ks))
    except ValueError:  # lists of unequal length
        given = np.empty(0)
    if given.ndim != 1 or not given.size or given.dtype.kind not in "iuf":
        raise CountsError(f"k must be one whole number or a list of them; got {ks!r}")
    wrong = (given != np.floor(given)) | (given < 1) | (given > LARGEST_COUNT)
    if wrong.any():
        value = given[wrong.argmax()].item()
        raise CountsError(f"k must be a whole number from 1 to 2**53; got {value!r}")
    return given.astype(np.int64)


def log_fail_at_k(n: ArrayLike, s: ArrayLike, k: ArrayLike) -> Float64[np.ndarray, "*B"]:
    """log [C(n-s, k) / C(n, k)], the chance that k of n attempts, s of them successes, all fail.

    Arguments are whole, broadcast, 0 <= s, k <= n; -inf where k > n - s. Correct to about 1e-15 of
    its value up to n = 2**53, however small: with w = n - s - k untouched failures, Stirling's
    formula for the four factorials (n-s)! (n-k)! / (w! n!) regroups into

        (w + 1/2) log(1 + k s / (w n)) + k log(1 - s/n) + s log(1 - k/n)

    plus remainders, where the first term is at most half of the other two: little cancels.
    """
    whole = (np.asarray(x, dtype=np.float64) for x in (n, s, k))
    args = np.stack(np.broadcast_arrays(*whole))
    certain, impossible = args[1] * args[2] == 0, args[0] - args[1] < args[2]
    plain = ~(certain | impossible)
    log_failure = np.where(certain, 0.0, -np.inf)
    log_failure[plain] = _stirling_ratio(*args[:, plain])
    return log_failure


def _stirling_ratio(
    n: Float64[np.ndarray, " B"], s: Float64[np.ndarray, " B"], k: Float64[np.ndarray, " B"]
) -> Float64[np.ndarray, " B"]:
    remainders = stirling_remainder(n - s) + stirling_remainder(n - k) - stirling_remainder(n)
    ratio: np.ndarray = (
        _untouched(n - s - k, s * (k / n)) + k * _log_rest(s, n) + s * _log_rest(k, n) + remainders
    )
    return ratio


def _log_rest(
    part: Float64[np.ndarray, " B"], whole: Float64[np.ndarray, " B"]
) -> Float64[np.ndarray, " B"]:
    """log(1 - part/whole), by whichever of the two forms rounds nothing away."""
    small = part < whole / 2
    return np.asarray(np.where(small, np.log1p(-part / whole), np.log((whole - part) / whole)))


def _untouched(
    w: Float64[np.ndarray, " B"], overlap: Float64[np.ndarray, " B"]
) -> Float64[np.ndarray, " B"]:
    """(w + 1/2) log(1 + overlap/w) - remainder(w), and its limit at w = 0, where w! = 1."""
    v = np.maximum(w, 1)
    regular = (v + 0.5) * np.log1p(overlap / v) - stirling_remainder(v)
    return np.where(w == 0, np.log(2 * np.pi * overlap) / 2, regular)


def _standard_error(
    per_row: Float64[np.ndarray, "K R"],
    mean: Float64[np.ndarray, " K"],
    weight: Float64[np.ndarray, " R"],
) -> Float64[np.ndarray, " K"]:
    problems = weight.sum()
    if problems < 2:
        return np.full_like(mean, np.nan)
    variance = (per_row - mean[:, None]) ** 2 @ weight / (problems - 1)
    return np.asarray(np.sqrt(variance / problems))


def _check_reach(counts: Counts, k: int) -> None:
    row = int(counts.attempts.argmin())
    fewest = int(counts.attempts[row])
    if k > fewest:
        label = f"row {row}" if counts.problem is None else f"problem {counts.problem[row]!r}"
        raise CountsError(
            f"pass@{k} cannot be read off {label} with {fewest} attempts: k must be at most "
            f"{fewest}; beyond the attempts, use fit_difficulty and forecast_pass_at_k"
        )
