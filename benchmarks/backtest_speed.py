"""How many trials a second does a backtest judge, and how does that grow with their number?

Trials of P = 128 problems at N = 100 attempts from Beta(.4, 3.5) scaled to .8, every estimator on each;
results are on disk when the clock stops. A first run with few trials compiles and is not counted.

    python benchmarks/backtest_speed.py [--seeds 30 120 480 1920] [--estimators all]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from lmpower.backtest import Synthetic, run_backtest
from lmpower.difficulty.named import law_named
from lmpower.estimators import ESTIMATORS

LAW = "beta:.4,3.5,.8"


def seconds(seeds: int, estimators: tuple[str, ...]) -> float:
    """From nothing to the file of results."""
    plan = Synthetic(
        truths={LAW: law_named(LAW)}, problems=[128], attempts=[100], seeds=seeds, estimators=estimators
    )
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        run_backtest(plan, Path(folder) / "out", progress=False)
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[30, 120, 480, 1920])
    parser.add_argument("--estimators", nargs="+", default=["all"], choices=["all", *ESTIMATORS])
    options = parser.parse_args()
    names = tuple(ESTIMATORS) if "all" in options.estimators else tuple(options.estimators)
    print("trials estimators  first s    warm s   estimates/s")
    for seeds in options.seeds:
        first, warm = seconds(seeds, names), seconds(seeds, names)
        print(
            f"{seeds:6} {len(names):10} {first:8.1f} {warm:9.2f} {seeds * len(names) / warm:13.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
