"""Do the published panels of the synthetic backtest come out, and how long does the whole grid take?

{Beta, Kumaraswamy} x a {.15, .4} x b {3.5, 5} x c {.1, .8}; P {64, 128}; seven N from 100 to 10,000;
30 seeds (Schaeffer et al. 2025, arXiv 2502.17578, Figure 7): 6,720 datasets, every estimator on each. Four
of the sixteen panels were published. The error of an exponent is |estimate - a|/a.

    python benchmarks/published_backtest.py OUT_DIR [--quick]

Then the bias of the straight line with infinite data, from the exact integral, and the Cramer-Rao bound.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

from lmpower.backtest import Synthetic, exponent_bound, line_bias, read_results, run_backtest, score
from lmpower.difficulty.named import law_named
from lmpower.estimators import ESTIMATORS
from lmpower.scaling import window_slope

ATTEMPTS = (100, 215, 464, 1000, 2154, 4642, 10_000)
TRUTHS = {
    f"{family}:{a},{b},{c}": law_named(f"{family}:{a},{b},{c}")
    for family, a, b, c in itertools.product(("beta", "kumaraswamy"), (0.15, 0.4), (3.5, 5), (0.1, 0.8))
}
# Mean errors at P = 128 read off the published panels.
PUBLISHED = {
    ("beta:0.15,3.5,0.1", "line"): (0.862, 0.910, 0.919, 0.898, 0.859, 0.814, 0.785),
    ("beta:0.15,3.5,0.1", "discretized-beta"): (0.377, 0.273, 0.365, 0.156, 0.128, 0.246, 0.112),
    ("beta:0.15,3.5,0.1", "discretized-kumaraswamy"): (0.868, 0.804, 0.697, 0.611, 0.527, 0.442, 0.364),
    ("beta:0.15,5,0.1", "line"): (0.797, 0.846, 0.868, 0.879, 0.850, 0.819, 0.779),
    ("beta:0.15,5,0.1", "discretized-beta"): (0.393, 0.281, 0.444, 0.137, 0.139, 0.255, 0.125),
    ("beta:0.15,5,0.1", "discretized-kumaraswamy"): (0.907, 0.830, 0.800, 0.682, 0.596, 0.508, 0.432),
    ("beta:0.15,3.5,0.8", "line"): (0.871, 0.817, 0.764, 0.685, 0.624, 0.595, 0.552),
    ("beta:0.15,3.5,0.8", "discretized-beta"): (0.182, 0.154, 0.202, 0.112, 0.110, 0.167, 0.109),
    ("beta:0.15,3.5,0.8", "discretized-kumaraswamy"): (0.311, 0.244, 0.219, 0.200, 0.179, 0.158, 0.143),
    ("beta:0.15,5,0.8", "line"): (0.883, 0.853, 0.775, 0.715, 0.661, 0.620, 0.575),
    ("beta:0.15,5,0.8", "discretized-beta"): (0.158, 0.136, 0.235, 0.110, 0.118, 0.190, 0.117),
    ("beta:0.15,5,0.8", "discretized-kumaraswamy"): (0.384, 0.298, 0.241, 0.207, 0.181, 0.153, 0.144),
}

# Posteriors are judged in calibration.py: they take longer, and answer for the very problems counted.
NAMES = tuple(name for name in ESTIMATORS if not name.endswith("-posterior"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="P = 128 and N = 100, 1000 only")
    options = parser.parse_args()
    problems, attempts = ((128,), (100, 1000)) if options.quick else ((64, 128), ATTEMPTS)
    plan = Synthetic(truths=TRUTHS, problems=problems, attempts=attempts, seeds=30, estimators=NAMES)
    begin = time.perf_counter()
    results = run_backtest(plan, options.out)
    print(f"{len(TRUTHS) * len(problems) * len(attempts) * 30} datasets x {len(NAMES)} estimators: "
          f"{time.perf_counter() - begin:.0f} s")  # fmt: skip
    assert results is not None
    records = score(read_results(results))
    errors = {
        (r["truth"], r["estimator"], r["attempts"]): (r["relative_error"], r["relative_error_se"])
        for r in records
        if r["quantity"] == "tail_exponent" and r["problems"] == 128
    }
    print("\nmean error of the exponent, P = 128, at N =", *attempts)
    for truth, name in itertools.product(TRUTHS, NAMES):
        ours = [errors[truth, name, n] for n in attempts]
        print(f"{truth:24} {name:34}", *(f"{mean:.3f}±{se:.3f}" for mean, se in ours))
        if (truth, name) in PUBLISHED:
            numbers = dict(zip(ATTEMPTS, PUBLISHED[truth, name], strict=True))
            print(f"{'':24} {'  published':34}", *(f"{numbers[n]:.3f}      " for n in attempts))
    print(
        "\nbias of the straight line with infinite data, and the Cramer-Rao bound of the exponent, P = 128"
    )
    for truth, law in TRUTHS.items():
        exponent = float(law.tail().exponent)
        bias = line_bias(law, attempts)
        bound = [exponent_bound(law, 128, n) / exponent for n in attempts]
        rows = {"bias": bias, "bound": bound, "slope over k=1..10^4": [float(window_slope(law, 1, 1e4))]}
        for what, numbers in rows.items():
            print(f"{truth:24} {what:22}", *(f"{each:.3f}" for each in numbers))


if __name__ == "__main__":
    main()
