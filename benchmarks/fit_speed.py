"""How many fits a second, and how far from what the machine's arithmetic allows?

Scaled-Kumaraswamy fits (three parameters) of datasets of P = 128 problems at N = 100 attempts, drawn
from scaled Kumaraswamy truths {alpha .15, .4} x {beta 3.5, 5} x {c .4, .8}. Compilation is timed apart;
results are on the host when the clock stops.

    python benchmarks/fit_speed.py --datasets 1 100 1000 10000 --starts 1 3

Run it with JAX on a GPU to fill in the accelerator's line.
"""

from __future__ import annotations

import argparse
import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np

from lmpower.counts import Rows, stack_rows
from lmpower.fit import Fit, fit_difficulty

FAMILY = "scaled-kumaraswamy"
PROBLEMS, ATTEMPTS = 128, 100
TRUTHS = list(itertools.product((0.15, 0.4), (3.5, 5.0), (0.4, 0.8)))


def datasets(size: int, seed: int) -> Rows:
    """Rows of ``size`` datasets, the truths in turn."""
    rng = np.random.default_rng(seed)
    rows = []
    for truth, _ in zip(itertools.cycle(TRUTHS), range(size), strict=False):
        alpha, beta, c = truth
        p = c * (1 - (1 - rng.random(PROBLEMS)) ** (1 / beta)) ** (1 / alpha)
        solved, problems = np.unique(rng.binomial(ATTEMPTS, p), return_counts=True)
        s = solved.astype(np.float64)
        rows.append(Rows(s, ATTEMPTS - s, problems.astype(np.float64)))
    return stack_rows(rows)


def timed(size: int, starts: int) -> tuple[float, float, float, Fit]:
    """First (compiling) and best warm wall seconds, CPU seconds of the warm run, and the fits."""
    rows = datasets(size, seed=1)
    begin = time.perf_counter()
    fit_difficulty(rows, FAMILY, starts=starts)
    first = time.perf_counter() - begin
    best, cpu = np.inf, np.inf
    for _ in range(5 if size < 1000 else 2):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        fit = fit_difficulty(rows, FAMILY, starts=starts)
        best = min(best, time.perf_counter() - begin)
        cpu = min(cpu, time.process_time() - cpu_begin)
    return first, best, cpu, fit


def exponentials_per_second() -> float:
    """What one process of this machine makes of jnp.exp in float64, summed and not stored."""
    with jax.enable_x64(True):
        x = jnp.linspace(-30.0, 0.0, 4_000_000)
        total = jax.jit(lambda x: jnp.exp(x).sum())
        total(x).block_until_ready()
        begin = time.perf_counter()
        for _ in range(10):
            total(x).block_until_ready()
        return 10 * x.size / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, nargs="+", default=[1, 100, 1000, 10000])
    parser.add_argument("--starts", type=int, nargs="+", default=[3])
    options = parser.parse_args()
    print(f"device {jax.devices()[0].device_kind}, jax {jax.__version__}")
    print(f"float64 exponentials: {exponentials_per_second() / 1e9:.2f} G/s")
    print("datasets starts  first s   warm s    fits/s  CPU us/fit  usable")
    for size in options.datasets:
        for starts in options.starts:
            first, warm, cpu, fit = timed(size, starts)
            print(
                f"{size:8} {starts:6} {first:8.2f} {warm:8.4f} {size / warm:9.0f} "
                f"{cpu / size * 1e6:11.0f} {np.mean(fit.ok):7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
