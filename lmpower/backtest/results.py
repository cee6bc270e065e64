"""The results of a backtest, read back from where they came to rest."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from lmpower.backtest.arrow import require_pyarrow, to_numpy
from lmpower.files.whole import write_bytes_atomically


def read_results(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The columns of ``results.parquet``, as ``score`` takes them."""
    table = require_pyarrow().parquet.read_table(path)
    return {name: to_numpy(table.column(name)) for name in table.column_names}


def write_csv(path: str | os.PathLike[str]) -> Path:
    """``results.csv`` beside ``results.parquet``, whole or not at all."""
    from pyarrow import csv, parquet

    target = Path(path).with_suffix(".csv")
    text = io.BytesIO()
    csv.write_csv(parquet.read_table(path), text)
    write_bytes_atomically(target, text.getvalue())
    return target
