"""Counts: how often each problem was tried and how often it was solved, checked at the door.

All of lmpower rests on two whole numbers per problem, ``attempts`` and ``successes``, and on one
word about how the attempts were chosen, ``stopping``. The likelihood p^s (1-p)^(n-s) does not care
about that word (the likelihood principle); averages of s/n and all estimates built on them do. So
`Counts` carries it, and whatever needs attempts fixed in advance asks `Counts.require_fixed`.

Problems with the same (successes, failures) are interchangeable, so computations run over `Rows`,
the distinct pairs with their multiplicity: 128 problems with 100 attempts are often 30 rows.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64, Int64, Shaped

from lmpower.numerics.binomial import log_choose
from lmpower.numerics.pytree import pytree

# fixed: the attempts per problem were chosen in advance (and may differ between problems)
# on_success: a problem is tried until its first success, or first batch with one, or a limit
# adaptive: any other rule that looks only at the outcomes so far
STOPPING = ("fixed", "on_success", "adaptive")

LARGEST_COUNT = 2**53  # float64 holds every whole number up to here
LARGEST_THINNED = 10**9 - 1  # NumPy's hypergeometric sampler goes no further
INCREDIBLE = 1e-9  # a chance at which `looks_stopped` gives up its hypothesis


class CountsError(ValueError):
    """Counts that cannot be right: ``reason``, and where known the 0-based ``row`` it is in."""

    def __init__(self, reason: str, row: int | None = None, problem: Hashable = None) -> None:
        self.reason, self.row, self.problem = reason, row, problem
        label = "" if problem is None else f" (problem {problem!r})"
        super().__init__(reason if row is None else f"row {row}{label}: {reason}")


class RepeatedProblemError(CountsError):
    """Two rows have the same problem label."""


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
        problem = None if self.problem is None else _distinct_labels(self.problem)
        given_attempts = _as_numbers("attempts", self.attempts, "[problems]")
        given_successes = _as_numbers("successes", self.successes, "[problems]")
        lengths = {"attempts": len(given_attempts[0]), "successes": len(given_successes[0])}
        _check_lengths(lengths if problem is None else {**lengths, "problem": len(problem)})
        attempts = _whole_numbers("attempts", given_attempts, 1, LARGEST_COUNT, problem)
        successes = _whole_numbers("successes", given_successes, 0, LARGEST_COUNT, problem)
        excess = successes > attempts
        if excess.any():
            row = int(excess.argmax())
            raise _wrong_row(f"{successes[row]} successes in {attempts[row]} attempts", row, problem)
        for name, array in (("attempts", attempts), ("successes", successes), ("problem", problem)):
            if array is not None:
                array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_outcomes(cls, outcomes: Any, problem: Any = None, stopping: str = "fixed") -> Counts:
        """Count a [P, n] table of outcomes: True/1, False/0, and NaN or masked where not tried."""
        given, table = _as_numbers("outcomes", outcomes, "[problems, attempts]")
        solved = table == 1
        tried = solved | (table == 0)
        suspect = ~tried & ~np.isnan(table) if given is table else ~tried
        for row, column in np.argwhere(suspect).tolist():
            value = _plain(given[row, column])
            if not is_missing(value):
                raise CountsError(f"attempt {column} = {value!r} is not 0, 1 or missing", row)
        return cls(tried.sum(axis=1), solved.sum(axis=1), problem, stopping)

    @classmethod
    def from_attempts(cls, problem: Iterable[Hashable], success: Any, stopping: str = "fixed") -> Counts:
        """Count rows of one attempt each; problems keep the order in which they first appear."""
        labels = _labels(problem)
        given = _as_numbers("success", success, "[attempts]")
        _check_lengths({"problem": len(labels), "success": len(given[0])})
        solved = _whole_numbers("success", given, 0, 1)
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


@pytree
@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct (successes, failures) with the number of problems that have them: a JAX pytree.

    ``weight`` is 0 for padding. A batch of datasets has leading axes, see `stack_rows`.
    """

    successes: Float64[np.ndarray, "*B R"]
    failures: Float64[np.ndarray, "*B R"]
    weight: Float64[np.ndarray, "*B R"]

    @property
    def attempts(self) -> Float64[np.ndarray, "*B R"]:
        """Attempts behind each row."""
        attempts: np.ndarray = self.successes + self.failures
        return attempts

    @property
    def log_choose(self) -> Float64[np.ndarray, "*B R"]:
        """log C(n, s) of each row, on the host."""
        return log_choose(np.asarray(self.attempts), np.asarray(self.successes))


def stack_rows(rows: Sequence[Rows], multiple: int = 8) -> Rows:
    """Rows of B datasets as one [B, R] batch, R a multiple of ``multiple`` (fewer compilations).

    Padding is one failure of weight 0, which changes no weighted sum and has a finite likelihood.
    """
    if not rows:
        raise CountsError("there are no rows to stack")
    width = -(-max(len(r.weight) for r in rows) // multiple) * multiple

    def stacked(name: str, padding: float) -> np.ndarray:
        batch = np.full((len(rows), width), padding)
        for line, r in zip(batch, rows, strict=True):
            line[: len(r.weight)] = getattr(r, name)
        return batch

    return Rows(stacked("successes", 0.0), stacked("failures", 1.0), stacked("weight", 0.0))


def rows_given(counts: Counts | Rows | Sequence[Counts]) -> tuple[Rows, bool]:
    """One data set or many, however given, as a batch of rows [B, R]; and whether it is a single one.

    Raises:
        CountsError: for anything else, or an empty list.
    """
    if isinstance(counts, Rows):
        single = counts.weight.ndim == 1
        return (jax.tree.map(lambda leaf: leaf[None], counts) if single else counts), single
    given: Any = counts
    many = isinstance(given, Iterable) and not isinstance(given, Counts | Mapping | str)
    datasets = list(given) if many else [given]
    for dataset in datasets:
        if not isinstance(dataset, Counts):
            values = ": take list(groups.values())" if isinstance(dataset, Mapping) else ""
            raise CountsError(
                f"counts must be Counts or a list of them, not {type(dataset).__name__}{values}"
            )
    if not datasets:
        raise CountsError("there are no counts: give those of one data set at least")
    return stack_rows([dataset.rows() for dataset in datasets]), not many


def require_counts(counts: Any) -> None:
    """Refuse what is not the counts of one data set.

    Raises:
        CountsError: saying what it is.
    """
    if not isinstance(counts, Counts):
        raise CountsError(f"counts must be the Counts of one data set, not {type(counts).__name__}")


def rows_of_many(attempts: Int64[np.ndarray, "*B P"], successes: Int64[np.ndarray, "B P"]) -> Rows:
    """Distinct rows of B datasets of P problems each, without a loop over datasets, [B, R].

    ``attempts`` may be one number, one for each problem, or [B, P]. Rows are in order of successes, then
    attempts; padding is as in `stack_rows`.
    """
    attempts = np.broadcast_to(attempts, successes.shape)
    code = np.sort(successes * (attempts.max() + 1) + attempts, axis=-1)
    new = np.diff(code, axis=-1, prepend=-1) != 0
    row = np.cumsum(new, axis=-1) - 1
    shape = (len(code), -8 * (-int(row.max() + 1) // 8))
    weight = np.zeros(shape)
    np.add.at(weight, (np.arange(len(code))[:, None], row), 1.0)
    which, where = np.nonzero(new)
    solved, tried = np.zeros(shape), np.ones(shape)
    place = which, row[which, where]
    solved[place], tried[place] = np.divmod(code[which, where], attempts.max() + 1)
    return Rows(solved, tried - solved, weight)


def widened(rows: Rows, width: int | None = None) -> Rows:
    """Rows [B, R] padded to [B, width]; by default to the next of 128, 256, ... (fewer programs)."""
    present = rows.weight.shape[1]
    width = width or 1 << max((present - 1).bit_length(), 7)

    def padded(leaf: np.ndarray, padding: float) -> np.ndarray:
        return np.pad(leaf, ((0, 0), (0, width - present)), constant_values=padding)

    return Rows(padded(rows.successes, 0.0), padded(rows.failures, 1.0), padded(rows.weight, 0.0))


def is_missing(value: object) -> bool:
    """None, NaN, and the NA and NaT of the data-frame libraries."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth value
        return True


def _whole_numbers(
    name: str,
    given_and_numbers: tuple[np.ndarray, np.ndarray],
    smallest: int,
    largest: int,
    problem: np.ndarray | None = None,
) -> Int64[np.ndarray, " P"]:
    given, numbers = given_and_numbers
    wrong = (numbers != np.floor(numbers)) | (numbers < smallest) | (numbers > largest)
    if wrong.any():
        row = int(wrong.argmax())
        top = "2**53" if largest == LARGEST_COUNT else largest
        reason = f"{name} = {_plain(given[row])!r} is not a whole number from {smallest} to {top}"
        raise _wrong_row(reason, row, problem)
    return numbers.astype(np.int64)


def _as_numbers(name: str, values: Any, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """The values as given, and as numbers: NaN for what is masked or is no number."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        given = np.asarray(values)
    except ValueError:
        raise CountsError(f"{name} must have shape {shape}; got rows of unequal length") from None
    if given.ndim != shape.count(",") + 1:
        raise CountsError(f"{name} must have shape {shape}; got {given.shape}")
    if given.dtype.kind in "biuf":
        return given, given
    numbers = [_number(value) for value in given.ravel().tolist()]
    return given, np.array(numbers, dtype=np.float64).reshape(given.shape)


def _number(value: Any) -> float:
    try:
        return np.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python value that errors should show."""
    return value.item() if isinstance(value, np.generic) else value


def _labels(problem: Any) -> list[Hashable]:
    try:
        labels = list(problem.tolist() if hasattr(problem, "tolist") else problem)
        missing = [row for row, label in enumerate(labels) if is_missing(label)]
        frozenset(labels)  # they will be looked up
    except TypeError as error:
        raise CountsError(f"problem must be a list of text or number labels: {error}") from None
    if missing:
        raise CountsError("the problem has no label", missing[0])
    return labels


def _distinct_labels(problem: Any) -> Shaped[np.ndarray, " P"]:
    """Labels as Python objects, so that 1 and "1" stay two labels and long ones cost no padding."""
    labels = _labels(problem)
    seen: set[Hashable] = set()
    for row, label in enumerate(labels):
        if label in seen:
            raise RepeatedProblemError(f"problem {label!r} appears a second time", row)
        seen.add(label)
    return np.fromiter(labels, dtype=object, count=len(labels))


def _check_lengths(lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise CountsError(f"lists must have equal length; got {given}")
    if 0 in lengths.values():
        raise CountsError(f"no {' and no '.join(lengths)} given; at least one is needed")


def _wrong_row(reason: str, row: int, problem: np.ndarray | None) -> CountsError:
    return CountsError(reason, row, None if problem is None else problem[row])
