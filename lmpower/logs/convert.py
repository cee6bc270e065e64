"""Counts out of logs and into a table, which everybody can read and lmpower reads back the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.whole import require_writable, write_text_atomically, written_whole
from lmpower.logs.result import Logs
from lmpower.tables.table import SUFFIXES

COLUMNS = ("group", "problem", "attempts", "successes", "stopping")


def require_table(path: Path) -> None:
    """Refuse now what `write_counts` could not write later."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CountsError(f"cannot write {path}: its suffix must be one of {', '.join(SUFFIXES)}")
    if suffix == ".parquet":
        _parquet(path)
    require_writable(path)


def write_counts(logs: Logs, path: Path) -> None:
    """One row a problem: `COLUMNS`, and what the logs say of the group; whole or not at all.

    Read it back by ``by="group"``.

    Raises:
        ValueError: with the reason why it cannot be written.
    """
    require_table(path)
    try:
        _write(list(_rows(logs)), path)
    except UnicodeEncodeError as error:
        odd = error.object[error.start]
        raise CountsError(f"cannot write {path}: {odd!r} is no text in UTF-8; .jsonl can hold it") from None


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        arrow, parquet = _parquet(path)
        with written_whole(path) as temporary:
            parquet.write_table(arrow.table(columns), temporary)
    elif suffix == ".jsonl":
        write_text_atomically(path, "".join(json.dumps(row) + "\n" for row in rows))
    else:
        text = StringIO()
        # of its own the module quotes no cell for a carriage return, at which readers break lines
        odd = any("\r" in str(cell) for row in rows for cell in row.values())
        writer = csv.DictWriter(
            text,
            list(rows[0]),
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL,
        )
        writer.writeheader()
        writer.writerows(rows)
        write_text_atomically(path, text.getvalue())


def _rows(logs: Logs) -> Iterator[dict[str, Any]]:
    known = dict.fromkeys(key for labels in logs.labels.values() for key in labels)
    for group, counts in logs.groups.items():
        said = logs.labels.get(group, {})
        more = {key: said.get(key, "") for key in known if key not in COLUMNS}
        problems = range(1, len(counts) + 1) if counts.problem is None else counts.problem.tolist()
        pairs = zip(problems, counts.attempts.tolist(), counts.successes.tolist(), strict=True)
        for problem, n, s in pairs:
            row = (group, str(problem), n, s, counts.stopping)
            yield dict(zip(COLUMNS, row, strict=True)) | more


def _parquet(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CountsError(f"cannot write {path}: Parquet needs pip install 'lmpower[io]'") from None
    return pyarrow, pyarrow.parquet
