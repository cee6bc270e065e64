"""Many datasets climbed side by side, at a cost per dataset that hardly depends on how many thousands.

A lane is one dataset from one starting point. Lanes of like size run a few Newton steps at a time in
chunks that fit the caches; whoever has arrived makes room, so that nobody waits for the slowest. A large
batch first climbs in float32 on a coarse grid, then everybody ends in float64 on a grid fine enough for
it. Few programs are compiled: chunks are padded to few sizes, and what a grid must resolve is rounded
up.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from lmpower.counts import Rows, widened
from lmpower.difficulty.base import Difficulty
from lmpower.integrals import Reach, shared_grid
from lmpower.maximise import CONVERGED, RUNNING, Ascent, begin
from lmpower.surface import COARSE, FINE, Grid, climb, height, set_out

# The grid for those whom the fine one does not do, and how much finer the one is that checks another.
FINEST, CHECK = 6.0, 1.5
# If the checking grid differs by more than this (in nats, all problems together), a finer one is climbed.
GRID_TOLERANCE = 1e-7
_STEPS_AT_A_TIME = 6
# A round that gains less than this, after more steps than that, is an arrival on a flat ridge. As many
# steps are also enough to find out whether the ground is smooth.
_NOTHING, _PATIENCE = 1e-7, 24
MOST_STEPS = 120
# Fewer datasets than this are each fitted alone; and fewer than that are not worth a coarse first run, nor
# making room for one another: what takes time is compiling programs.
_ALONE, _FEW = 16, 512
# Maxima within as many nats of the highest, and further from it than this, are rivals.
_TOO_CLOSE, _SAME_PLACE = 0.1, 0.05
# Chunks hold 16, 64, 256, ... lanes, or 1 of a few; rows are taken as many at a time, in a lane that runs
# alone and in others.
_SMALLEST, _GROWTH = 16, 4
_ROWS_ALONE, _ROWS = 128, 8
# Bytes of R x J kernels held at once by one chunk: a core's cache; an accelerator wants as much in flight
# as it has cores.
_CHUNK_BYTES = {"cpu": 1 << 22, "gpu": 1 << 32, "tpu": 1 << 30}
# XLA runs one chunk's small loops on one core: as many chunks at a time as there are cores.
_WORKERS = min(os.cpu_count() or 1, 16)


@dataclasses.dataclass(frozen=True)
class Lanes:
    """Datasets to fit side by side, rows [B, R], with the law's structure and a prior [2, D].

    Each is searched in its own box [B, D], where lower == upper holds a coordinate. ``together`` is how
    many there were to begin with, which decides how they run.
    """

    rows: Rows
    template: Difficulty
    prior: np.ndarray
    lower: Float[np.ndarray, "B D"]
    upper: Float[np.ndarray, "B D"]
    together: int

    @classmethod
    def over(
        cls,
        rows: Rows,
        template: Difficulty,
        prior: np.ndarray,
        held: Mapping[str, ArrayLike] | None = None,
    ) -> Lanes:
        """All of the rows; ``held`` keeps search coordinates by name at values [B]."""
        box, size = template.box, rows.weight.shape[0]
        lower, upper = (np.tile(bound, (size, 1)) for bound in box[:2])
        for name, value in (held or {}).items():
            lower[:, box.names.index(name)] = upper[:, box.names.index(name)] = value
        return cls(rows, template, prior, lower, upper, together=size)

    @property
    def at_a_time(self) -> int:
        """Steps of one round, after which whoever has arrived makes room."""
        return _PATIENCE if self.together < _FEW else _STEPS_AT_A_TIME

    def only(self, index: np.ndarray) -> Lanes:
        rows, lower, upper = _taken((self.rows, self.lower, self.upper), index)
        return dataclasses.replace(self, rows=rows, lower=lower, upper=upper)

    def best(self, starts: int) -> tuple[Any, np.ndarray]:
        """The highest maximum from the family's ``starts`` best starting points, and its value, [B]."""
        refinement = FINE if self.together < _FEW else COARSE
        # one dataset's climb then shares its program with whatever continues the fit
        steps = 0 if self.together < _ALONE else self.at_a_time
        box = self.lower, self.upper
        found = self.chunked(set_out, *box, refinement=refinement, starts=starts, steps=steps)
        size, kept = found.status.shape
        flat = jax.tree.map(lambda leaf: leaf.reshape(size * kept, *leaf.shape[2:]), found)
        each = self.only(np.repeat(np.arange(size), kept))
        flat = each.climbed(flat, refinement, _PATIENCE)
        found = _highest_first(flat, size, kept)
        top, value = self.finish(_lane(found, 0), refinement)
        for j in range(1, kept):
            # the first grid cannot rank maxima this near to each other
            close = found.value[:, j] > found.value[:, 0] - _TOO_CLOSE
            apart = np.max(np.abs(found.theta[:, j] - found.theta[:, 0]), axis=-1) > _SAME_PLACE
            rivals = np.flatnonzero(close & apart)
            if not rivals.size:
                continue
            other, at = self.only(rivals).on_fine_ground(_taken(_lane(found, j), rivals), refinement)
            higher = at > value[rivals]
            if np.any(higher):
                rivals, other = rivals[higher], _taken(other, higher)
                _overwrite((top, value), rivals, self.only(rivals).finish(other, FINE))
        return top, value

    def on_fine_ground(self, state: Any, refinement: float) -> tuple[Any, np.ndarray]:
        """Some steps further from ``state`` on the fine grid, and the value there on a finer.

        ``refinement`` is of the grid that the state stands on.
        """
        if refinement != FINE:
            state = begin(_inside(state.theta, self.lower, self.upper))
        state = self.climbed(state, FINE, _PATIENCE)
        return state, self.height_at(state.theta, CHECK * FINE)

    def finish(self, state: Any, refinement: float = COARSE) -> tuple[Any, np.ndarray]:
        """The maximum near ``state`` on a grid fine enough for each lane, and its value on a finer.

        Where two grids disagree the surface of the coarser has waves, and climbing it is idle.
        ``refinement`` is of the grid that the state stands on.
        """
        state, value = self.on_fine_ground(state, refinement)
        refinement, waiting = FINE, np.arange(value.size)
        while waiting.size:
            last = refinement >= FINEST
            here, part = _taken(state, waiting), self.only(waiting)
            smooth = (np.abs(here.value - value[waiting]) <= GRID_TOLERANCE) | last
            onward = np.flatnonzero(smooth & ((here.status == RUNNING) | part.cornered(here.theta)))
            if onward.size:
                further, at = part.only(onward).the_long_way(_taken(here, onward), refinement)
                _overwrite((state, value), waiting[onward], (further, at))
            uneven = np.abs(state.value[waiting] - value[waiting]) > GRID_TOLERANCE
            waiting = waiting[uneven] if not last else waiting[:0]
            refinement = FINEST
            if waiting.size:
                part = self.only(waiting)
                higher = part.climbed(begin(state.theta[waiting]), refinement, _PATIENCE)
                at = part.height_at(higher.theta, CHECK * refinement)
                _overwrite((state, value), waiting, (higher, at))
        return state, value

    def the_long_way(self, state: Any, refinement: float) -> tuple[Any, np.ndarray]:
        """For those who climb long or end in a corner: the maximum on this grid, and its value on a finer.

        A ridge that long leads to a corner of the family, and another start may lie in another corner; so
        all starts are looked at once more, on a grid on which they can be told apart.
        """
        box = self.lower, self.upper
        again = self.chunked(set_out, *box, refinement=refinement, starts=1, steps=_PATIENCE)
        again = _lane(again, 0)
        higher = np.flatnonzero(again.value > state.value)
        _overwrite(state, higher, _taken(again, higher))
        state = self.climbed(state, refinement, MOST_STEPS)
        return state, self.height_at(state.theta, CHECK * refinement)

    def cornered(self, theta: Float[np.ndarray, "B D"]) -> np.ndarray:
        """Whether two coordinates or more lie at their bounds."""
        at_bound = ((theta <= self.lower) | (theta >= self.upper)) & (self.lower < self.upper)
        return np.asarray(np.sum(at_bound, axis=-1) >= 2)

    def climbed(self, states: Ascent, refinement: float, most_steps: int) -> Any:
        """Every lane further up its own surface, until it arrives or has made so many steps."""
        states = jax.tree.map(np.array, states)
        while (running := np.flatnonzero((states.status == RUNNING) & (states.steps < most_steps))).size:
            part = _taken(states, running)
            lanes = self.only(running)
            moved = lanes.climb(part, lanes.lower, lanes.upper, self.at_a_time, refinement)
            with np.errstate(invalid="ignore"):
                idle = (moved.value - part.value < _NOTHING) & (moved.steps > _PATIENCE)
            status = np.where((moved.status == RUNNING) & idle, CONVERGED, moved.status)
            _overwrite(states, running, moved._replace(status=cast(Any, status)))
        return states

    def climb(
        self,
        states: Ascent,
        lower: Float[np.ndarray, "B D"],
        upper: Float[np.ndarray, "B D"],
        most_steps: Int[np.ndarray, " B"] | int,
        refinement: float = FINE,
    ) -> Ascent:
        """Every lane some steps further in its own box; lower == upper holds a coordinate."""
        steps = np.broadcast_to(most_steps, states.status.shape)
        return cast(Ascent, self.chunked(climb, states, lower, upper, steps, refinement=refinement))

    def height_at(self, theta: Float[np.ndarray, "B D"], refinement: float) -> Float[np.ndarray, " B"]:
        """The penalised log-likelihood."""
        return cast(np.ndarray, self.chunked(height, theta, refinement=refinement))

    def chunked(self, run: Any, *args: Any, refinement: float = FINE, **options: int) -> Any:
        """``run(template, prior, rows, count, *args, grid=.., ..)`` over chunks of lanes of like size.

        Every chunk is padded to a size from a short list, so few programs are ever compiled, and the
        points on which a lane is put do not depend on who runs beside it.
        """
        narrowest = 32 if self.together < _ALONE else 128
        width = narrowest * 4 ** max(math.ceil(math.log(self.rows.weight.shape[-1] / narrowest, 4)), 0)

        def job(chunk: _Chunk) -> tuple[np.ndarray, Any]:
            full = np.resize(chunk.lanes, chunk.size)
            rows = widened(_taken(self.rows, full), width)
            block = min(width, _ROWS_ALONE if chunk.size == 1 else _ROWS)
            grid = Grid(chunk.reach, refinement, block if block < width else None)
            count = np.int32(-(-chunk.used // block))
            with jax.enable_x64(True):
                args_here = _taken(args, full)
                result = run(self.template, self.prior, rows, count, *args_here, grid=grid, **options)
                return chunk.lanes, jax.tree.map(lambda leaf: np.asarray(leaf)[: chunk.lanes.size], result)

        chunks = list(self._chunks(refinement))
        kind = (run, jax.tree.structure(self.template), refinement, width, *options.values())
        _make_room({(*kind, chunk.reach, chunk.size) for chunk in chunks})
        if len(chunks) == 1:
            done = [job(chunks[0])]
        else:
            with ThreadPoolExecutor(_WORKERS) as pool:
                done = list(pool.map(job, chunks))
        return _gather(done, self.rows.weight.shape[0])

    def _chunks(self, refinement: float) -> Iterator[_Chunk]:
        """Lanes by the grid that they need, and among those by how many rows they use."""
        weight = self.rows.weight
        used = weight.shape[-1] - np.argmax(weight[:, ::-1] > 0, axis=-1)
        most = np.stack([self.rows.successes.max(-1), self.rows.failures.max(-1)], axis=-1)
        kinds, kind = np.unique(most, axis=0, return_inverse=True)
        reaches = [Reach.holding(*each) for each in kinds]
        alike: dict[Reach, list[int]] = {}
        for j, reach in enumerate(reaches):
            alike.setdefault(reach, []).append(j)
        for reach, members in alike.items():
            index = np.flatnonzero(np.isin(kind, members))
            index = index[np.argsort(used[index], kind="stable")]
            bytes_a_lane = 8 * _ROWS * shared_grid(reach, refinement)[0].size
            fitting = max(_CHUNK_BYTES.get(jax.default_backend(), 1 << 22) // bytes_a_lane, 1)
            alone = self.together < _ALONE
            size = 1 if alone else _SMALLEST
            while not alone and _GROWTH * size <= fitting:
                size *= _GROWTH
            while index.size:
                while size > _SMALLEST and 2 * index.size <= size:
                    size //= _GROWTH
                yield _Chunk(reach, index[:size], size, int(used[index[:size]].max()))
                index = index[size:]


# Programs compiled and kept. XLA's CPU programs take some 400 pieces of mapped memory each, of which Linux
# lets a process have 65530.
_programs: set[Any] = set()
_MOST_PROGRAMS = 120


def _make_room(wanted: set[Any]) -> None:
    """Forget all compiled programs before there are too many."""
    if len(_programs | wanted) > _MOST_PROGRAMS:
        for program in {kind[0] for kind in _programs}:
            program.clear_cache()
        _programs.clear()
    _programs.update(wanted)


class _Chunk(NamedTuple):
    """Lanes that run together on one grid, padded to ``size``; none uses more rows than ``used``."""

    reach: Reach
    lanes: np.ndarray
    size: int
    used: int


def _taken(tree: Any, index: np.ndarray) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)


def _lane(states: Ascent, j: int) -> Ascent:
    """Each dataset's j-th state of [B, K]."""
    return cast(Ascent, jax.tree.map(lambda leaf: leaf[:, j], states))


def _overwrite(old: Any, index: np.ndarray, new: Any) -> None:
    """old[index] = new, for every array in the tree."""

    def write(old: np.ndarray, new: np.ndarray) -> None:
        old[index] = new

    jax.tree.map(write, old, new)


def _highest_first(states: Ascent, size: int, kept: int) -> Ascent:
    """States [B K] as [B, K], those of each dataset in order of their heights."""
    value = np.where(np.isnan(states.value), -np.inf, states.value).reshape(size, kept)
    ranked = np.arange(size)[:, None] * kept + np.argsort(-value, axis=1, kind="stable")
    return cast(Ascent, _taken(states, ranked))


def _gather(done: list[tuple[np.ndarray, Any]], size: int) -> Any:
    """The chunks' results back in the order of the lanes."""

    def scatter(*parts: np.ndarray) -> np.ndarray:
        whole = np.empty((size, *parts[0].shape[1:]), parts[0].dtype)
        for (index, _), part in zip(done, parts, strict=True):
            whole[index] = part
        return whole

    return jax.tree.map(scatter, *(result for _, result in done))


def _inside(theta: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """In float64 again, and inside the box, whose bounds float32 has rounded."""
    theta = theta.astype(np.float64)
    # what float32 cannot tell from a bound lies on it
    theta = np.where(np.isclose(theta, lower, rtol=1e-6, atol=1e-7), lower, theta)
    theta = np.where(np.isclose(theta, upper, rtol=1e-6, atol=1e-7), upper, theta)
    return np.clip(theta, lower, upper)
