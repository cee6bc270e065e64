"""Make lmpower/data/reconstruction.csv and reconstruction_chains.csv: an autoencoder's trials.

    python benchmarks/datasets/make_reconstruction.py --seed 0 --out lmpower/data/reconstruction.csv

The controlled experiment of Levi (2024, arXiv 2410.16377): a variational autoencoder (``autoencoder.py``)
reconstructs images that it was trained on, with a temperature; a trial succeeds if the mean squared error a
pixel is at most epsilon. Architecture, temperatures, thresholds and the kind of correlation are our own
choice: those of the paper were not to be had. The images are scikit-learn's digits, or those of
``--images``: an IDX file such as Fashion-MNIST's train-images-idx3-ubyte.gz, or an .npz.

*Independent trials* (OUT): each trial draws its own noise. Temperatures have noise of their own; thresholds
judge the same trials. ``least_error`` is the least that descent over the latents finds: an image with more
than epsilon will never be solved, at any temperature.

*Correlated trials* (OUT with ``_chains`` before its suffix): the noise of a trial goes on from the one
before, eps_t = rho eps_(t-1) + sqrt(1 - rho^2) xi_t, at the middle temperature and the largest threshold.
Order matters here, so chains are kept apart: ``first`` is the trial of the first success, empty if there is
none, and ``successes_N`` are those among the first N trials. (Trials that have only the image in common,
and with it the chance p, are correlated too when averaged over images. That is no obstacle: it is what a
law of difficulty describes.)

With the same seed, versions and machine the files come out bit for bit, whatever ``--batch`` is.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from autoencoder import STEPS, Model, correlated_outcomes, independent_successes, least_error, train
from jax import Array
from pictures import digits, read_images

from lmpower.files.whole import require_writable, write_text_atomically

LARGEST_SEED = 2**32 - 1  # what a key takes with 32-bit numbers
DIGITS_EPSILONS = [0.008, 0.01]  # with these, a quarter and a seventh of the digits cannot be reconstructed


class Plan(NamedTuple):
    """What is tried: see the command line."""

    temperatures: Sequence[float]
    epsilons: Sequence[float]
    correlations: Sequence[float]
    problems: int
    attempts: int
    chains: int
    length: int
    pilots: Sequence[int]
    steps: int
    batch: int


class Problems(NamedTuple):
    """The images to be reconstructed, and which of all images they are."""

    number: Array  # [P]
    image: Array  # [P, X]


def make(images: np.ndarray, seed: int, plan: Plan) -> tuple[str, str]:
    """Both files as text."""
    keys = [jax.random.fold_in(jax.random.key(seed), number) for number in range(5)]
    model = _timed("trained", lambda: train(jnp.asarray(images), keys[0], plan.steps))
    chosen = jnp.sort(jax.random.permutation(keys[1], len(images))[: plan.problems])
    problems = Problems(chosen, jnp.asarray(images)[chosen])
    least = _timed(
        "least errors", lambda: _each(_mapped(least_error), model, problems, keys[2], plan.batch)
    )
    successes = _timed("independent trials", lambda: _independent(model, problems, keys[3], plan))
    outcomes = _timed("correlated trials", lambda: _correlated(model, problems, keys[4], plan))
    return _independent_csv(problems, least, successes, plan), _chains_csv(problems, outcomes, plan)


def _mapped(function: Callable[..., Array]) -> Callable[..., Array]:
    """``function(model, image, key, *settings)`` of many problems, one after the other, compiled once."""

    def run(model: Model, problems: Problems, key: Array, *settings: float) -> Array:
        def one(problem: Problems) -> Array:
            return function(model, problem.image, jax.random.fold_in(key, problem.number), *settings)

        return jax.lax.map(one, problems)

    return jax.jit(run)


def _each(
    mapped: Callable[..., Array], model: Model, problems: Problems, key: Array, batch: int, *settings: float
) -> np.ndarray:
    """What ``mapped`` gives for all problems, ``batch`` of them in one call."""
    parts = []
    for start in range(0, len(problems.number), batch):
        part = jax.tree.map(lambda x, start=start: x[start : start + batch], problems)
        parts.append(np.asarray(mapped(model, part, key, *settings)))
    return np.concatenate(parts)


def _independent(model: Model, problems: Problems, key: Array, plan: Plan) -> np.ndarray:
    """Successes, [temperature, problem, epsilon]."""
    thresholds = np.asarray(plan.epsilons, dtype=np.float32)

    @_mapped
    def successes(model: Model, image: Array, key: Array, temperature: float) -> Array:
        return independent_successes(model, image, key, temperature, thresholds, plan.attempts)

    keys = [jax.random.fold_in(key, number) for number in range(len(plan.temperatures))]
    each = zip(keys, plan.temperatures, strict=True)
    return np.stack([_each(successes, model, problems, key, plan.batch, t) for key, t in each])


def _correlated(model: Model, problems: Problems, key: Array, plan: Plan) -> np.ndarray:
    """Outcomes, [correlation, problem, trial, chain], at the middle temperature and the largest epsilon."""
    temperature, epsilon = _of_chains(plan)

    @_mapped
    def outcomes(model: Model, image: Array, key: Array, correlation: float) -> Array:
        trials = plan.chains, plan.length
        return correlated_outcomes(model, image, key, temperature, epsilon, correlation, *trials)

    keys = [jax.random.fold_in(key, number) for number in range(len(plan.correlations))]
    each = zip(keys, plan.correlations, strict=True)
    return np.stack([_each(outcomes, model, problems, key, plan.batch, rho) for key, rho in each])


def _of_chains(plan: Plan) -> tuple[float, float]:
    return plan.temperatures[len(plan.temperatures) // 2], plan.epsilons[-1]


def _independent_csv(problems: Problems, least: np.ndarray, successes: np.ndarray, plan: Plan) -> str:
    return _csv(
        ["temperature", "epsilon", "problem", "least_error", "attempts", "successes"],
        (
            [temperature, epsilon, problem, f"{least[i]:.6g}", plan.attempts, successes[t, i, e]]
            for t, temperature in enumerate(_short(plan.temperatures))
            for e, epsilon in enumerate(_short(plan.epsilons))
            for i, problem in enumerate(problems.number.tolist())
        ),
    )


def _chains_csv(problems: Problems, outcomes: np.ndarray, plan: Plan) -> str:
    first = np.where(outcomes.any(axis=2), outcomes.argmax(axis=2) + 1, 0)
    among = [outcomes[:, :, :pilot].sum(axis=2) for pilot in plan.pilots]
    temperature, epsilon = _short(_of_chains(plan))
    pilots = [f"successes_{pilot}" for pilot in plan.pilots]
    return _csv(
        ["correlation", "temperature", "epsilon", "problem", "chain", "first", *pilots],
        (
            [correlation, temperature, epsilon, problem, chain, first[r, i, chain] or ""]
            + [successes[r, i, chain] for successes in among]
            for r, correlation in enumerate(_short(plan.correlations))
            for i, problem in enumerate(problems.number.tolist())
            for chain in range(plan.chains)
        ),
    )


def _short(numbers: Iterable[float]) -> list[str]:
    return [f"{number:g}" for number in numbers]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _timed(what: str, compute: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = jax.block_until_ready(compute())
    print(f"{what}: {time.perf_counter() - start:.1f} s", flush=True)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", metavar="FILE", type=Path, required=True, help="the independent trials, .csv")
    add("--seed", type=int, default=0, metavar="N")
    add("--images", type=Path, metavar="FILE", help="other images; they need --epsilons")
    add("--temperatures", type=float, nargs="+", default=[1, 2, 3], metavar="T")
    add("--epsilons", type=float, nargs="+", metavar="E", help=f"default for digits: {DIGITS_EPSILONS}")
    add("--correlations", type=float, nargs="+", default=[0.9, 0.99], metavar="RHO")
    add("--problems", type=int, default=128, metavar="P", help="images to reconstruct")
    add("--attempts", type=int, default=100_000, metavar="N", help="independent trials an image")
    add("--chains", type=int, default=16, metavar="C", help="chains of correlated trials an image")
    add("--length", type=int, default=10_000, metavar="N", help="trials a chain")
    add("--pilots", type=int, nargs="+", default=[100, 1_000], metavar="N", help="first trials counted")
    add("--steps", type=int, default=STEPS, metavar="N", help="of training")
    add("--batch", type=int, default=32, metavar="P", help="images in one call; changes no result")
    return parser


def _plan(options: argparse.Namespace, images: int) -> Plan:
    """The options, checked."""
    if options.epsilons is None and options.images is not None:
        raise ValueError("--images needs --epsilons: which errors are small depends on the images")
    whole = ("problems", "attempts", "chains", "length", "steps", "batch")
    for name in whole:
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1; got {getattr(options, name)}")
    if options.problems > images:
        raise ValueError(f"--problems must be at most {images:,}, all images; got {options.problems:,}")
    if any(not 1 <= pilot <= options.length for pilot in options.pilots):
        raise ValueError(f"--pilots must be from 1 to --length {options.length}; got {options.pilots}")
    epsilons = options.epsilons or DIGITS_EPSILONS
    for name, given in (("temperatures", options.temperatures), ("epsilons", epsilons)):
        if any(not 0 < number < math.inf for number in given):
            raise ValueError(f"--{name} must be above 0 and finite; got {given}")
    if any(not 0 <= rho < 1 for rho in options.correlations):
        raise ValueError(f"--correlations must be at least 0 and below 1; got {options.correlations}")
    return Plan(
        temperatures=sorted(set(options.temperatures)),
        epsilons=sorted(set(epsilons)),
        correlations=sorted(set(options.correlations)),
        pilots=sorted({*options.pilots, options.length}),
        **{name: getattr(options, name) for name in whole},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chains = options.out.with_stem(f"{options.out.stem}_chains")
    try:
        if not 0 <= options.seed <= LARGEST_SEED:
            raise ValueError(f"--seed must be from 0 to {LARGEST_SEED}; got {options.seed}")
        for path in (options.out, chains):
            require_writable(path)
        images = digits() if options.images is None else read_images(options.images)
        texts = make(images, options.seed, _plan(options, len(images)))
        for path, text in zip((options.out, chains), texts, strict=True):
            write_text_atomically(path, text)
            print(f"wrote {path}: {len(text):,} bytes")
    except ValueError as error:
        print(f"make_reconstruction.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
