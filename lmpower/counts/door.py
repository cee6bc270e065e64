"""What may come in as counts: whole numbers and labels, equally many; if not, an error that shows them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

LARGEST_COUNT = 2**53  # float64 holds every whole number up to here


class CountsError(ValueError):
    """Counts that cannot be right: ``reason``, and where known the 0-based ``row`` it is in.

    It is said on one line, whatever the names in it hold.
    """

    def __init__(self, reason: str, row: int | None = None, problem: Hashable = None) -> None:
        reason = "".join(each if each.isprintable() else repr(each)[1:-1] for each in reason)
        self.reason, self.row, self.problem = reason, row, problem
        label = "" if problem is None else f" (problem {problem!r})"
        super().__init__(reason if row is None else f"row {row}{label}: {reason}")


class RepeatedProblemError(CountsError):
    """Two rows have the same problem label."""


def is_missing(value: object) -> bool:
    """None, NaN, and the NA and NaT of the data-frame libraries."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth value
        return True


def whole_numbers(
    name: str,
    given_and_numbers: tuple[np.ndarray, np.ndarray],
    smallest: int,
    largest: int,
    problem: np.ndarray | None = None,
) -> Int64[np.ndarray, " P"]:
    """What `as_numbers` has read, as int64.

    Raises:
        CountsError: naming the first row that is no whole number in range, its problem, and the value.
    """
    given, numbers = given_and_numbers
    wrong = (numbers != np.floor(numbers)) | (numbers < smallest) | (numbers > largest)
    if wrong.any():
        row = int(wrong.argmax())
        top = "2**53" if largest == LARGEST_COUNT else largest
        reason = f"{name} = {plain(given[row])!r} is not a whole number from {smallest} to {top}"
        raise wrong_row(reason, row, problem)
    return numbers.astype(np.int64)


def as_numbers(name: str, values: Any, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """The values as given, and as numbers: NaN for what is masked or is no number.

    Raises:
        CountsError: if they do not have the shape, written such as "[problems, attempts]".
    """
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


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python value that errors should show."""
    return value.item() if isinstance(value, np.generic) else value


def checked_labels(problem: Any) -> list[Hashable]:
    """A label for every row.

    Raises:
        CountsError: if there are none to iterate over, or one is missing or cannot be looked up.
    """
    try:
        labels = list(problem.tolist() if hasattr(problem, "tolist") else problem)
        missing = [row for row, label in enumerate(labels) if is_missing(label)]
        frozenset(labels)  # they will be looked up
    except TypeError as error:
        raise CountsError(f"problem must be a list of text or number labels: {error}") from None
    if missing:
        raise CountsError("the problem has no label", missing[0])
    return labels


def distinct_labels(problem: Any) -> Shaped[np.ndarray, " P"]:
    """Labels as Python objects, so that 1 and "1" stay two labels and long ones cost no padding.

    Raises:
        CountsError: as `checked_labels`, and naming the first that appears a second time.
    """
    labels = checked_labels(problem)
    seen: set[Hashable] = set()
    for row, label in enumerate(labels):
        if label in seen:
            raise RepeatedProblemError(f"problem {label!r} appears a second time", row)
        seen.add(label)
    return np.fromiter(labels, dtype=object, count=len(labels))


def check_lengths(lengths: dict[str, int]) -> None:
    """Refuse lists of unequal length, and empty ones.

    Raises:
        CountsError: with the length of each.
    """
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise CountsError(f"lists must have equal length; got {given}")
    if 0 in lengths.values():
        raise CountsError(f"no {' and no '.join(lengths)} given; at least one is needed")


def wrong_row(reason: str, row: int, problem: np.ndarray | None) -> CountsError:
    """An error that names the row, and its problem where there are labels."""
    return CountsError(reason, row, None if problem is None else problem[row])


def _number(value: Any) -> float:
    try:
        return np.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def listed(names: Iterable[object]) -> str:
    """Names on one line; one that would break it, or not be seen, as Python writes it."""
    texts = [str(name) for name in names]
    return ", ".join(text if text.isprintable() and text.strip() else repr(text) for text in texts)
