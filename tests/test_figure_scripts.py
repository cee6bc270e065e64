"""The scripts of benchmarks/: what they refuse, and pass@k without bias beside the published lines."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
