"""Tables: rows of cells from a file or a data frame, whatever it is, to be read again and again.

A `Table` knows its columns, hands out plain tuples of the cells asked for, and can say where a row
stands ("line 12"), so that whoever reads it can name the place of what is wrong. Nothing is held:
each pass reads the source afresh, and lines are counted only when an error needs them.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from lmpower.counts import CountsError, listed
from lmpower.files.documents import json_lines, readable
from lmpower.files.meter import Moved, unheard

Cells = tuple[Any, ...]

SUFFIXES = (".csv", ".jsonl", ".parquet")
PARQUET_READERS: tuple[Literal["pyarrow", "polars"], ...] = ("pyarrow", "polars")
LONGEST_CELL = 2**31 - 1  # model answers pass the csv module's own limit of 131,072 characters


@dataclass(frozen=True)
class Table:
    """Rows that can be read again and again, and what errors call them.

    Attributes:
        name: the file as given, or "the table".
        columns: the columns there are.
        read: a fresh pass over the rows, as tuples of the cells in the columns asked for.
        place: what errors call the row of a 0-based index: "line 12".
    """

    name: str
    columns: Sequence[str]
    read: Callable[[Sequence[str]], Iterator[Cells]]
    place: Callable[[int], str]


def why_no_file(path: Path) -> str:
    """What is there in place of a file that can be read more than once."""
    if path.is_dir():
        return "it is a folder, not a file"
    return "it is a pipe; save it as a file first" if path.exists() else "there is no such file"


def open_table(source: Any, moved: Moved = unheard) -> Table:
    """The table behind a path or a data frame; ``moved`` hears of the bytes of a text file gone by."""
    if not isinstance(source, str | os.PathLike):
        return _frame_table("the table", source)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CountsError(f"cannot read {path}: its suffix must be one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise CountsError(f"cannot read {path}: {why_no_file(path)}")
    openers = {".csv": _csv_table, ".jsonl": _json_table, ".parquet": _parquet_table}
    return openers[suffix](path, moved)


def _csv_table(path: Path, moved: Moved) -> Table:
    columns = next(_csv_rows(path), [])
    if not columns:
        raise CountsError(f"{path} is empty")
    if len(set(columns)) < len(columns):
        raise CountsError(f"{path} has columns of equal name: {listed(columns)}")

    def read(names: Sequence[str]) -> Iterator[Cells]:
        pick = picker([columns.index(name) for name in names])
        return map(pick, islice(_csv_rows(path, moved), 1, None))

    return Table(str(path), columns, read, lambda row: _csv_line(path, row + 1))


def _csv_rows(path: Path, moved: Moved = unheard) -> Iterator[list[str]]:
    """The header and each row; blank lines are not rows."""
    width = 0
    with _csv_reader(path, moved) as reader:
        for cells in reader:
            width = width or len(cells)
            if len(cells) == width:
                yield cells
            elif cells:
                message = f"{path}, line {reader.line_num}: {len(cells)} cells for {width} columns"
                raise CountsError(message)


def _csv_line(path: Path, row: int) -> str:
    """Where a row starts: counted only when needed, as quoted cells may hold line breaks."""
    line = 1
    with _csv_reader(path) as reader:
        for cells in reader:
            if cells and row == 0:
                break
            row -= bool(cells)
            line = reader.line_num + 1
    return f"line {line}"


@contextlib.contextmanager
def _csv_reader(path: Path, moved: Moved = unheard) -> Iterator[Any]:
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        with readable(path), open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file if moved is unheard else _heard(file, moved), strict=True)
            yield reader
    except csv.Error as error:
        raise CountsError(f"{path}, line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _heard(lines: Iterable[str], moved: Moved) -> Iterator[str]:
    for line in lines:
        moved(len(line))
        yield line


def _json_table(path: Path, moved: Moved) -> Table:
    _, first = next(json_lines(path), (0, None))
    if first is None:
        raise CountsError(f"{path} is empty")

    def read(names: Sequence[str]) -> Iterator[Cells]:
        return (tuple(record.get(name) for name in names) for _, record in json_lines(path, moved))

    def place(row: int) -> str:
        return f"line {next(islice(json_lines(path), row, None))[0]}"

    return Table(str(path), list(first), read, place)


def _parquet_table(path: Path, moved: Moved) -> Table:
    import narwhals as nw

    backend = next((b for b in PARQUET_READERS if importlib.util.find_spec(b)), None)
    if backend is None:
        raise CountsError(f"cannot read {path}: Parquet needs pip install 'lmpower[io]'")
    try:
        frame = nw.read_parquet(str(path), backend=backend)
    except Exception as error:  # each backend has its own kinds
        raise CountsError(f"cannot read {path} as Parquet: {error}") from None
    return _frame_table(str(path), frame)


def _frame_table(name: str, source: Any) -> Table:
    import narwhals as nw

    try:
        frame = nw.from_native(source)
    except TypeError:
        raise CountsError(
            f"cannot read counts from a {type(source).__name__}: give a path, or a table of "
            f"pandas, Polars or PyArrow"
        ) from None
    rows = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return Table(
        name, rows.columns, lambda names: rows.select(*names).iter_rows(), lambda row: f"row {row}"
    )


def picker(keys: Sequence[int]) -> Callable[[Sequence[Any]], Cells]:
    """`itemgetter`, but a tuple for one key too."""
    get = itemgetter(*keys)
    return get if len(keys) > 1 else lambda cells: (get(cells),)
