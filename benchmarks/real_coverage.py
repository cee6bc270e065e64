"""Do 90 % predictive intervals hold what was later measured on real problems?

Counts of real models are thinned to N attempts a problem; every family's posterior then gives an interval
for the pass@k that all of the attempts will be measured to have, at eight k between N and 10,000 (or as
far as the attempts go). A share of 90 % should hold the truth; also of the average of the families, each
with its evidence as weight. Trials of one model share their problems: the groups, not the seeds, are what
is independent, and so a standard error is that over groups.

    python benchmarks/real_coverage.py FILE [--by model] [--attempts 10 30 100 300 1000] [--seeds 10]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import jax
import numpy as np

from lmpower.compare import FAMILIES, average_forecast
from lmpower.counts import Counts
from lmpower.forecast import forecast_pass_at_k
from lmpower.passk import pass_at_k
from lmpower.posterior import sample_posterior
from lmpower.tables import read_counts

LEVEL, MOST, BUDGETS = 0.9, 10_000, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", default="model")
    parser.add_argument("--attempts", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    options = parser.parse_args()
    groups = {name: _even(counts) for name, counts in read_counts(options.file, by=options.by).items()}
    # a model that hardly ever succeeds in 10,000 attempts has no curve to forecast
    groups = {name: counts for name, counts in groups.items() if np.mean(counts.successes > 0) >= 0.05}
    print(f"{options.file.name}: {', '.join(groups)}; {options.seeds} seeds")
    print("    N  " + "".join(f"{family:>22}" for family in (*options.families, "average")) + "   seconds")
    for attempts in options.attempts:
        begin = time.perf_counter()
        inside = _covered(groups, attempts, options.seeds, options.families)
        cells = "".join(f"{_share(inside[name]):>22}" for name in (*options.families, "average"))
        print(f"{attempts:5}  {cells}  {time.perf_counter() - begin:8.1f}", flush=True)


def _even(counts: Counts) -> Counts:
    """As many attempts of every problem: what all have, and at most what the longest forecast needs."""
    fewest = min(int(counts.attempts.min()), MOST)
    return counts if counts.attempts.max() == fewest else counts.thin(fewest, jax.random.key(17))


def _covered(
    groups: dict[str, Counts], attempts: int, seeds: int, families: list[str]
) -> dict[str, dict[str, list[np.ndarray]]]:
    """For every family, group and trial, which k's truth lies in the interval."""
    trials = [
        (name, counts.thin(attempts, jax.random.fold_in(jax.random.key(g), seed)))
        for g, (name, counts) in enumerate(groups.items())
        for seed in range(seeds)
        if counts.attempts.min() > attempts
    ]
    thinned = [counts for _, counts in trials]
    posteriors = {
        family: sample_posterior(thinned, family, key=jax.random.key(0), draws=400) for family in families
    }
    inside: dict[str, dict[str, list[np.ndarray]]] = {family: {} for family in (*families, "average")}
    for b, (name, counts) in enumerate(trials):
        whole = groups[name]
        measured = int(whole.attempts.min())
        ks = np.unique(np.rint(np.geomspace(attempts, measured, BUDGETS + 1)[1:]).astype(np.int64))
        truth = pass_at_k(whole, ks).estimate
        forecasts = {
            family: forecast_pass_at_k(posterior[b], ks, counts, level=LEVEL, measured=measured)
            for family, posterior in posteriors.items()
        }
        evidence = np.array([posterior.log_evidence[b] for posterior in posteriors.values()])
        weight = np.where(np.isnan(evidence), 0.0, np.exp(evidence - np.nanmax(evidence)))
        every = forecasts | {"average": average_forecast(forecasts, weight / weight.sum())}
        for family, forecast in every.items():
            inside[family].setdefault(name, []).append(
                (forecast.lower <= truth) & (truth <= forecast.upper)
            )
    return inside


def _share(inside: dict[str, list[np.ndarray]]) -> str:
    """The share of truths inside, and its standard error over groups."""
    of_group = [np.mean(trials) for trials in inside.values()]
    return f"{np.mean(of_group):.3f} ({np.std(of_group, ddof=1) / np.sqrt(len(of_group)):.3f})"


if __name__ == "__main__":
    main()
