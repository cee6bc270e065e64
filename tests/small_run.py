"""A small run in shards: its configuration, its tables, and what is looked for in its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmpower.backtest.errors import ShardsError

CONFIG = {"study": "recovery", "alpha": 0.3, "ks": [1, 2, 4], "search": {"steps": 50}}
UNITS = 16


def table(unit: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(unit)
    rows = unit % 5
    return {
        "unit": np.full(rows, unit),
        "estimate": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
        "model": np.array(["gemma", "qwen-2.5-äß", ""])[rng.integers(0, 3, rows)],
        "converged": rng.random(rows) < 0.5,
    }


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype.kind == b[name].dtype.kind
        np.testing.assert_array_equal(a[name], b[name])


def leftovers(directory: Path) -> list[Path]:
    return list(directory.glob(".lmpower-*"))


def refused(act: Callable[[], Any]) -> str:
    """The message, which is one line."""
    with pytest.raises(ShardsError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    return message
