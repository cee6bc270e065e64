"""The difficulty under which the counts are most probable.

A fit runs over distinct rows of counts, from the best few of a family's own starting points, by damped
Newton ascent in a box of search coordinates (``maximise``), on one shared grid of points
(``likelihood.expand``). Many datasets are many lanes of the same compiled program: they are packed by
their number of rows, run a few steps at a time in chunks that fit the caches, and whoever has arrived
makes room, so that the cost per fit does not depend on how many there are, nor on the slowest.

The value reported is taken on a grid of twice the resolution; where the two grids disagree the fit is
run again on the finer one. (The maximum itself is insensitive: its loss is quadratic in their gap.)
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.counts import Counts, Rows, stack_rows
from lmpower.difficulty.base import Difficulty, Summary, over_batch
from lmpower.difficulty.named import family_named
from lmpower.integrals import shared_grid
from lmpower.likelihood import expand, log_moments_on_points
from lmpower.maximise import CONVERGED, RUNNING, Ascent, ascend, begin


class Status(enum.IntEnum):
    """How a fit ended. ``sentence`` says it in words; only the first two carry estimates to use."""

    CONVERGED = 0
    AT_BOUND = 1
    NOT_CONVERGED = 2
    NO_SUCCESS = 3
    ALL_SUCCESS = 4
    ONE_PROBLEM = 5

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "converged",
    Status.AT_BOUND: "a parameter other than c or pi0 is at the bound of its search box: the counts "
    "do not determine it",
    Status.NOT_CONVERGED: "the ascent did not converge: try more starts, or a family with fewer "
    "parameters",
    Status.NO_SUCCESS: "no problem was ever solved: any law close enough to 0 fits; try more attempts",
    Status.ALL_SUCCESS: "every attempt succeeded: any law close enough to 1 fits; try harder problems",
    Status.ONE_PROBLEM: "one problem says nothing about how difficulty varies across problems",
}

# A prior worth about one problem, for penalty="weak": independent normals in search coordinates.
# log alpha: mean log .3, sd 1.5 (a factor of 4.5 either way covers all exponents published);
# log beta: mean log 3, sd 2; log c: mean 0, sd 1.5 (c = 1 unless the counts say otherwise);
# pi0: mean 0, sd .3.
_WEAK_PRIOR = {"alpha": (math.log(0.3), 1.5), "beta": (math.log(3.0), 2.0), "c": (0.0, 1.5)}
_WEAK_PRIOR |= {"pi0": (0.0, 0.3)}

_STEPS_AT_A_TIME = 8
# Fewer datasets than this run to their end in one go.
_ALONE = 16
_MOST_STEPS = 240
# Two grids that differ by more than this (in nats, all problems together) are both too coarse: with
# less, the finer one is exact to (1e-4)^2 and the maximum on the coarser one is lower by as little.
_GRID_TOLERANCE = 1e-4
_FINEST = 16
# Numbers of R x J kernels held at once by one chunk: 1 MB of float64 fits a core's cache; an
# accelerator wants as much in flight as it has cores.
_CHUNK_BYTES = {"cpu": 1 << 22, "gpu": 1 << 32, "tpu": 1 << 30}
# XLA runs one chunk's small loops on one core: as many chunks at a time as there are cores.
_WORKERS = min(os.cpu_count() or 1, 16)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Fit:
    """One fit, or a batch of them along a leading axis B.

    Attributes:
        difficulty: the fitted law; its parameters are NumPy float64 [B].
        log_likelihood: log-probability of the counts, with log C(n, s), [B]. No penalty is in it.
        theta: the search coordinates of the maximum, [B, D]; named by ``names``.
        gradient, hessian: of the (penalised) log-likelihood there, [B, D] and [B, D, D].
        rows: the counts as distinct rows, [B, R].
        status: codes of ``Status``, [B].
        steps: Newton steps taken, [B].
    """

    difficulty: Difficulty
    log_likelihood: Float[np.ndarray, "*B"]
    theta: Float[np.ndarray, "*B D"]
    gradient: Float[np.ndarray, "*B D"]
    hessian: Float[np.ndarray, "*B D D"]
    rows: Rows
    status: Int[np.ndarray, "*B"]
    steps: Int[np.ndarray, "*B"]
    penalty: str | None = dataclasses.field(default=None, metadata={"static": True})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the search coordinates (logs of positive parameters, pi0 as it is)."""
        return self.difficulty.box.names

    @property
    def ok(self) -> Any:
        """Whether the estimates can be used, [B]."""
        return self.status <= Status.AT_BOUND

    @property
    def sentence(self) -> str:
        """The status of a single fit in words."""
        return Status(int(self.status)).sentence

    @property
    def tail_exponent(self) -> Float[np.ndarray, "*B"]:
        """The asymptotic exponent b of -log pass@k ~ a k^-b, [B]; nan where there is none."""
        return np.asarray(over_batch(_tail_exponent, self.difficulty))

    def __getitem__(self, index: Any) -> Fit:
        return cast(Fit, jax.tree.map(lambda leaf: leaf[index], self))

    def summary(self) -> str:
        """One readable line for a single fit."""
        values = ", ".join(f"{k} = {np.round(v, 4)}" for k, v in self.difficulty.parameters().items())
        return (
            f"{values}; tail exponent {float(self.tail_exponent):.4f}; "
            f"log-likelihood {float(self.log_likelihood):.4f}; {self.sentence}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON or a data frame."""
        return {
            **{k: np.asarray(v).tolist() for k, v in self.difficulty.parameters().items()},
            "tail_exponent": np.asarray(self.tail_exponent).tolist(),
            "log_likelihood": self.log_likelihood.tolist(),
            "status": np.asarray(self.status).tolist(),
        }


def _tail_exponent(law: Difficulty) -> Array:
    return law.tail().exponent


def fit_difficulty(
    counts: Counts | Rows | Sequence[Counts],
    family: str | Difficulty = "beta",
    *,
    starts: int = 3,
    penalty: str | None = None,
) -> Fit:
    """Maximum likelihood of one dataset's difficulty, or of many at once.

    Args:
        counts: one dataset; or a sequence of them, or rows with a leading axis [B, R] (as from
            ``stack_rows``), for a batch.
        family: a name (``difficulty.named``) or a difficulty whose structure is to be fitted.
        starts: from how many of the family's starting points, the most probable first, to ascend.
        penalty: None, or "weak" for a prior worth about one problem (see the source's table), which
            keeps parameters finite where counts do not determine them.

    Returns:
        A ``Fit``. Check ``fit.ok``: failure is a status with a sentence, never an exception.

    Raises:
        ValueError: for an unknown family or penalty, or fewer than one start.
    """
    if penalty not in (None, "weak"):
        raise ValueError(f"penalty must be None or 'weak', not {penalty!r}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, not {starts}")
    template = family_named(family) if isinstance(family, str) else family
    single = isinstance(counts, Counts) or (isinstance(counts, Rows) and counts.weight.ndim == 1)
    rows = _as_batch(counts)
    fitted = fit_rows(rows, template, starts=starts, penalty=penalty)
    return fitted[0] if single else fitted


def _as_batch(counts: Counts | Rows | Sequence[Counts]) -> Rows:
    if isinstance(counts, Rows):
        return counts if counts.weight.ndim == 2 else jax.tree.map(lambda leaf: leaf[None], counts)
    datasets = [counts] if isinstance(counts, Counts) else list(counts)
    return stack_rows([dataset.rows() for dataset in datasets])


def fit_rows(
    rows: Rows,
    template: Difficulty,
    *,
    starts: int = 3,
    penalty: str | None = None,
    begin_at: Float[np.ndarray, "B D"] | None = None,
) -> Fit:
    """``fit_difficulty`` for a batch of rows [B, R]; ``begin_at`` replaces the family's own starts."""
    attempts = _round_up(int(np.max(rows.attempts)))
    with jax.enable_x64(True):
        lanes = _Lanes(rows, template, attempts, _penalty_table(template, penalty))
        refinement = 2 if lanes.alone else 1
        top = lanes.maximise(starts, begin_at, refinement)
        value = lanes.value_at(top.theta, 2 * refinement)
        uneven = np.flatnonzero(np.abs(top.value - value) > _GRID_TOLERANCE)
        while uneven.size and refinement < _FINEST:
            refinement *= 2
            part = lanes.only(uneven)
            again = part.maximise(1, top.theta[uneven], refinement)
            finer = part.value_at(again.theta, 2 * refinement)
            top, value = jax.tree.map(
                functools.partial(_overwrite, uneven), (top, value), (again, finer)
            )
            uneven = uneven[np.abs(again.value - finer) > _GRID_TOLERANCE]
        theta, converged, steps = top.theta, top.status == CONVERGED, top.steps
        penalties = 0.5 * np.sum(lanes.prior[1] * (theta - lanes.prior[0]) ** 2, axis=-1)
        status = _status(rows, template, theta, converged)
        difficulty = jax.vmap(template.from_search)(jnp.asarray(theta))
    usable = (status < Status.NO_SUCCESS)[:, None]
    difficulty = jax.tree.map(
        lambda leaf: np.where(usable.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, np.nan), difficulty
    )
    return Fit(
        difficulty=difficulty,
        log_likelihood=value + penalties + np.sum(rows.weight * rows.log_choose, axis=-1),
        theta=theta,
        gradient=top.gradient,
        hessian=top.hessian,
        rows=rows,
        status=status,
        steps=steps,
        penalty=penalty,
    )


def _overwrite(index: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    old[index] = new
    return old


def _round_up(attempts: int) -> int:
    """To 1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8 times a power of ten: few grids serve all n."""
    steps = (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8, 10)
    decade = 10 ** max(math.floor(math.log10(max(attempts, 1))), 0)
    return max(10, math.ceil(next(x * decade for x in steps if x * decade >= attempts)))


def _penalty_table(template: Difficulty, penalty: str | None) -> np.ndarray:
    """Means and precisions of the prior on each search coordinate, [2, D]; precision 0 is none."""
    names = [name.split("_")[0] for name in template.box.names]
    if penalty is None:
        return np.zeros((2, len(names)))
    prior = [_WEAK_PRIOR.get(name, (0.0, math.inf)) for name in names]
    return np.array([[mean for mean, _ in prior], [sd**-2.0 for _, sd in prior]])


def _status(rows: Rows, template: Difficulty, theta: np.ndarray, converged: np.ndarray) -> np.ndarray:
    box = template.box
    at_bound = (theta <= np.array(box.lower)) | (theta >= np.array(box.upper))
    # c = 1 and pi0 = 0 are laws like any other
    natural = np.array([name in ("c", "high", "pi0") for name in box.names])
    solved = np.sum(rows.weight * rows.successes, axis=-1)
    unsolved = np.sum(rows.weight * rows.failures, axis=-1)
    status = np.where(converged, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(converged & np.any(at_bound & ~natural, axis=-1), Status.AT_BOUND, status)
    status = np.where(np.sum(rows.weight, axis=-1) <= 1, Status.ONE_PROBLEM, status)
    status = np.where(unsolved == 0, Status.ALL_SUCCESS, status)
    return np.where(solved == 0, Status.NO_SUCCESS, status).astype(np.int32)


# --- many lanes -----------------------------------------------------------------------------------


class _Lanes(NamedTuple):
    """Datasets to fit side by side, and the compiled programs that do it, chunk by chunk."""

    rows: Rows
    template: Difficulty
    attempts: int
    prior: np.ndarray

    def only(self, index: np.ndarray) -> _Lanes:
        return self._replace(rows=jax.tree.map(lambda leaf: leaf[index], self.rows))

    def maximise(
        self, starts: int, begin_at: np.ndarray | None = None, refinement: int = 1
    ) -> Ascent:
        """The best maximum of each dataset, with the steps of all its starts."""
        first = functools.partial(
            _first_steps, attempts=self.attempts, refinement=refinement, starts=starts
        )
        at_first = _MOST_STEPS if self.alone else _STEPS_AT_A_TIME
        most_steps = np.full(self.rows.weight.shape[0], at_first)
        given = () if begin_at is None else (begin_at[:, None],)
        states = self._chunked(first, self.rows, most_steps, *given)
        size, kept = states.status.shape
        flat = jax.tree.map(lambda leaf: leaf.reshape(size * kept, *leaf.shape[2:]), states)
        go_on = functools.partial(_more_steps, attempts=self.attempts, refinement=refinement)
        while (running := np.flatnonzero(flat.status == RUNNING)).size:
            if flat.steps[running[0]] >= _MOST_STEPS:
                break
            part = jax.tree.map(lambda leaf, i=running: leaf[i], flat)
            rows = jax.tree.map(lambda leaf, i=running: leaf[i // kept], self.rows)
            part = self._chunked(go_on, rows, part)
            flat = jax.tree.map(functools.partial(_overwrite, running), flat, part)
        states = jax.tree.map(lambda leaf: leaf.reshape(size, kept, *leaf.shape[1:]), flat)
        best = np.argmax(np.where(np.isnan(states.value), -np.inf, states.value), axis=1)
        pick = np.arange(size), best
        highest = jax.tree.map(lambda leaf: leaf[pick], states)
        return cast(Ascent, highest._replace(steps=states.steps.sum(axis=1)))

    @property
    def alone(self) -> bool:
        """Too few to be worth a coarse first run, or making room for one another."""
        return self.rows.weight.shape[0] < _ALONE

    def value_at(self, theta: np.ndarray, refinement: int) -> np.ndarray:
        """The penalised log-likelihood at ``theta``, [B]."""
        run = functools.partial(_value, attempts=self.attempts, refinement=refinement)
        return cast(np.ndarray, self._chunked(run, self.rows, theta))

    def _chunked(self, run: Any, rows: Rows, *args: Any) -> Any:
        """``run(template, prior, rows, *args)`` over chunks of lanes, packed by their number of rows.

        Every chunk is padded to a size from a short list, so few programs are ever compiled, and the
        arithmetic of a lane does not depend on who runs beside it.
        """
        width = rows.weight.shape[-1]
        used = width - np.argmax(rows.weight[:, ::-1] > 0, axis=-1)
        width = np.minimum(_row_bucket(used), width)
        jobs = []
        for bucket in np.unique(width):
            index = np.flatnonzero(width == bucket)
            chunk = _chunk_size(bucket, self.attempts, index.size)
            jobs += [(bucket, chunk, index[at : at + chunk]) for at in range(0, index.size, chunk)]

        def job(bucket: int, chunk: int, index: np.ndarray) -> Any:
            full = np.resize(index, chunk)
            part = jax.tree.map(lambda leaf: leaf[full, :bucket], rows)
            taken = jax.tree.map(lambda leaf: leaf[full], args)
            with jax.enable_x64(True):
                result = run(self.template, self.prior, part, *taken)
                return index, jax.tree.map(lambda leaf: np.asarray(leaf)[: index.size], result)

        if len(jobs) == 1:
            done = [job(*jobs[0])]
        else:
            with ThreadPoolExecutor(_WORKERS) as pool:
                done = list(pool.map(lambda each: job(*each), jobs))
        return _gather(done, used.size)


def _gather(done: list[tuple[np.ndarray, Any]], size: int) -> Any:
    """The chunks' results back in the order of the lanes."""

    def scatter(*parts: np.ndarray) -> np.ndarray:
        whole = np.empty((size, *parts[0].shape[1:]), parts[0].dtype)
        for (index, _), part in zip(done, parts, strict=True):
            whole[index] = part
        return whole

    return jax.tree.map(scatter, *(result for _, result in done))


def _row_bucket(used: np.ndarray) -> np.ndarray:
    """Row counts rounded up to 8, 16, 24, 32, 48, 64, 96, 128, ..."""
    sizes = np.sort(np.concatenate([[8, 24], 2 ** np.arange(4, 40), 48 * 2 ** np.arange(36)]))
    return sizes[np.searchsorted(sizes, used)]


def _chunk_size(rows: int, attempts: int, lanes: int) -> int:
    """A power of two: as many lanes as fit the device's fast memory, or as there are."""
    bytes_a_lane = 8 * rows * shared_grid(attempts)[0].size
    fitting = max(_CHUNK_BYTES.get(jax.default_backend(), 1 << 22) // bytes_a_lane, 1)
    return 1 << min(int(math.log2(fitting)), math.ceil(math.log2(max(lanes, 1))))


def _surface(template: Difficulty, prior: Array, rows: Rows, attempts: int, refinement: int) -> Any:
    mean, precision = prior

    def surface(theta: Array) -> tuple[Array, Array, Array]:
        likelihood = expand(template, theta, rows, attempts, refinement)
        return (
            likelihood.value - 0.5 * jnp.sum(precision * (theta - mean) ** 2),
            likelihood.gradient - precision * (theta - mean),
            likelihood.hessian - jnp.diag(precision),
        )

    return surface


@functools.partial(jax.jit, static_argnames=("attempts", "refinement", "starts"))
def _first_steps(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    most_steps: Array,
    given: Array | None = None,
    *,
    attempts: int,
    refinement: int,
    starts: int,
) -> Ascent:
    """From the most probable starting points of each lane, or those given, the first few steps."""
    lower, upper = jnp.asarray(template.box.lower), jnp.asarray(template.box.upper)

    def lane(rows: Rows, most_steps: Array, given: Array | None = None) -> Ascent:
        surface = _surface(template, prior, rows, attempts, refinement)
        if given is None:
            tries = jnp.clip(template.starts(summarise(rows)), lower, upper)
            value = jax.vmap(lambda t: _log_posterior(template, prior, rows, t, attempts, refinement))
            _, best = jax.lax.top_k(value(tries), min(starts, tries.shape[0]))
            given = tries[best]
        return jax.vmap(
            lambda theta: ascend(surface, begin(theta), lower, upper, most_steps)
        )(given)

    given_axes = () if given is None else (given,)
    return jax.vmap(lane)(rows, most_steps, *given_axes)


@functools.partial(jax.jit, static_argnames=("attempts", "refinement"))
def _more_steps(
    template: Difficulty, prior: Array, rows: Rows, state: Ascent, *, attempts: int, refinement: int
) -> Ascent:
    lower, upper = jnp.asarray(template.box.lower), jnp.asarray(template.box.upper)

    def lane(rows: Rows, state: Ascent) -> Ascent:
        surface = _surface(template, prior, rows, attempts, refinement)
        return ascend(surface, state, lower, upper, _STEPS_AT_A_TIME)

    return jax.vmap(lane)(rows, state)


@functools.partial(jax.jit, static_argnames=("attempts", "refinement"))
def _value(
    template: Difficulty, prior: Array, rows: Rows, theta: Array, *, attempts: int, refinement: int
) -> Array:
    return jax.vmap(
        lambda rows, theta: _log_posterior(template, prior, rows, theta, attempts, refinement)
    )(rows, theta)


def _log_posterior(
    template: Difficulty, prior: Array, rows: Rows, theta: Array, attempts: int, refinement: int
) -> Array:
    moments = log_moments_on_points(template.from_search(theta), rows, attempts, refinement)
    mean, precision = prior
    penalty = 0.5 * jnp.sum(precision * (theta - mean) ** 2)
    return jnp.sum(jnp.where(rows.weight > 0, rows.weight * moments, 0.0)) - penalty


def summarise(rows: Rows) -> Summary:
    """What rows [R] show at a glance, with rates kept off 0 so that logs of them exist."""
    n, weight = rows.attempts, rows.weight
    problems = jnp.sum(weight)
    rate = jnp.where(weight > 0, rows.successes / n, 0.0)
    pairs = rows.successes * jnp.maximum(rows.successes - 1, 0) / (n * jnp.maximum(n - 1, 1))
    least = 0.3 / jnp.sum(weight * n)
    return Summary(
        mean=jnp.clip(jnp.sum(weight * rate) / problems, least, 1 - 1e-6),
        square=jnp.clip(jnp.sum(weight * pairs) / problems, least**2, 1 - 1e-6),
        largest=jnp.clip(jnp.max(rate), least, 1.0),
        unsolved=jnp.sum(jnp.where(rows.successes == 0, weight, 0.0)) / problems,
    )
