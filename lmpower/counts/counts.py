"""Attempts and successes of problems, how the attempts were chosen, and what that allows."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64, Int64, Shaped

from lmpower.counts.door import (
    LARGEST_COUNT,
    CountsError,
    as_numbers,
    check_lengths,
    checked_labels,
    distinct_labels,
    is_missing,
    plain,
    whole_numbers,
    wrong_row,
)
from lmpower.counts.rows import Rows

# fixed: the attempts per problem were chosen in advance (and may differ between problems)
# on_success: a problem is tried until its first success, or first batch with one, or a limit
# adaptive: any other rule that looks only at the outcomes so far
STOPPING = ("fixed", "on_success", "adaptive")

LARGEST_THINNED = 10**9 - 1  # NumPy's hypergeometric sampler goes no further
INCREDIBLE = 1e-9  # a chance at which `looks_stopped` gives up its hypothesis


@dataclass(frozen=True, eq=False, repr=False)
class Counts:
    """Attempts and successes of P problems, as read-only arrays.

    Args:
        attempts: how often each problem was tried, from 1 to 2**53.
        successes: how often each was solved, from 0 to its attempts.
        problem: one label a problem, all different; may be left out.
        stopping: "fixed", "on_success" or "adaptive"; see `STOPPING`.

    Raises:
        CountsError: naming the first row that is wrong, its problem, and the value.
    """

    attempts: Int64[np.ndarray, " P"]
    successes: Int64[np.ndarray, " P"]
    problem: Shaped[np.ndarray, " P"] | None = None
    stopping: str = "fixed"

    def __post_init__(self) -> None:
        if self.stopping not in STOPPING:
            raise CountsError(f"stopping must be one of {STOPPING}; got {self.stopping!r}")
        problem = None if self.problem is None else distinct_labels(self.problem)
        given_attempts = as_numbers("attempts", self.attempts, "[problems]")
        given_successes = as_numbers("successes", self.successes, "[problems]")
        lengths = {"attempts": len(given_attempts[0]), "successes": len(given_successes[0])}
        check_lengths(lengths if problem is None else {**lengths, "problem": len(problem)})
        attempts = whole_numbers("attempts", given_attempts, 1, LARGEST_COUNT, problem)
        successes = whole_numbers("successes", given_successes, 0, LARGEST_COUNT, problem)
        excess = successes > attempts
        if excess.any():
            row = int(excess.argmax())
            raise wrong_row(f"{successes[row]} successes in {attempts[row]} attempts", row, problem)
        for name, array in (("attempts", attempts), ("successes", successes), ("problem", problem)):
            if array is not None:
                array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_outcomes(cls, outcomes: Any, problem: Any = None, stopping: str = "fixed") -> Counts:
        """Count a [P, n] table of outcomes: True/1, False/0, and NaN or masked where not tried."""
        given, table = as_numbers("outcomes", outcomes, "[problems, attempts]")
        solved = table == 1
        tried = solved | (table == 0)
        suspect = ~tried & ~np.isnan(table) if given is table else ~tried
        for row, column in np.argwhere(suspect).tolist():
            value = plain(given[row, column])
            if not is_missing(value):
                raise CountsError(f"attempt {column} = {value!r} is not 0, 1 or missing", row)
        return cls(tried.sum(axis=1), solved.sum(axis=1), problem, stopping)

    @classmethod
    def from_attempts(cls, problem: Iterable[Hashable], success: Any, stopping: str = "fixed") -> Counts:
        """Count rows of one attempt each; problems keep the order in which they first appear."""
        labels = checked_labels(problem)
        given = as_numbers("success", success, "[attempts]")
        check_lengths({"problem": len(labels), "success": len(given[0])})
        solved = whole_numbers("success", given, 0, 1)
        codes: dict[Hashable, int] = {}
        code = np.array([codes.setdefault(label, len(codes)) for label in labels], dtype=np.int64)
        attempts, successes = np.bincount(code), np.bincount(code, solved)
        return cls(attempts, successes, np.fromiter(codes, dtype=object), stopping)

    def __len__(self) -> int:
        return len(self.attempts)

    def __repr__(self) -> str:
        return f"<Counts: {self.summary()}>"

    @property
    def problems(self) -> int:
        """P, the number of problems."""
        return len(self)

    @property
    def failures(self) -> Int64[np.ndarray, " P"]:
        """Attempts that did not solve their problem."""
        failures: np.ndarray = self.attempts - self.successes
        return failures

    @property
    def rate(self) -> Float64[np.ndarray, " P"]:
        """Share of the attempts that solved each problem; only where attempts were fixed."""
        self.require_fixed("the rate s/n")
        rate: np.ndarray = self.successes / self.attempts
        return rate

    def summary(self) -> str:
        """One line: problems, attempts, how many are unsolved, and how sampling stopped."""
        few, many = int(self.attempts.min()), int(self.attempts.max())
        each = f"{few:,} attempts each" if few == many else f"{few:,} to {many:,} attempts"
        unsolved = int((self.successes == 0).sum())
        return f"{len(self):,} problems, {each}, {unsolved:,} unsolved, stopping={self.stopping!r}"

    def to_dict(self) -> dict[str, Any]:
        """The four fields as plain Python lists and text, ready for JSON."""
        return {
            "attempts": self.attempts.tolist(),
            "successes": self.successes.tolist(),
            "problem": None if self.problem is None else self.problem.tolist(),
            "stopping": self.stopping,
        }

    def require_fixed(self, what: str) -> None:
        """Refuse ``what`` unless the attempts were chosen in advance."""
        if self.stopping != "fixed":
            raise CountsError(
                f"{what} is not valid for counts with stopping={self.stopping!r}, because the "
                f"outcomes decided how many attempts a problem got; the likelihood is: use "
                f"fit_difficulty (or give stopping='fixed' if attempts were chosen in advance)"
            )

    def thin(self, attempts: int, key: jax.Array) -> Counts:
        """What the first ``attempts`` of each problem, in random order, would have shown.

        Successes are hypergeometric: drawn without replacement from the attempts there are.
        """
        self.require_fixed("thinning to fewer attempts")
        fewest = int(self.attempts.min())
        if not isinstance(attempts, int | np.integer) or not 1 <= attempts <= fewest:
            raise CountsError(
                f"thinned attempts must be a whole number from 1 to {fewest}, the fewest any "
                f"problem has; got {attempts!r}"
            )
        if self.attempts.max() > LARGEST_THINNED:
            raise CountsError(
                f"thinning takes up to {LARGEST_THINNED} attempts a problem; got {self.attempts.max()}"
            )
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
        drawn = generator.hypergeometric(self.successes, self.failures, attempts)
        return replace(self, attempts=np.full_like(self.attempts, attempts), successes=drawn)

    def looks_stopped(self) -> bool:
        """Whether the attempts look as if each problem was tried until a success.

        Stopping at the first success, or first batch of B attempts with one, or a common limit
        implies all of this, and True is returned when all of it holds of unequal attempts:

        1. A problem with fewer attempts than the limit (the most any problem has) is solved.
        2. All s successes of a problem lie in its last batch, and B divides the attempts of those
           stopped early. So s <= B, taking the greatest common divisor for B; and s is not too
           large for its problem to have failed n/B - 1 whole batches before: successes scattered
           at random over n/B batches share one with chance (B/n)^(s-1).
        3. A first success is never likelier in a later batch than in an earlier one, so at most
           about half of the solved problems (up to three standard deviations) are at the limit.

        It misses stopping with several limits, with batches of varying size, or where attempts were
        lost. It says True wrongly of few or hard problems tried unequally often in advance, when by
        chance just the unsolved ones were tried most.
        """
        n, s = self.attempts, self.successes
        early, solved = n < n.max(), s > 0
        if not early.any() or not solved[early].all():
            return False
        batch = np.gcd.reduce(n[early])
        log_chance = (s - 1) * np.log(batch / n)
        in_last_batch = ~solved | ((s <= batch) & (log_chance > np.log(INCREDIBLE)))
        at_limit, most = (solved & ~early).sum(), solved.sum() / 2 + 1.5 * np.sqrt(solved.sum())
        return bool(in_last_batch.all() and at_limit <= most)

    @functools.cached_property
    def _distinct(self) -> tuple[Rows, Int64[np.ndarray, " P"]]:
        # complex numbers sort by real, then imaginary part, and hold both counts exactly
        pairs, row_of_problem, weight = np.unique(
            self.successes + 1j * self.failures, return_inverse=True, return_counts=True
        )
        return Rows(pairs.real, pairs.imag, weight.astype(np.float64)), row_of_problem

    def rows(self) -> Rows:
        """The distinct (successes, failures) and how many problems have each."""
        return self._distinct[0]

    @property
    def row_of_problem(self) -> Int64[np.ndarray, " P"]:
        """For each problem, its index into `rows`."""
        return self._distinct[1]
