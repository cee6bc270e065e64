"""Do posteriors mean what they say?

Simulation-based calibration (Talts et al. 2018): difficulties are drawn from the prior, counts from those,
and the rank of the truth among the draws of its posterior must be uniform. Asked of the tail exponent,
c, the share pi0 and pass@10,000 of new problems and of these same ones, for every family and both methods;
with the coverage of 90 % intervals. A binomial standard error goes with every coverage.

    python benchmarks/calibration.py --families beta scaled-beta --replicates 1000
    python benchmarks/calibration.py --families beta --method nuts --replicates 300
    python benchmarks/calibration.py --families beta --problems 32 128 512 --attempts 10 100 1000
    python benchmarks/calibration.py --families beta kumaraswamy --truths fixed
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lmpower.counts import Counts
from lmpower.difficulty import Beta, Difficulty, Kumaraswamy, Mixture, Scaled
from lmpower.difficulty.base import over_batch, tail_exponent
from lmpower.forecast import forecast_pass_at_k
from lmpower.posterior import Posterior, sample_posterior
from lmpower.prior import sample_prior

LEVEL, AHEAD, DRAWS, BINS = 0.9, 10_000.0, 400, 20
_TIE = 1e-12
# What no name stands for: problems of two kinds, each with a Beta law of its own.
TWO_BETAS = "two-betas"
_BETA = Beta(np.float64(0.3), np.float64(3.0))
_UNNAMED = {TWO_BETAS: Mixture((_BETA, _BETA), np.array([0.5, 0.5]))}
# The truths of the published synthetic backtest: alpha, beta and scale of either law.
GRID = list(itertools.product((Beta, Kumaraswamy), (0.15, 0.4), (3.5, 5.0), (0.1, 0.8)))


def main() -> None:
    options = _options()
    print(f"method {options.method}, {options.replicates} replicates, {DRAWS} draws, {100 * LEVEL:g} %")
    print("family                    P     N  quantity        coverage (s.e.)  rank p  not ok   seconds")
    for name, problems, attempts in itertools.product(options.families, options.problems, options.attempts):
        begin = time.perf_counter()
        for truth_name, truths in _truths(options, name):
            p, counts = _simulated(truths, problems, attempts, seed=1)
            posterior = sample_posterior(
                counts, _UNNAMED.get(name, name), key=jax.random.key(2), method=options.method, draws=DRAWS
            )
            looked_at = _quantities(posterior, truths, p, counts, options.same)
            seconds = time.perf_counter() - begin
            for quantity, (truth, draws) in looked_at.items():
                _report(
                    f"{name}{truth_name}", problems, attempts, quantity, truth, draws, posterior, seconds
                )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=["beta"], help=f"by name, or {TWO_BETAS}")
    parser.add_argument("--method", choices=("fast", "nuts"), default="fast")
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--problems", type=int, nargs="+", default=[64])
    parser.add_argument("--attempts", type=int, nargs="+", default=[100])
    parser.add_argument("--truths", choices=("prior", "fixed"), default="prior")
    parser.add_argument("--same", action="store_true", help="also pass@10,000 of these same problems")
    return parser.parse_args()


def _truths(options: argparse.Namespace, family: str) -> list[tuple[str, Difficulty]]:
    """Batches of truths: one from the family's prior, or the published grid, a point at a time."""
    if options.truths == "prior":
        return [("", sample_prior(_UNNAMED.get(family, family), options.replicates, key=jax.random.key(0)))]
    found = []
    for kind, alpha, beta, c in GRID:
        law = Scaled(kind(np.float64(alpha), np.float64(beta)), np.float64(c))
        many: Any = jax.tree.map(lambda leaf: np.full(options.replicates, leaf), law)
        found.append((f" | {kind.__name__} {alpha} {beta} {c}", many))
    return found


def _simulated(
    truths: Difficulty, problems: int, attempts: int, seed: int
) -> tuple[np.ndarray, list[Counts]]:
    """Chances p [B, P] and counts of every truth."""
    size = len(jax.tree.leaves(truths)[-1])
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), size)
        log_p = np.asarray(jax.vmap(lambda law, key: law.sample_log_p(key, (problems,)))(truths, keys))
    p = np.exp(log_p)
    successes = np.random.default_rng(seed).binomial(attempts, p)
    return p, [Counts(np.full(problems, attempts), each) for each in successes]


def _quantities(
    posterior: Posterior, truths: Difficulty, p: np.ndarray, counts: list[Counts], same: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is looked at, as true values [B] and draws [B, S]."""
    exponents = np.asarray(over_batch(tail_exponent, truths))
    found = {}
    if not np.all(np.isnan(posterior.tail_exponent)) and np.ptp(posterior.tail_exponent) > 0:
        found["tail exponent"] = exponents, posterior.tail_exponent
    true, drawn = truths.parameters(), posterior.parameters()
    for name in ("c", "pi0"):
        if name in drawn:
            found[name] = np.asarray(true.get(name, np.zeros_like(exponents))), drawn[name]
    ahead = np.array([AHEAD])
    found["pass@10^4 new"] = over_batch(_curve, truths, ahead)[:, 0], posterior.along(_curve, ahead)[..., 0]
    if same:
        draws = [forecast_pass_at_k(posterior[b], ahead, each).draws[:, 0] for b, each in enumerate(counts)]
        found["pass@10^4 same"] = (
            np.mean(-np.expm1(AHEAD * np.log1p(-np.minimum(p, 1 - 1e-16))), axis=1),
            np.array(draws),
        )
    return found


def _report(
    family: str,
    problems: int,
    attempts: int,
    quantity: str,
    truth: np.ndarray,
    draws: np.ndarray,
    posterior: Posterior,
    seconds: float,
) -> None:
    ok = np.asarray(posterior.ok)
    # (where all is solved, truth and draws are the same to the last digits: a tie, decided by lot)
    tied = np.mean(np.abs(draws - truth[:, None]) < _TIE, axis=1)
    below = np.mean(draws < truth[:, None] - _TIE, axis=1)
    rank = (below + tied * np.random.default_rng(0).random(len(truth)))[ok]
    inside = np.abs(rank - 0.5) < LEVEL / 2
    seen = np.bincount(np.minimum((rank * BINS).astype(int), BINS - 1), minlength=BINS)
    coverage = np.mean(inside)
    error = np.sqrt(LEVEL * (1 - LEVEL) / ok.sum())
    print(
        f"{family:24} {problems:4} {attempts:5}  {quantity:15} {coverage:.3f} ({error:.3f})   "
        f"{_uniform_p(seen):6.3f}  {np.sum(~ok):6}  {seconds:8.1f}",
        flush=True,
    )


def _uniform_p(seen: np.ndarray) -> float:
    """The chance of a chi-square as large under uniform ranks."""
    expected = seen.sum() / seen.size
    statistic = np.sum((seen - expected) ** 2) / expected
    with jax.enable_x64(True):
        return float(jax.scipy.stats.chi2.sf(statistic, seen.size - 1))


def _curve(law: Difficulty, ks: Array) -> Array:
    return -jnp.expm1(law.log_moment(jnp.zeros_like(ks), ks))


if __name__ == "__main__":
    main()
