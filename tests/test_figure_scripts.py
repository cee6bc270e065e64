"""The scripts of benchmarks/: what they refuse, and pass@k without bias beside the published lines."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmpower.counts import Counts, CountsError
from lmpower.passk import pass_at_k

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def script(name: str) -> Any:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "arguments", "message"), [
    ("figures/per_problem_decay", ["none.csv", "out.png"], "cannot read none.csv"),
    ("figures/per_problem_decay", ["--by", "model", "out.png"], "--by and --group choose from a FILE"),
    ("figures/real_forecasts", ["none.csv", "out.png", "--attempts", "5"], "cannot read none.csv"),
    ("figures/error_against_attempts", ["none.parquet", "out.png"], "none.parquet"),
    ("figures/difficulty_tails", ["out.tiffy"], "the suffix must be one of .png, .pdf, .svg"),
    ("figures/line_bias", ["missing/out.png"], "cannot write missing/out.png"),
    ("published_lines", ["none.csv"], "cannot read none.csv"),
])  # fmt: skip
def test_bad_input_is_one_line_and_no_file(
    name: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    command = [sys.executable, BENCHMARKS / f"{name}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_pass_at_k_of_batches_is_right_up_to_the_limit() -> None:
    lines = script("published_lines")
    counts = Counts([60, 120, 10020], [3, 1, 0], stopping="on_success")
    ours = dict(zip(lines.KS.tolist(), 3 * lines.by_batches(counts), strict=True))
    first = pass_at_k(Counts([60], [3]), [1, 10, 56]).estimate  # k of the first batch tell all of its own
    np.testing.assert_allclose([ours[k] for k in (1, 10, 56)], first)
    # of one success among attempts 61 ... 120, k - 60 attempts find (k - 60)/60
    np.testing.assert_allclose([ours[k] for k in (64, 100, 156)], [1 + 4 / 60, 1 + 40 / 60, 2])
    assert ours[10_000] == 2
    with pytest.raises(CountsError, match="no pass@10,000 without bias"):
        lines.by_batches(Counts([60, 120], [1, 0], stopping="on_success"))
