"""The results of a backtest, read back from where they came to rest."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from lmpower.files.whole import write_bytes_atomically


def read_results(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The columns of ``results.parquet``, as ``score`` takes them."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    return {name: _array(column) for name, column in columns.items()}


def _array(column: Any) -> np.ndarray:
    if column.type == "string":
        coded = column.dictionary_encode()  # few texts in many lines
        return np.asarray(coded.dictionary.to_pylist())[coded.indices.to_numpy(zero_copy_only=False)]
    return np.asarray(column.to_numpy(zero_copy_only=False))


def write_csv(path: str | os.PathLike[str]) -> Path:
    """``results.csv`` beside ``results.parquet``, whole or not at all."""
    from pyarrow import csv, parquet

    target = Path(path).with_suffix(".csv")
    text = io.BytesIO()
    csv.write_csv(parquet.read_table(path), text)
    write_bytes_atomically(target, text.getvalue())
    return target
