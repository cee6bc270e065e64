"""Given a budget for all problems together: which policy, which estimator, and does the line lose?

The protocol of Kazdan et al. 2025 (arXiv 2510.05197): budgets of 1,000, 3,000 and 10,000 attempts over
all problems of a model, spent uniformly or dynamically, drawn without replacement from the real ones;
100 seeds; mean squared error of pass@k at k = 100, 1,000, 10,000 against 1 - mean_i (1 - s_i/n_i)^k. Then
their "impossible" test: 100 problems, half never solved, half of p = .3, k = 1,000, 20 seeds.

    python benchmarks/budgets.py COUNTS.csv OUT_DIR

The counts need a column "model". Estimators are compared seed by seed.
"""

from __future__ import annotations

import argparse
import itertools
import operator
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmpower.backtest import Budgeted, read_results, run_backtest, score
from lmpower.counts import Counts
from lmpower.tables import read_counts

BUDGETS = (1_000, 3_000, 10_000)
KS = (100, 1_000, 10_000)
ESTIMATORS = (
    "line", "semilog", "brown", "discretized-beta", "discretized-beta-corrected", "beta-binomial",
    "beta-binomial-given", "scaled-beta", "zero-inflated-beta", "independent",
)  # fmt: skip
CONTESTS = (
    ("uniform line", "uniform beta-binomial"),
    ("uniform line", "dynamic beta-binomial"),
    ("uniform beta-binomial", "dynamic beta-binomial"),
    ("uniform beta-binomial-given", "dynamic beta-binomial-given"),
    ("uniform scaled-beta", "dynamic scaled-beta"),
    ("uniform line", "uniform beta-binomial-given"),
    ("uniform line", "uniform scaled-beta"),
)
# Of the impossible test: attempts enough never to run out.
MANY = 10**6

Record = dict[str, Any]


def errors(plan: Budgeted, out: Path) -> list[Record]:
    """Scores of pass@k, with the time they took."""
    begin = time.perf_counter()
    results = run_backtest(plan, out)
    assert results is not None
    print(f"{plan.units} units of {plan.seeds} seeds: {time.perf_counter() - begin:.0f} s")
    return [each for each in score(read_results(results)) if each["quantity"].startswith("pass@")]


def table(records: Sequence[Record]) -> None:
    """Mean squared error in thousandths, with its standard error: a line for each estimator."""
    print("\nmean squared error x 1000 ± standard error (trials without a forecast)")
    for (truth, budget), cell in itertools.groupby(records, operator.itemgetter("truth", "attempts")):
        cells = list(cell)
        print(f"\n{truth}, budget {budget}, at", *dict.fromkeys(each["quantity"] for each in cells))
        for name in dict.fromkeys(each["estimator"] for each in cells):
            mine = [each for each in cells if each["estimator"] == name]
            said = (
                f"{1e3 * each['squared_error']:8.3f} ±{1e3 * each['squared_error_se']:6.3f}"
                + (f" ({each['missing']})" if each["missing"] else "")
                for each in mine
            )
            print(f"  {name:36}", *said)


def wins(out: Path) -> None:
    """In how many cells one estimator has less squared error than another, and by two standard errors."""
    columns = read_results(out / "results.parquet")
    print("\nwins over models x budgets, at k =", *KS, "(in brackets: by more than two standard errors)")
    for first, second in CONTESTS:
        records = [each for each in score(columns, second) if each["estimator"] == first]
        said = []
        for k in KS:
            gaps = [
                (each["squared_error_difference"], each["squared_error_difference_se"])
                for each in records
                if each["quantity"] == f"pass@{k}"
            ]
            better = sum(gap < 0 for gap, _ in gaps)
            clearly = sum(gap < -2 * error for gap, error in gaps)
            clearly_worse = sum(gap > 2 * error for gap, error in gaps)
            said.append(f"{better} of {len(gaps)} ({clearly}:{clearly_worse})")
        print(f"  {first:30} beats {second:30}", *(f"{each:16}" for each in said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("counts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args()
    groups = read_counts(options.counts, by="model")
    shared = {"budgets": BUDGETS, "estimators": ESTIMATORS}
    plan = Budgeted(groups=groups, seeds=options.seeds, ks=KS, **shared)
    table(errors(plan, options.out / "real"))
    wins(options.out / "real")
    half = Counts([MANY] * 100, [0] * 50 + [3 * MANY // 10] * 50)
    impossible = Budgeted(groups={"half of p = 0": half}, seeds=20, ks=(1_000,), **shared)
    table(errors(impossible, options.out / "impossible"))


if __name__ == "__main__":
    main()
