"""Do 90 % predictive intervals hold what was later measured on real problems?

Counts of real models are thinned to N attempts a problem; every family's posterior then gives an interval
for the pass@k that all of the attempts will be measured to have, at eight k between N and 10,000 (or as
far as the attempts go). A share of 90 % should hold the truth; also of the average of the families, each
with its evidence as weight. Trials of one model share their problems: the groups, not the seeds, are what
is independent, and so a standard error is that over groups.

How far a share strays that should be .90 is asked of files whose law is known: ``--simulated R`` draws
each group's problems R times from the family's own law, fitted to the file, and judges that family.

    python benchmarks/real_coverage.py FILE [--by model] [--attempts 10 30 100 300 1000] [--seeds 10]
    python benchmarks/real_coverage.py FILE --seeds 10 --simulated 20
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import jax
import numpy as np

from lmpower.compare import FAMILIES, average_forecast
from lmpower.counts import Counts
from lmpower.difficulty import Difficulty
from lmpower.fit import fit_difficulty
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
    parser.add_argument(
        "--simulated", type=int, metavar="R", help="how many files to draw from each family"
    )
    options = parser.parse_args()
    groups = {name: _even(counts) for name, counts in read_counts(options.file, by=options.by).items()}
    # a model that hardly ever succeeds in 10,000 attempts has no curve to forecast
    groups = {name: counts for name, counts in groups.items() if np.mean(counts.successes > 0) >= 0.05}
    print(f"{options.file.name}: {', '.join(groups)}; {options.seeds} seeds")
    if options.simulated:
        _say_how_far_chance_goes(groups, options)
        return
    print("    N  " + "".join(f"{family:>22}" for family in (*options.families, "average")) + "   seconds")
    for attempts in options.attempts:
        begin = time.perf_counter()
        inside = _covered(groups, attempts, options.seeds, options.families)
        cells = "".join(f"{_share(inside[name]):>22}" for name in (*options.families, "average"))
        print(f"{attempts:5}  {cells}  {time.perf_counter() - begin:8.1f}", flush=True)


def _say_how_far_chance_goes(groups: dict[str, Counts], options: argparse.Namespace) -> None:
    """Shares of files drawn from each family: their mean, their least, and how many would fail.

    A file fails at one N if its share is below .80, and as a whole if it does at any.
    """
    print("    N  family                  mean   least   below .80   .85 to .95   seconds")
    for family in options.families:
        laws = {name: fit_difficulty(counts, family).difficulty for name, counts in groups.items()}
        files = [_drawn(groups, laws, seed) for seed in range(options.simulated)]
        failed = np.zeros(len(files), bool)
        for attempts in options.attempts:
            begin = time.perf_counter()
            shares = np.array(
                [
                    np.mean(list(_covered(drawn, attempts, options.seeds, [family])[family].values()))
                    for drawn in files
                ]
            )
            failed |= shares < 0.8
            within = np.sum((shares >= 0.85) & (shares <= 0.95))
            print(
                f"{attempts:5}  {family:22} {np.mean(shares):.3f}   {np.min(shares):.3f}   "
                f"{np.sum(shares < 0.8):2} of {len(files)}     {within:2} of {len(files)}"
                f"   {time.perf_counter() - begin:8.1f}",
                flush=True,
            )
        print(f"  all  {family:22} below .80 somewhere: {np.sum(failed)} of {len(files)} files", flush=True)


def _drawn(groups: dict[str, Counts], laws: dict[str, Difficulty], seed: int) -> dict[str, Counts]:
    """As many problems and attempts of each group, from its law."""
    drawn = {}
    for g, (name, counts) in enumerate(groups.items()):
        rng = np.random.default_rng((seed, g))
        log_p = laws[name].sample_log_p(jax.random.key(rng.integers(2**32)), (counts.attempts.size,))
        drawn[name] = Counts(counts.attempts, rng.binomial(counts.attempts, np.exp(log_p)))
    return drawn


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
        # (a posterior that cannot be believed has no evidence, and no interval either)
        weight = np.where(np.isnan(evidence), 0.0, np.exp(evidence - np.nanmax([*evidence, -1e30])))
        weight = weight if weight.any() else np.ones(len(families))
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
