"""How fast do logs become counts, and does memory stay flat?

Attempts on a thousand problems, of which one in ten succeeds: a long Parquet table of a million, and
JSON lines, as a long table and as HumanEval results with their completions. Each is read in a process
of its own, so that the peak of its memory can be told; the clock runs around the one call.

    python benchmarks/reading_speed.py FOLDER --rows 1000000 10000000

PyArrow's JSON reader stands beside it for comparison: it takes the whole file into memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PROBLEMS, CHANCE, BLOCK = 1_000, 0.1, 100_000
READ = """
import json, resource, sys, time
import lmpower.counts, lmpower.logs, lmpower.tables
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.perf_counter()
if sys.argv[1] == "pyarrow":
    import pyarrow.json
    groups = lmpower.tables.read_counts(pyarrow.json.read_json(sys.argv[2]))
else:
    groups = lmpower.logs.read_logs(sys.argv[2]).groups
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(counts,) = groups.values()
sums = int(counts.attempts.sum()), int(counts.successes.sum())
print(json.dumps([seconds, before / 1024, peak / 1024, *sums]))
"""


def write_lines(folder: Path, rows: int) -> tuple[Path, Path, int]:
    """A long table and HumanEval results of the same outcomes, and how many are successes."""
    table, results, solved = folder / f"table-{rows}.jsonl", folder / f"humaneval-{rows}.jsonl", 0
    rng = np.random.default_rng(0)
    with open(table, "w") as long, open(results, "w") as human_eval:
        for begin in range(0, rows, BLOCK):
            outcomes = rng.random(min(BLOCK, rows - begin)) < CHANCE
            solved += int(outcomes.sum())
            for row, outcome in enumerate(outcomes.tolist(), start=begin):
                word, problem = "true" if outcome else "false", row % PROBLEMS
                long.write(f'{{"problem": "problem-{problem:04}", "success": {word}}}\n')
                human_eval.write(
                    f'{{"task_id": "HumanEval/{problem}", "completion": "    return {row}", '
                    f'"result": "passed", "passed": {word}}}\n'
                )
    return table, results, solved


def write_parquet(folder: Path, rows: int) -> tuple[Path, int]:
    path, outcomes = folder / f"table-{rows}.parquet", np.random.default_rng(0).random(rows) < CHANCE
    problems = [f"problem-{row % PROBLEMS:04}" for row in range(rows)]
    pq.write_table(pa.table({"problem": problems, "success": outcomes}), path)
    return path, int(outcomes.sum())


def measure(how: str, path: Path, rows: int, solved: int, repeats: int) -> None:
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", READ, how, str(path)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout))
        assert runs[-1][3:] == [rows, solved], (how, runs[-1], solved)
    seconds, before, peak, *_ = min(runs)
    size = path.stat().st_size / 2**20
    print(
        f"{how:8} {path.name:28} {size:7.0f} {seconds:8.2f} {rows / seconds:11,.0f} "
        f"{before:7.0f} {peak:7.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, pyarrow {pa.__version__}")
    print("how      file                             MiB  seconds      rows/s  before    peak (MiB)")
    parquet, solved = write_parquet(options.folder, options.rows[0])
    measure("lmpower", parquet, options.rows[0], solved, options.repeats)
    for rows in options.rows:
        table, results, solved = write_lines(options.folder, rows)
        for path in (table, results):
            measure("lmpower", path, rows, solved, options.repeats)
        measure("pyarrow", table, rows, solved, options.repeats)


if __name__ == "__main__":
    main()
