"""Many datasets climbed side by side, at a cost per dataset that does not depend on how many.

A lane is one dataset from one starting point. Lanes are packed by their number of rows and run a few
Newton steps at a time in chunks that fit the caches; whoever has arrived makes room, so that nobody
waits for the slowest. A large batch first climbs in float32 on a coarse grid, then everybody ends in
float64 on a grid fine enough for it. Few programs are compiled: chunks are padded to powers of two,
and counts that a grid must resolve are rounded up.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Box, Difficulty, Summary
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

_STEPS_AT_A_TIME = 8
# A round that gains less than this, after as many steps, is an arrival on a flat ridge.
_NOTHING, _PATIENCE = 1e-7, 24
# Fewer datasets than this run to their end in one go.
_ALONE = 16
_WORTH_A_PROGRAM = 2000
# One dataset's starts, its last climb and both ends of its interval then share one program.
_LEAST_LANES = 4
MOST_STEPS, _MOST_FINER_STEPS = 120, 48
# Maxima within as many nats of the highest, and further from it than this, are rivals.
_TOO_CLOSE, _SAME_PLACE = 0.1, 0.05
# A batch climbs in float32 on a coarse grid (1e-6 a problem), which is twice as fast, and ends in
# float64 on a fine one (1e-10). If there the next finer grid differs by more than the tolerance (in
# nats, all problems together), that is climbed too.
COARSE, FINE, FINEST = 0.9, 1.5, 6.0
GRID_TOLERANCE = 1e-7
# Numbers of R x J kernels held at once by one chunk: 1 MB of float64 fits a core's cache; an
# accelerator wants as much in flight as it has cores.
_CHUNK_BYTES = {"cpu": 1 << 22, "gpu": 1 << 32, "tpu": 1 << 30}
# XLA runs one chunk's small loops on one core: as many chunks at a time as there are cores.
_WORKERS = min(os.cpu_count() or 1, 16)


class Lanes(NamedTuple):
    """Datasets to fit side by side, and the compiled programs that do it, chunk by chunk."""

    rows: Rows
    template: Difficulty
    prior: np.ndarray

    def only(self, index: np.ndarray) -> Lanes:
        return self._replace(rows=jax.tree.map(lambda leaf: leaf[index], self.rows))

    def maximise(self, begin_at: Float[np.ndarray, "B K D"], refinement: float = FINE) -> Any:
        """A maximum from each of K starting points of each dataset, the highest first, [B, K]."""
        size, kept, dimensions = begin_at.shape
        rough = refinement == COARSE
        thetas = begin_at.reshape(size * kept, dimensions)
        states = standing_at(thetas.astype(np.float32 if rough else np.float64))
        lower, upper = (np.tile(bound, (size * kept, 1)) for bound in self.template.box[:2])
        at_a_time = _STEPS_AT_A_TIME
        for _ in range(0, MOST_STEPS if refinement <= FINE else _MOST_FINER_STEPS, at_a_time):
            running = np.flatnonzero(states.status == RUNNING)
            if not running.size:
                break
            rows = jax.tree.map(lambda leaf, i=running: leaf[i // kept], self.rows)
            part = jax.tree.map(lambda leaf, i=running: leaf[i], states)
            before = part.value
            part = self._replace(rows=rows).climb(
                part, lower[running], upper[running], at_a_time, refinement, rough
            )
            with np.errstate(invalid="ignore"):
                idle = (part.value - before < _NOTHING) & (part.steps >= _PATIENCE)
            flat = (part.status == RUNNING) & idle
            part = part._replace(status=cast(Any, np.where(flat, CONVERGED, part.status)))
            states = jax.tree.map(functools.partial(_overwrite, running), states, part)
        if rough:
            states = states._replace(theta=_inside(states.theta, self.template.box))
        value = np.where(np.isnan(states.value), -np.inf, states.value).reshape(size, kept)
        order = np.argsort(-value, axis=1, kind="stable")
        ranked = np.arange(size)[:, None] * kept + order
        return jax.tree.map(lambda leaf: leaf[ranked], states)

    def climb(
        self,
        states: Ascent,
        lower: Float[np.ndarray, "B D"],
        upper: Float[np.ndarray, "B D"],
        most_steps: Int[np.ndarray, " B"] | int,
        refinement: float = FINE,
        rough: bool = False,
    ) -> Ascent:
        """Every lane some steps further in its own box; lower == upper holds a coordinate."""
        run = functools.partial(climb_lanes, refinement=refinement, rough=rough)
        steps = np.broadcast_to(most_steps, states.status.shape)
        return cast(Ascent, self.chunked(run, self.rows, states, lower, upper, steps))

    def finish(self, theta: np.ndarray, climbed: Any = None) -> tuple[Any, np.ndarray]:
        """The maximum near ``theta`` on a grid fine enough for each dataset, and its value on a finer.

        Where two grids disagree the surface of the coarser has waves, and climbing it is idle.
        ``climbed`` is what climbing the first grid gave, if that is done.
        """
        waiting = np.arange(theta.shape[0])
        refinement = FINE
        if climbed is None:
            top = standing_at(theta)
            value = np.zeros(theta.shape[0])
        else:
            top, refinement = climbed, 2 * FINE
            value = self.value_at(theta, refinement)
            waiting = np.flatnonzero(np.abs(top.value - value) > GRID_TOLERANCE)
        while waiting.size:
            part, last = self.only(waiting), 2 * refinement > FINEST
            here = top.theta[waiting]
            gap = part.value_at(here, refinement) - part.value_at(here, 2 * refinement)
            smooth = (np.abs(gap) < 100 * GRID_TOLERANCE) | last
            index = waiting[smooth]
            if not index.size:
                refinement *= 2
                continue
            part = self.only(index)
            climbed = jax.tree.map(
                lambda leaf: leaf[:, 0], part.maximise(here[smooth][:, None], refinement)
            )
            finer = part.value_at(climbed.theta, 2 * refinement)
            jax.tree.map(functools.partial(_overwrite, index), (top, value), (climbed, finer))
            uneven = np.abs(climbed.value - finer) > GRID_TOLERANCE
            waiting = np.concatenate([waiting[~smooth], index[uneven]])
            waiting, refinement = waiting if not last else waiting[:0], 2 * refinement
        return top, value

    def best(self, starts: int) -> tuple[Any, np.ndarray]:
        """The highest maximum from the family's ``starts`` best starting points, and its value."""
        begin_at = self.chunked(functools.partial(_best_starts, starts=starts), self.rows)
        found = self.maximise(begin_at, FINE if self.alone else COARSE)
        first = jax.tree.map(lambda leaf: leaf[:, 0].copy(), found)
        top, value = self.finish(first.theta, first if self.alone else None)
        for j in range(1, found.theta.shape[1]):
            # the first grid cannot rank maxima this near to each other
            close = found.value[:, j] > found.value[:, 0] - _TOO_CLOSE
            apart = np.max(np.abs(found.theta[:, j] - found.theta[:, 0]), axis=-1) > _SAME_PLACE
            rivals = np.flatnonzero(close & apart)
            if rivals.size:
                other, height = self.only(rivals).finish(found.theta[rivals, j])
                higher = height > value[rivals]
                winners = jax.tree.map(lambda leaf, i=higher: leaf[i], (other, height))
                jax.tree.map(functools.partial(_overwrite, rivals[higher]), (top, value), winners)
        return top, value

    @property
    def alone(self) -> bool:
        """Too few to be worth a coarse first run, or making room for one another."""
        return bool(self.rows.weight.shape[0] < _ALONE)

    def value_at(self, theta: np.ndarray, refinement: float) -> np.ndarray:
        """The penalised log-likelihood at ``theta``, [B]."""
        run = functools.partial(_value, refinement=refinement)
        return cast(np.ndarray, self.chunked(run, self.rows, theta))

    def chunked(self, run: Any, rows: Rows, *args: Any) -> Any:
        """``run(template, prior, rows, *args)`` over chunks of lanes, packed by their number of rows.

        Every chunk is padded to a size from a short list, so few programs are ever compiled, and the
        arithmetic of a lane does not depend on who runs beside it.
        """
        jobs = []
        for bucket, index in _packed(rows):
            reach = reach_of(jax.tree.map(lambda leaf, i=index: leaf[i], rows))
            chunk = _chunk_size(bucket, reach, index.size)
            jobs += [(bucket, reach, index[at : at + chunk], chunk) for at in range(0, index.size, chunk)]

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


@jax.jit
def _begin_all(thetas: Array) -> Ascent:
    return jax.vmap(begin)(thetas)


def standing_at(thetas: Float[np.ndarray, "B D"]) -> Any:
    """Every lane about to look at its ``theta``."""
    with jax.enable_x64(True):
        return jax.tree.map(np.array, _begin_all(thetas))


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
    for small, wider in itertools.pairwise(classes):
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
    return max(1 << min(int(math.log2(fitting)), math.ceil(math.log2(max(lanes, 1)))), _LEAST_LANES)


def surface_of(template: Difficulty, prior: Array, rows: Rows, reach: Reach, refinement: float) -> Any:
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
        value = jax.vmap(lambda t: _log_posterior(template, prior, rows, t, reach, COARSE))(tries)
        _, best = jax.lax.top_k(value, min(starts, tries.shape[0]))
        return tries[best]

    return jax.vmap(lane)(rows)


@functools.partial(jax.jit, static_argnames=("reach", "refinement", "rough"))
def climb_lanes(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    state: Ascent,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    most_steps: Int[Array, " B"],
    *,
    reach: Reach,
    refinement: float,
    rough: bool,
) -> Ascent:
    """Every lane some steps further, in the precision of its state."""
    dtype = state.theta.dtype
    template, prior, rows, lower, upper = jax.tree.map(
        lambda x: jnp.asarray(x, dtype), (template, prior, rows, lower, upper)
    )
    tolerance = ROUGH_TOLERANCE if rough else TOLERANCE

    def lane(rows: Rows, state: Ascent, lower: Array, upper: Array, most: Array) -> Ascent:
        surface = surface_of(template, prior, rows, reach, refinement)
        return ascend(surface, state, lower, upper, most, tolerance)

    return jax.vmap(lane)(rows, state, lower, upper, most_steps)


@functools.partial(jax.jit, static_argnames=("reach", "refinement"))
def _value(
    template: Difficulty, prior: Array, rows: Rows, theta: Array, *, reach: Reach, refinement: float
) -> Array:
    return jax.vmap(lambda rows, theta: _log_posterior(template, prior, rows, theta, reach, refinement))(
        rows, theta
    )


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


def round_up(count: float) -> int:
    """To 10, 20, 50, 100, ...: few grids, and few compiled programs, serve all counts."""
    decade = 10 ** math.floor(math.log10(max(count, 10)))
    return next(int(x * decade) for x in (1, 2, 5, 10) if x * decade >= count)


def reach_of(rows: Rows) -> Reach:
    """What a grid for all these rows must resolve, rounded up."""
    return Reach(round_up(rows.successes.max()), round_up(rows.failures.max()))
