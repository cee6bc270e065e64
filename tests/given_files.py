"""Counts as callers give them: columns of tables, in files; and the sentence that refuses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lmpower.counts import CountsError
from lmpower.tables import read_counts

WIDE = {
    "model": ["m1", "m1", "m2", "m2", "m2"],
    "benchmark": ["math", "math", "math", "code", "code"],
    "problem": ["p1", "p2", "p1", "p1", "p2"],
    "attempts": [10, 10, 20, 20, 20],
    "successes": [3, 0, 20, 1, 0],
    "note": ["", "a, b", 'said "no"', "two\nlines", "é"],
}
LONG = {
    "problem": ["b", "a", "b", "b", "a", "c"],
    "success": [True, False, False, True, False, True],
    "answer": ["x"] * 6,
}
WIDE_HEADER = "problem,attempts,successes\n"


def in_file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def saved(folder: Path, columns: dict[str, Any], suffix: str) -> Path:
    frame, path = pd.DataFrame(columns), folder / f"counts{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


def refused(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(CountsError) as refusal:
        read_counts(*args, **kwargs)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)
