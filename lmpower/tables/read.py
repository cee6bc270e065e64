"""Counts from files and data frames.

A table of counts is *wide*, one row a problem with its attempts and successes, or *long*, one row
an attempt with its outcome; the columns there are decide which. Whatever the source, its rows
become plain tuples and meet the same checks here, so that every error names the same things: the
file, the line, the value, and what was expected. Nothing is skipped, guessed or filled in.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from lmpower.counts import STOPPING, Counts, CountsError, RepeatedProblemError, listed
from lmpower.files.meter import bar
from lmpower.tables.cells import label_in, outcome_in, stopping_in, whole_number_in
from lmpower.tables.table import Cells, Table, open_table, picker

T = TypeVar("T")

STOPPED = "stopping"  # the column in which a table may say how sampling stopped
ERRORS = ("raise", "exclude", "fail")
CHUNK = 256  # rows turned into columns at a time: too few at once to wake the garbage collector


@dataclass(frozen=True)
class Tally:
    """Parallel lists with one entry a group and problem."""

    groups: Sequence[tuple[str, ...]]
    problems: Sequence[str] | None
    attempts: Sequence[int]
    successes: Sequence[int]
    place: Callable[[int], str]  # what errors call an entry
    stopping: Sequence[str] | None = None  # if the source says so


def read_counts(
    source: Any,
    *,
    by: str | Sequence[str] | None = None,
    problem: str = "problem",
    attempts: str = "attempts",
    successes: str = "successes",
    success: str = "success",
    errors: str = "raise",
    stopping: str = "auto",
    progress: bool = False,
) -> dict[str, Counts]:
    """Counts of each group in a table, in the order in which the groups first appear.

    Args:
        source: the path of a .csv, .jsonl or .parquet file, or a table of pandas, Polars,
            PyArrow or another library that narwhals knows.
        by: the column, or several, whose values make a group, named by joining them with " / ".
            Without it all rows are one group, "all".
        problem: the column of problem labels, which become text. A wide table may do without.
        attempts, successes: the columns that make a table wide: one row a problem.
        success: the column that makes a table long: one row an attempt, true/false or 1/0.
        errors: what becomes of attempts that have no outcome: "raise" an error that says how many,
            "exclude" them, or count them as "fail".
        stopping: "fixed", "on_success" or "adaptive"; with "auto", a wide table's column "stopping" says
            so, and without one `Counts.looks_stopped` chooses between the first two for each group.
        progress: show a bar on standard error while a long text file is read.

    Raises:
        CountsError: naming the file, the line and the value, or the columns there are.
    """
    check_choice("stopping", stopping, ("auto", *STOPPING))
    check_choice("errors", errors, ERRORS)
    path = Path(source) if isinstance(source, str | os.PathLike) else Path()
    with bar(path, progress) as moved:
        table = open_table(source, moved)
        group = _group_columns(by, table)
        if attempts in table.columns and successes in table.columns:
            labels = [problem] if problem in table.columns or problem != "problem" else []
            told = [STOPPED] if stopping == "auto" and STOPPED in table.columns else []
            tally = _read_wide(table, group, labels, told, attempts, successes)
        elif success in table.columns:
            tally = _read_long(table, group, problem, success, errors)
        else:
            raise CountsError(
                f"{table.name} has neither columns {attempts!r} and {successes!r} (one row a problem) "
                f"nor {success!r} (one row an attempt); its columns are {listed(table.columns)}"
            )
    return split_groups(table.name, tally, stopping)


def choose_group(groups: dict[str, Counts], name: str) -> Counts:
    """The counts of one group, or an error that lists the groups there are."""
    if name not in groups:
        raise CountsError(f"there is no group {name!r}; the groups are {listed(groups)}")
    return groups[name]


def _read_wide(
    table: Table, group: list[str], labels: list[str], told: list[str], attempts: str, successes: str
) -> Tally:
    names = [*group, *labels, *told, attempts, successes]
    parsers = [label_in] * len(group + labels) + [stopping_in] * len(told) + [whole_number_in] * 2
    *keys, n, s = _parsed(table, names, parsers, _read(table, names))
    stopping = keys.pop() if told else None
    groups = list(zip(*keys[: len(group)], strict=True)) if group else [()] * len(n)
    return Tally(groups, keys[-1] if labels else None, n, s, table.place, stopping)


def _read_long(table: Table, group: list[str], problem: str, success: str, errors: str) -> Tally:
    names = [*group, problem, success]
    repeats = _distinct(table, _read(table, names), Counter)  # of a million rows, perhaps hundreds differ
    parsers = [label_in] * (len(names) - 1) + [outcome_in]
    *keys, outcomes = _parsed(table, names, parsers, repeats)
    numbers = list(repeats.values())
    if errors == "raise" and None in outcomes:
        unscored = sum(r for r, o in zip(numbers, outcomes, strict=True) if o is None)
        rows = enumerate(table.read([success]))
        first = next(table.place(row) for row, (cell,) in rows if outcome_in(cell) is None)
        raise CountsError(
            f"{table.name}, {first}: {success} is empty, as in {unscored:,} of {sum(numbers):,} "
            f"rows; errors='exclude' leaves them out, errors='fail' counts them as failures"
        )
    cells: dict[Cells, list[int]] = {}
    for key, outcome, number in zip(zip(*keys, strict=True), outcomes, numbers, strict=True):
        cell = cells.setdefault(key, [0, 0])
        cell[0] += number * (outcome is not None or errors == "fail")
        cell[1] += number * (outcome is True)
    n, s = zip(*cells.values(), strict=True)
    labels = [key[-1] for key in cells]
    return Tally([key[:-1] for key in cells], labels, n, s, lambda i: f"problem {labels[i]!r}")


def split_groups(name: str, tally: Tally, stopping: str) -> dict[str, Counts]:
    """The counts of each group in what was tallied from a source of this name.

    Raises:
        CountsError: naming the entry that cannot be right.
    """
    members: dict[tuple[str, ...], list[int]] = {}
    for entry, group in enumerate(tally.groups):
        members.setdefault(group, []).append(entry)
    counts: dict[str, Counts] = {}
    for group, entries in members.items():
        called = " / ".join(group) or "all"
        if called in counts:
            raise CountsError(f"{name}: two different groups are both called {called!r}")
        try:
            counts[called] = _counts(tally, entries, stopping)
        except CountsError as error:
            where = "" if error.row is None else f", {tally.place(entries[error.row])}"
            note = f" (group {called!r})" if group else ""
            if isinstance(error, RepeatedProblemError) and not group:
                note = "; if it belongs to another model or benchmark, name that column with by="
            raise CountsError(f"{name}{where}: {error.reason}{note}") from None
    return counts


def _counts(tally: Tally, entries: list[int], stopping: str) -> Counts:
    pick = picker(entries)
    labels = None if tally.problems is None else pick(tally.problems)
    if tally.stopping is not None:
        stopping, *others = sorted(set(pick(tally.stopping)))
        if others:
            raise CountsError(f"stopping is {stopping} of some problems and {others[0]} of others")
    given = "fixed" if stopping == "auto" else stopping
    # Counts makes arrays of the sequences that it is given
    counts = Counts(pick(tally.attempts), pick(tally.successes), labels, given)  # type: ignore[arg-type]  # they are no arrays yet
    if stopping == "auto" and counts.looks_stopped():
        return replace(counts, stopping="on_success")
    return counts


def _parsed(
    table: Table,
    names: Sequence[str],
    parsers: Sequence[Callable[[Any], Any]],
    rows: Iterable[Cells],
) -> list[list[Any]]:
    """The meaning of every cell, a list a column; equal cells are worked out once."""
    columns: list[list[Any]] = [[] for _ in names]
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        for column, cells in zip(columns, zip(*chunk, strict=True), strict=True):
            column.extend(cells)
    if not columns[0]:
        raise CountsError(f"{table.name} has columns but no rows")
    return [_meanings(table, *each) for each in zip(names, parsers, columns, strict=True)]


def _meanings(table: Table, name: str, parse: Callable[[Any], Any], cells: Sequence[Any]) -> list[Any]:
    distinct = _distinct(table, cells, dict.fromkeys)
    try:
        meaning = {cell: parse(cell) for cell in distinct}
    except ValueError:
        for row, (cell,) in enumerate(table.read([name])):  # again, to say where
            try:
                parse(cell)
            except ValueError as error:
                message = f"{table.name}, {table.place(row)}: {name} {error}"
                raise CountsError(message) from None
        raise
    return [meaning[cell] for cell in cells]


def _distinct(table: Table, items: Iterable[Any], gather: Callable[[Iterable[Any]], T]) -> T:
    try:
        return gather(items)
    except TypeError as error:
        message = f"{table.name}: cells must be text, numbers or true/false ({error})"
        raise CountsError(message) from None


def _read(table: Table, names: Sequence[str]) -> Iterator[Cells]:
    for name in names:
        if name not in table.columns:
            raise CountsError(
                f"{table.name} has no column {name!r}; its columns are {listed(table.columns)}"
            )
    return table.read(names)


def _group_columns(by: str | Sequence[str] | None, table: Table) -> list[str]:
    if isinstance(by, str):
        return [by] if by in table.columns else by.split(",")
    return list(by or ())


def check_choice(name: str, given: str, allowed: Sequence[str]) -> None:
    """Refuse what is not among the allowed words."""
    if given not in allowed:
        raise CountsError(f"{name} must be one of {listed(allowed)}; got {given!r}")
