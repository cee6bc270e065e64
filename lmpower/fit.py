"""The difficulty under which the counts are most probable.

A fit runs over distinct rows of counts, from the best few of a family's own starting points, by damped
Newton ascent in a box of search coordinates (``maximise``), on one shared grid of points
(``likelihood.expand``). Many datasets are many lanes of the same compiled program: they are packed by
their number of rows, run a few steps at a time in chunks that fit the caches, and whoever has arrived
makes room, so that the cost per fit does not depend on how many there are, nor on the slowest.

The value reported is taken on a grid of 1.5 times the resolution; where the two grids disagree the
fit goes on on the finer one.
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
from lmpower.difficulty.base import Box, Difficulty, Summary, over_batch
from lmpower.difficulty.named import family_named
from lmpower.integrals import Reach, shared_grid
from lmpower.likelihood import expand, log_moments_on_points
from lmpower.maximise import (
    CONVERGED,
    ROUGH_TOLERANCE,
    RUNNING,
    TOLERANCE,
    Ascent,
    ascend,
    begin,
)


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
_NOTHING = 1e-7
# Fewer datasets than this run to their end in one go.
_ALONE = 16
_WORTH_A_PROGRAM = 2000
_MOST_STEPS, _MOST_FINER_STEPS = 120, 48
# A batch climbs in float32 on a coarse grid (1e-6 a problem), which is twice as fast, and ends in
# float64 on a fine one (1e-11). If there the next finer grid differs by more than the tolerance (in
# nats, all problems together), that is climbed too.
_COARSE, _FINE, _FINEST = 0.9, 1.5, 6.0
_GRID_TOLERANCE = 1e-7
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
        values = ", ".join(
            f"{k} = {np.round(v, 4)}" for k, v in self.difficulty.parameters().items()
        )
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
    with jax.enable_x64(True):
        lanes = _Lanes(rows, template, _penalty_table(template, penalty))
        if not lanes.alone and begin_at is None:
            begin_at = lanes.maximise(starts, None, _COARSE).theta
        if begin_at is None:
            begin_at = lanes.maximise(starts, None, _FINE).theta
        top, value = lanes.finish(begin_at)
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


def _inside(theta: np.ndarray, box: Box) -> np.ndarray:
    """In float64 again, and inside the box, whose bounds float32 has rounded."""
    theta = theta.astype(np.float64)
    lower, upper = np.array(box.lower), np.array(box.upper)
    # what float32 cannot tell from a bound lies on it
    theta = np.where(np.isclose(theta, lower, rtol=1e-6, atol=1e-7), lower, theta)
    theta = np.where(np.isclose(theta, upper, rtol=1e-6, atol=1e-7), upper, theta)
    return np.clip(theta, lower, upper)


def _overwrite(index: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    old[index] = new
    return old


def _round_up(count: float) -> int:
    """To 10, 20, 50, 100, ...: few grids, and few compiled programs, serve all counts."""
    decade = 10 ** math.floor(math.log10(max(count, 10)))
    return next(int(x * decade) for x in (1, 2, 5, 10) if x * decade >= count)


def reach_of(rows: Rows) -> Reach:
    """What a grid for all these rows must resolve, rounded up."""
    return Reach(_round_up(rows.successes.max()), _round_up(rows.failures.max()))


def _penalty_table(template: Difficulty, penalty: str | None) -> np.ndarray:
    """Means and precisions of the prior on each search coordinate, [2, D]; precision 0 is none."""
    names = [name.split("_")[0] for name in template.box.names]
    if penalty is None:
        return np.zeros((2, len(names)))
    prior = [_WEAK_PRIOR.get(name, (0.0, math.inf)) for name in names]
    return np.array([[mean for mean, _ in prior], [sd**-2.0 for _, sd in prior]])


def _status(
    rows: Rows, template: Difficulty, theta: np.ndarray, converged: np.ndarray
) -> np.ndarray:
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
    prior: np.ndarray

    def only(self, index: np.ndarray) -> _Lanes:
        return self._replace(rows=jax.tree.map(lambda leaf: leaf[index], self.rows))

    def maximise(
        self, starts: int, begin_at: np.ndarray | None = None, refinement: float = _FINE
    ) -> Ascent:
        """The best maximum of each dataset, with the steps of all its starts."""
        if begin_at is None:
            begin_at = self._chunked(functools.partial(_best_starts, starts=starts), self.rows)
        else:
            begin_at = begin_at[:, None]
        size, kept, dimensions = begin_at.shape
        rough = refinement == _COARSE
        thetas = begin_at.reshape(size * kept, dimensions)
        states = jax.vmap(begin)(thetas.astype(np.float32) if rough else thetas)
        states = jax.tree.map(np.array, states)
        climb = functools.partial(_climb, refinement=refinement, rough=rough)
        at_a_time = _STEPS_AT_A_TIME
        for _ in range(0, _MOST_STEPS if refinement <= _FINE else _MOST_FINER_STEPS, at_a_time):
            running = np.flatnonzero(states.status == RUNNING)
            if not running.size:
                break
            rows = jax.tree.map(lambda leaf, i=running: leaf[i // kept], self.rows)
            part = jax.tree.map(lambda leaf, i=running: leaf[i], states)
            before = part.value
            part = self._chunked(climb, rows, part, np.full(running.size, at_a_time))
            # on a flat ridge no step is the last: a round that gained nothing is an arrival
            flat = (part.status == RUNNING) & (part.value - before < _NOTHING)
            part = part._replace(status=np.where(flat, CONVERGED, part.status))
            states = jax.tree.map(functools.partial(_overwrite, running), states, part)
        value = np.where(np.isnan(states.value), -np.inf, states.value).reshape(size, kept)
        best = np.arange(size) * kept + np.argmax(value, axis=1)
        highest = jax.tree.map(lambda leaf: leaf[best], states)
        if rough:
            highest = highest._replace(theta=_inside(highest.theta, self.template.box))
        return cast(Ascent, highest._replace(steps=states.steps.reshape(size, kept).sum(axis=1)))

    def finish(self, theta: np.ndarray) -> tuple[Ascent, np.ndarray]:
        """The maximum near ``theta`` on a grid fine enough for each dataset, and its value on a finer.

        Where two grids disagree the surface of the coarser has waves, and climbing it is idle.
        """
        waiting = np.arange(theta.shape[0])
        refinement, value = _FINE, np.zeros(theta.shape[0])
        top = jax.tree.map(np.array, jax.vmap(begin)(theta))
        while waiting.size:
            part, last = self.only(waiting), 2 * refinement > _FINEST
            here = top.theta[waiting]
            gap = part.value_at(here, refinement) - part.value_at(here, 2 * refinement)
            smooth = (np.abs(gap) < 100 * _GRID_TOLERANCE) | last
            index = waiting[smooth]
            if not index.size:
                refinement *= 2
                continue
            part = self.only(index)
            climbed = part.maximise(1, here[smooth], refinement)
            finer = part.value_at(climbed.theta, 2 * refinement)
            jax.tree.map(functools.partial(_overwrite, index), (top, value), (climbed, finer))
            uneven = np.abs(climbed.value - finer) > _GRID_TOLERANCE
            waiting = np.concatenate([waiting[~smooth], index[uneven]])
            waiting, refinement = waiting if not last else waiting[:0], 2 * refinement
        return top, value

    @property
    def alone(self) -> bool:
        """Too few to be worth a coarse first run, or making room for one another."""
        return self.rows.weight.shape[0] < _ALONE

    def value_at(self, theta: np.ndarray, refinement: float) -> np.ndarray:
        """The penalised log-likelihood at ``theta``, [B]."""
        run = functools.partial(_value, refinement=refinement)
        return cast(np.ndarray, self._chunked(run, self.rows, theta))

    def _chunked(self, run: Any, rows: Rows, *args: Any) -> Any:
        """``run(template, prior, rows, *args)`` over chunks of lanes, packed by their number of rows.

        Every chunk is padded to a size from a short list, so few programs are ever compiled, and the
        arithmetic of a lane does not depend on who runs beside it.
        """
        jobs = []
        for bucket, index in _packed(rows):
            reach = reach_of(jax.tree.map(lambda leaf, i=index: leaf[i], rows))
            chunk = _chunk_size(bucket, reach, index.size)
            jobs += [
                (bucket, reach, index[at : at + chunk], chunk) for at in range(0, index.size, chunk)
            ]

        def job(bucket: int, reach: Reach, index: np.ndarray, chunk: int) -> Any:
            full = np.resize(index, chunk)
            part = jax.tree.map(lambda leaf: leaf[full, :bucket], rows)
            taken = jax.tree.map(lambda leaf: leaf[full], args)
            with jax.enable_x64(True):
                result = run(self.template, self.prior, part, *taken, reach=reach)
                return index, jax.tree.map(lambda leaf: np.asarray(leaf)[: index.size], result)

        if len(jobs) == 1:
            done = [job(*jobs[0])]
        else:
            with ThreadPoolExecutor(_WORKERS) as pool:
                done = list(pool.map(lambda each: job(*each), jobs))
        return _gather(done, rows.weight.shape[0])


def _gather(done: list[tuple[np.ndarray, Any]], size: int) -> Any:
    """The chunks' results back in the order of the lanes."""

    def scatter(*parts: np.ndarray) -> np.ndarray:
        whole = np.empty((size, *parts[0].shape[1:]), parts[0].dtype)
        for (index, _), part in zip(done, parts, strict=True):
            whole[index] = part
        return whole

    return jax.tree.map(scatter, *(result for _, result in done))


def _packed(rows: Rows) -> list[tuple[int, np.ndarray]]:
    """Lanes by how many rows they use: (width, lanes), few and large classes.

    A class is worth its own compiled programs (seconds each) only if it is large.
    """
    full = rows.weight.shape[-1]
    used = full - np.argmax(rows.weight[:, ::-1] > 0, axis=-1)
    if used.size < _WORTH_A_PROGRAM:
        return [(int(_bucket(used.max(), full)), np.arange(used.size))]
    width = _bucket(used, full)
    classes = np.unique(width)
    for small, wider in zip(classes[:-1], classes[1:], strict=True):
        if np.count_nonzero(width == small) < _WORTH_A_PROGRAM:
            width[width == small] = wider
    return [(int(each), np.flatnonzero(width == each)) for each in np.unique(width)]


def _bucket(used: np.ndarray, full: int) -> np.ndarray:
    """Row counts rounded up to 8, 16, 24, 32, 48, 64, 96, 128, ..., at most ``full``."""
    sizes = np.sort(np.concatenate([[8, 24], 2 ** np.arange(4, 40), 48 * 2 ** np.arange(36)]))
    return np.minimum(sizes[np.searchsorted(sizes, used)], full)


def _chunk_size(rows: int, reach: Reach, lanes: int) -> int:
    """A power of two: as many lanes as fit the device's fast memory, or as there are."""
    bytes_a_lane = 8 * rows * shared_grid(reach)[0].size
    fitting = max(_CHUNK_BYTES.get(jax.default_backend(), 1 << 22) // bytes_a_lane, 1)
    return 1 << min(int(math.log2(fitting)), math.ceil(math.log2(max(lanes, 1))))


def _surface(
    template: Difficulty, prior: Array, rows: Rows, reach: Reach, refinement: float
) -> Any:
    mean, precision = prior

    def surface(theta: Array) -> tuple[Array, Array, Array]:
        likelihood = expand(template, theta, rows, reach, refinement)
        return (
            likelihood.value - 0.5 * jnp.sum(precision * (theta - mean) ** 2),
            likelihood.gradient - precision * (theta - mean),
            likelihood.hessian - jnp.diag(precision),
        )

    return surface


@functools.partial(jax.jit, static_argnames=("reach", "starts"))
def _best_starts(
    template: Difficulty, prior: Array, rows: Rows, *, reach: Reach, starts: int
) -> Float[Array, "B K D"]:
    """The most probable of the family's starting points for each lane, best first."""
    lower, upper = jnp.asarray(template.box.lower), jnp.asarray(template.box.upper)

    def lane(rows: Rows) -> Array:
        tries = jnp.clip(template.starts(summarise(rows)), lower, upper)
        value = jax.vmap(lambda t: _log_posterior(template, prior, rows, t, reach, _COARSE))(tries)
        _, best = jax.lax.top_k(value, min(starts, tries.shape[0]))
        return tries[best]

    return jax.vmap(lane)(rows)


@functools.partial(jax.jit, static_argnames=("reach", "refinement", "rough"))
def _climb(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    state: Ascent,
    most_steps: Int[Array, " B"],
    *,
    reach: Reach,
    refinement: float,
    rough: bool,
) -> Ascent:
    """Every lane some steps further, in the precision of its state."""
    dtype = state.theta.dtype
    lower, upper = (jnp.asarray(bound, dtype) for bound in template.box[:2])
    template, prior, rows = jax.tree.map(lambda x: jnp.asarray(x, dtype), (template, prior, rows))
    tolerance = ROUGH_TOLERANCE if rough else TOLERANCE

    def lane(rows: Rows, state: Ascent, most_steps: Array) -> Ascent:
        surface = _surface(template, prior, rows, reach, refinement)
        return ascend(surface, state, lower, upper, most_steps, tolerance)

    return jax.vmap(lane)(rows, state, most_steps)


@functools.partial(jax.jit, static_argnames=("reach", "refinement"))
def _value(
    template: Difficulty, prior: Array, rows: Rows, theta: Array, *, reach: Reach, refinement: float
) -> Array:
    return jax.vmap(
        lambda rows, theta: _log_posterior(template, prior, rows, theta, reach, refinement)
    )(rows, theta)


def _log_posterior(
    template: Difficulty, prior: Array, rows: Rows, theta: Array, reach: Reach, refinement: float
) -> Array:
    moments = log_moments_on_points(template.from_search(theta), rows, reach, refinement)
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
