"""How many effective draws of the tail exponent a second, beside PyMC? How long for thousands of data sets?

One machine, one run, one model: s ~ BetaBinomial(n, alpha, beta) in closed form over 128 problems of 100
attempts, under the default prior, log alpha and log beta normal. PyMC runs its own sampler, four chains
of 1,000 draws after 1,000 of tuning, as it does by default, a core a chain as far as there are cores; its
compilation is not counted, nor is ours. Effective draws of both are counted by the same function, on alpha.

    python benchmarks/posterior_speed.py [--datasets 1000] [--nuts-datasets 32]

PyMC is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import math
import time
from collections.abc import Callable

import jax
import numpy as np
from numpyro.diagnostics import effective_sample_size

from lmpower.counts import Counts, Rows
from lmpower.posterior import Posterior, sample_posterior
from lmpower.prior import default_prior

PROBLEMS, ATTEMPTS, TRUTH = 128, 100, (0.25, 7.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--nuts-datasets", type=int, default=32)
    options = parser.parse_args()
    counts = simulated(0)
    print(f"device {jax.devices()[0].device_kind}, jax {jax.__version__}")
    rates = {}
    for method in ("fast", "nuts"):
        first, seconds, posterior = timed(lambda m=method: one(counts, m))
        ess = float(posterior.ess)
        rates[method] = ess / seconds
        print(
            f"{method:5} one data set: first {first:.2f} s, warm {seconds:.3f} s, {ess:.0f} effective, "
            f"{rates[method]:.0f} a second; alpha {posterior.tail_exponent.mean():.4f} "
            f"sd {posterior.tail_exponent.std():.4f}",
            flush=True,
        )
    if importlib.util.find_spec("pymc"):
        rate = pymc_rate(counts)
        for method, ours in rates.items():
            print(f"{method}: {ours / rate:.1f} times PyMC's", flush=True)
    for family, method, size in (
        ("beta", "fast", options.datasets),
        ("scaled-kumaraswamy", "fast", options.datasets),
        ("beta", "nuts", options.nuts_datasets),
    ):
        many = [simulated(seed) for seed in range(size)]
        first, seconds, posterior = timed(
            lambda f=family, m=method, c=many: sample_posterior(c, f, key=jax.random.key(0), method=m)
        )
        print(
            f"{size} data sets, {family}, {method}: first {first:.1f} s, warm {seconds:.2f} s, "
            f"{1e3 * seconds / size:.1f} ms each, {int(np.sum(posterior.chains > 1))} by chains, "
            f"{float(np.mean(posterior.ok)):.3f} to be believed",
            flush=True,
        )


def simulated(seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    p = rng.beta(*TRUTH, PROBLEMS)
    return Counts(np.full(PROBLEMS, ATTEMPTS), rng.binomial(ATTEMPTS, p))


def one(counts: Counts | Rows, method: str) -> Posterior:
    return sample_posterior(counts, "beta", key=jax.random.key(0), method=method)


def timed(run: Callable[[], Posterior]) -> tuple[float, float, Posterior]:
    """Seconds of the first, compiling call, least of two or more warm ones, and the result."""
    begin = time.perf_counter()
    posterior = run()
    first, warm = time.perf_counter() - begin, math.inf
    for _ in range(5 if first < 30 else 2):
        begin = time.perf_counter()
        posterior = run()
        warm = min(warm, time.perf_counter() - begin)
    return first, warm, posterior


def pymc_rate(counts: Counts) -> float:
    """Effective draws of alpha a second of PyMC's sampling, without its compilation."""
    import pymc

    logging.getLogger("pymc").setLevel(logging.ERROR)
    prior = default_prior("beta")
    with pymc.Model():
        log_alpha, log_beta = (
            pymc.Normal(f"log_{name}", math.log(law.median), math.log(law.factor))
            for name, law in zip(prior.names, prior.marginals, strict=True)
        )
        alpha = pymc.Deterministic("alpha", pymc.math.exp(log_alpha))
        pymc.BetaBinomial(
            "s", alpha=alpha, beta=pymc.math.exp(log_beta), n=counts.attempts, observed=counts.successes
        )
        options = {"chains": 4, "progressbar": False, "compute_convergence_checks": False}
        pymc.sample(10, tune=10, random_seed=1, **options)
        begin = time.perf_counter()
        trace = pymc.sample(1000, tune=1000, random_seed=2, **options)
        seconds = time.perf_counter() - begin
    draws = trace.posterior["alpha"].values
    ess = float(effective_sample_size(draws))
    print(
        f"PyMC {pymc.__version__}: {seconds:.2f} s, {ess:.0f} effective, {ess / seconds:.0f} a second; "
        f"alpha {draws.mean():.4f} sd {draws.std():.4f}",
        flush=True,
    )
    return ess / seconds


if __name__ == "__main__":
    main()
