"""Some columns of a Parquet file, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.meter import Moved

ROWS = 16  # a row may hold ten thousand answers


def column_names(path: Path) -> list[str]:
    """The columns there are; none where nobody here can tell."""
    try:
        import pyarrow.parquet
    except ImportError:
        return []
    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except Exception as error:  # Arrow's errors have no common kind
        raise CountsError(f"cannot read {path} as Parquet: {' '.join(str(error).split())}") from None


def parquet_rows(path: Path, names: Sequence[str], moved: Moved) -> Iterator[dict[str, Any]]:
    """Rows as plain values, of those columns that there are.

    Raises:
        CountsError: if pyarrow is missing, or the file is no Parquet.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise CountsError(f"cannot read {path}: Parquet needs pip install 'lmpower[io]'") from None
    known = set(column_names(path))
    size = path.stat().st_size
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            total = max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(
                ROWS, columns=[n for n in names if n.partition(".")[0] in known]
            ):
                moved(size * len(batch) // total)
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, CountsError):
            raise
        raise CountsError(f"cannot read {path} as Parquet: {' '.join(str(error).split())}") from None
