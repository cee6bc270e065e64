"""Long runs: what is done stays done, whatever kills the run and whenever."""

from __future__ import annotations

import inspect
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_run import CONFIG, UNITS, leftovers, same, table

import lmpower.backtest.shards
from lmpower.backtest.shards import Shards, run_units

PAUSE = 0.1  # seconds a unit, so that a kill comes in time on a busy machine too
SCRIPT = f"""
import json, os, signal, sys, time
from pathlib import Path
import numpy as np
import lmpower.backtest.arrow
from lmpower.backtest.shards import Shards, run_units

{inspect.getsource(table)}

def compute(unit):
    time.sleep(pause)
    return table(unit)

def dies_in(home, name, call):
    original, calls = getattr(home, name), 0

    def counted(*args):
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args)

    setattr(home, name, counted)

folder, pause, at, call, share = json.loads(sys.argv[1])
if at:
    dies_in(os if hasattr(os, at) else lmpower.backtest.arrow, at, call)
run_units(Shards(Path(folder), {CONFIG!r}), {UNITS}, compute, **share)
"""


def start(
    folder: Path, pause: float = 0.0, at: str = "", call: int = 0, **share: int
) -> subprocess.Popen[bytes]:
    """A process that computes a run: ``pause`` seconds a unit, killed in a call of the function ``at``."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps([str(folder), pause, at, call, share])],
        cwd=Path(lmpower.backtest.shards.__file__).parents[1],
        stderr=subprocess.PIPE,
    )


def wait_for_shards(running: subprocess.Popen[bytes], folder: Path, number: int) -> None:
    while len(list(folder.glob("unit-*.parquet"))) < number:
        assert running.poll() is None
        time.sleep(0.003)


def ended(running: subprocess.Popen[bytes]) -> int:
    running.communicate(timeout=60)
    return running.returncode


def all_whole(folder: Path) -> int:
    """How many shards there are, each as it should be."""
    there = [int(re.findall(r"\d+", path.name)[0]) for path in folder.glob("unit-*.parquet")]
    for unit in there:
        same(Shards(folder, CONFIG).read(unit), table(unit))
    return len(there)


def test_killed_from_outside(tmp_path: Path, uninterrupted: bytes) -> None:
    done = 0
    for _ in range(2):
        running = start(tmp_path, PAUSE)
        wait_for_shards(running, tmp_path, done + 3)
        running.send_signal(signal.SIGKILL)
        assert ended(running) == -signal.SIGKILL
        done = all_whole(tmp_path)
        assert done < UNITS
    assert ended(start(tmp_path)) == 0
    assert (tmp_path / "results.parquet").read_bytes() == uninterrupted
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    ("at", "call", "done"),
    [
        ("link", 1, 0),  # the configuration on the disk, but not under its name
        ("_write_group", 3, 2),  # a file begun
        ("fsync", 2 + 2 * 3 + 1, 3),  # a file written
        ("replace", 5, 4),  # a file on the disk
        ("_write_group", UNITS + 1, UNITS),  # merging
        ("replace", UNITS + 1, UNITS),
    ],
)
def test_killed_at_the_worst_moments(
    tmp_path: Path, uninterrupted: bytes, at: str, call: int, done: int
) -> None:
    assert ended(start(tmp_path, at=at, call=call)) == -signal.SIGKILL
    assert len(leftovers(tmp_path)) == 1
    assert not (tmp_path / "results.parquet").exists()
    shards = Shards(tmp_path, CONFIG)
    assert not leftovers(tmp_path)
    assert all_whole(tmp_path) == done
    merged = run_units(shards, UNITS, table, progress=False)
    assert merged is not None
    assert merged.read_bytes() == uninterrupted


def test_interrupted_at_the_keyboard(tmp_path: Path, uninterrupted: bytes) -> None:
    running = start(tmp_path, PAUSE)
    wait_for_shards(running, tmp_path, 3)
    running.send_signal(signal.SIGINT)
    assert ended(running) != 0
    assert not leftovers(tmp_path)
    assert 0 < all_whole(tmp_path) < UNITS
    merged = run_units(Shards(tmp_path, CONFIG), UNITS, table, progress=False)
    assert merged is not None
    assert merged.read_bytes() == uninterrupted


def test_processes_at_the_same_time(tmp_path: Path, uninterrupted: bytes) -> None:
    both = [start(tmp_path / "run", process=process, processes=2) for process in range(2)]
    assert [ended(running) for running in both] == [0, 0]
    assert (tmp_path / "run" / "results.parquet").read_bytes() == uninterrupted
    assert not leftovers(tmp_path / "run")
