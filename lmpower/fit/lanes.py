"""Many datasets climbed side by side, at a cost per dataset that hardly depends on how many thousands.

A lane is one dataset from one starting point. Lanes of like size run in chunks that fit the caches, where
they take turns: whoever has arrived makes room, so that nobody waits for the slowest. A batch first climbs
in float32 on a coarse grid, then everybody ends in float64 on a grid fine enough for it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from lmpower.counts import Rows, widened
from lmpower.difficulty.base import Family
from lmpower.fit.chunks import Chunk, cut, grid_at_hand, overwrite, run_each, taken, width_of
from lmpower.fit.devices import devices
from lmpower.fit.surface import Load, Tile, climb, inside, set_out, whole_way
from lmpower.numerics.grid import CHECK, COARSE, FINE, FINEST
from lmpower.numerics.maximise import CONVERGED, RUNNING, Ascent, begin

# If the checking grid differs by more than this (in nats, all problems together), a finer one is climbed.
GRID_TOLERANCE = 1e-7
# Steps of the first round, also enough to find out whether the ground is smooth, and of the others.
# One of those that gains less than this is an arrival on a flat ridge.
_PATIENCE, _STEPS_AT_A_TIME, _NOTHING = 24, 6, 1e-7
MOST_STEPS = 120
# Fewer datasets than this are each fitted alone, without a coarse first run.
_ALONE = 16
# Maxima within as many nats of the highest, and further from it than this, are rivals.
_TOO_CLOSE, _SAME_PLACE = 0.1, 0.05
# Lanes, rows and nodes taken at a time: what a core's cache holds, or what keeps an accelerator busy.
_TILES = defaultdict(lambda: Tile(8, 8, 64, 32), gpu=Tile(4096, 32, 128, 16), tpu=Tile(1024, 32, 128, 16))
_ALONE_TILE = Tile(1, 32, 128, 256)


@dataclasses.dataclass(frozen=True)
class Lanes:
    """Datasets to fit side by side, rows [B, R], with the law's structure and a prior [2, D].

    Each is searched in its own box [B, D], where lower == upper holds a coordinate. ``together`` is how
    many there were to begin with, which decides how they run.
    """

    rows: Rows
    template: Family
    prior: np.ndarray
    lower: Float[np.ndarray, "B D"]
    upper: Float[np.ndarray, "B D"]
    together: int

    @classmethod
    def over(
        cls,
        rows: Rows,
        template: Family,
        prior: np.ndarray,
        held: Mapping[str, ArrayLike] | None = None,
    ) -> Lanes:
        """All of the rows; ``held`` keeps search coordinates by name at values [B]."""
        box, size = template.box, rows.weight.shape[0]
        lower, upper = (np.tile(bound, (size, 1)) for bound in box[:2])
        for name, value in (held or {}).items():
            lower[:, box.names.index(name)] = upper[:, box.names.index(name)] = value
        return cls(rows, template, prior, lower, upper, together=size)

    def only(self, index: np.ndarray) -> Lanes:
        if np.array_equal(index, np.arange(len(self.lower))):
            return self  # with its chunks as they lie
        rows, lower, upper = taken((self.rows, self.lower, self.upper), index)
        return dataclasses.replace(self, rows=rows, lower=lower, upper=upper)

    def ranging(self) -> Lanes:
        """The same, for ways of very unequal length: on a CPU nobody then waits for a neighbour."""
        return dataclasses.replace(self, together=1) if devices()[0].platform == "cpu" else self

    def best(self, starts: int) -> tuple[Any, np.ndarray]:
        """The highest maximum from the family's ``starts`` best starting points, and its value, [B]."""
        refinement = COARSE if self._rough else FINE
        if starts == 1:
            nowhere = begin(np.zeros_like(self.lower))
            return self._settled(*self._on(nowhere, FINE, first=refinement, last=CHECK * FINE))
        chosen = self.chunked(set_out, self.lower, self.upper, refinement=refinement, starts=starts)
        size, kept, dimensions = chosen.shape
        each = self.only(np.repeat(np.arange(size), kept))
        flat = each.climbed(begin(chosen.reshape(-1, dimensions)), refinement, _PATIENCE)
        found = _highest_first(flat, size, kept)
        top, value = self.finish(_lane(found, 0), refinement)
        for j in range(1, kept):
            # the first grid cannot rank maxima this near to each other
            close = found.value[:, j] > found.value[:, 0] - _TOO_CLOSE
            apart = np.max(np.abs(found.theta[:, j] - found.theta[:, 0]), axis=-1) > _SAME_PLACE
            rivals = np.flatnonzero(close & apart)
            if not rivals.size:
                continue
            other, at = self.only(rivals).on_fine_ground(taken(_lane(found, j), rivals), refinement)
            higher = at > value[rivals]
            if np.any(higher):
                rivals, other = rivals[higher], taken(other, higher)
                overwrite((top, value), rivals, self.only(rivals).finish(other, FINE))
        return top, value

    def on_fine_ground(self, state: Any, refinement: float) -> tuple[Any, np.ndarray]:
        """Some steps further from ``state`` on the fine grid, and the value there on a finer.

        ``refinement`` is of the grid that the state stands on.
        """
        if refinement != FINE:
            state = begin(inside(state.theta.astype(np.float64), self.lower, self.upper))
        return self._on(state, FINE, last=CHECK * FINE)

    def finish(self, state: Any, refinement: float = COARSE) -> tuple[Any, np.ndarray]:
        """The maximum near ``state`` on a grid fine enough for each lane, and its value on a finer.

        ``refinement`` is of the grid that the state stands on.
        """
        return self._settled(*self.on_fine_ground(state, refinement))

    def _settled(self, state: Any, value: np.ndarray) -> tuple[Any, np.ndarray]:
        """Those not at their end on fine ground brought there, on a finer one where that is uneven.

        Where two grids disagree the surface of the coarser has waves, and climbing it is idle.
        """
        refinement, waiting = FINE, np.arange(value.size)
        while waiting.size:
            last = refinement >= FINEST
            here, part = taken(state, waiting), self.only(waiting)
            smooth = (np.abs(here.value - value[waiting]) <= GRID_TOLERANCE) | last
            onward = np.flatnonzero(smooth & ((here.status == RUNNING) | part.cornered(here.theta)))
            if onward.size:
                further, at = part.only(onward).the_long_way(taken(here, onward), refinement)
                overwrite((state, value), waiting[onward], (further, at))
            uneven = np.abs(state.value[waiting] - value[waiting]) > GRID_TOLERANCE
            waiting = waiting[uneven] if not last else waiting[:0]
            refinement = FINEST
            if waiting.size:
                part = self.only(waiting)
                higher = part._on(begin(state.theta[waiting]), refinement, last=CHECK * refinement)
                overwrite((state, value), waiting, higher)
        return state, value

    def the_long_way(self, state: Any, refinement: float) -> tuple[Any, np.ndarray]:
        """For those who climb long or end in a corner: the maximum on this grid, and its value on a finer.

        A ridge that long leads to a corner of the family, and another start may lie in another corner; so
        all starts are looked at once more, on a grid on which they can be told apart.
        """
        if self._rough:
            best = self.chunked(set_out, self.lower, self.upper, refinement=refinement, starts=1)[:, 0]
            again, _ = self._on(begin(best), refinement)
        else:
            again, _ = self._on(state, refinement, first=refinement)
        higher = np.flatnonzero(again.value > state.value)
        overwrite(state, higher, taken(again, higher))
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
            part = taken(states, running)
            lanes = self.only(running)
            steps = np.where(part.steps < _PATIENCE, _PATIENCE - part.steps, _STEPS_AT_A_TIME)
            moved = lanes.climb(part, lanes.lower, lanes.upper, steps, refinement)
            with np.errstate(invalid="ignore"):
                idle = (moved.value - part.value < _NOTHING) & (moved.steps > _PATIENCE)
            status = np.where((moved.status == RUNNING) & idle, CONVERGED, moved.status)
            overwrite(states, running, moved._replace(status=cast(Any, status)))
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
        if refinement == COARSE:
            return cast(Ascent, self.chunked(climb, states, lower, upper, steps, refinement=refinement))
        return cast(Ascent, self._whole_way(states, lower, upper, steps, (None, refinement, None))[0])

    def height_at(self, theta: Float[np.ndarray, "B D"], refinement: float) -> Float[np.ndarray, " B"]:
        """The penalised log-likelihood."""
        still = np.zeros(len(theta), np.int64)
        grids = (None, None, refinement)
        return self._whole_way(begin(theta), self.lower, self.upper, still, grids)[1]

    def _on(
        self, state: Ascent, refinement: float, first: float | None = None, last: float | None = None
    ) -> tuple[Any, np.ndarray]:
        """As far up this grid as patience lasts, and the height there on the ``last``.

        With a ``first`` grid, from the starting point that is the best on that in place of the state.
        """
        steps = np.full(state.status.shape, _PATIENCE)
        return self._whole_way(state, self.lower, self.upper, steps, (first, refinement, last))

    def _whole_way(
        self,
        state: Ascent,
        lower: Float[np.ndarray, "B D"],
        upper: Float[np.ndarray, "B D"],
        steps: Int[np.ndarray, " B"],
        grids: tuple[float | None, float | None, float | None],
    ) -> tuple[Any, np.ndarray]:
        # (one program for all of a fit's parts, so that each is compiled once)
        run = functools.partial(whole_way, rough=self._rough)
        return cast(tuple[Any, np.ndarray], self.chunked(run, state, lower, upper, steps, refinement=grids))

    def chunked(
        self,
        run: Any,
        *args: Any,
        refinement: float | tuple[float | None, ...] = FINE,
        **options: Any,
    ) -> Any:
        """``run(load, rows, *args, tile=.., ..)`` over chunks of lanes that share a grid.

        For several refinements a load each; one of None uses no rows.
        """
        tile = self._tile
        refinements = refinement if isinstance(refinement, tuple) else (refinement,)
        if not isinstance(refinement, tuple):
            options["rough"] = refinement == COARSE
        # (which grid stands for one that is not used does not matter)
        some = next(each for each in refinements if each is not None)
        # (a law or a prior may hold whole numbers)
        template, prior = jax.tree.map(
            lambda leaf: np.asarray(leaf, np.float64), (self.template, self.prior)
        )
        width, shared = width_of(self.rows), devices()

        def job(number: int, chunk: Chunk) -> Any:
            device = shared[number % len(shared)]
            with jax.enable_x64(True), jax.default_device(device):
                loads = []
                for each in refinements:
                    grid, blocks = grid_at_hand(
                        chunk.reach, each or some, tile.nodes, template.needs_span, device
                    )
                    used = chunk.used_rows if each else np.zeros_like(chunk.used_rows)
                    loads.append(Load(template, prior, grid, used, np.int32(blocks)))
                rows, mine = taken((self.rows, args), chunk.padded)
                result = run(*loads, widened(rows, width), *mine, tile=tile, **options)
                return jax.tree.map(lambda leaf: np.asarray(leaf)[: chunk.lanes.size], result)

        return run_each(job, self._chunks)

    @property
    def _rough(self) -> bool:
        """Whether there are enough for a coarse first run to be worth it."""
        return self.together >= _ALONE

    @property
    def _tile(self) -> Tile:
        return _TILES[devices()[0].platform] if self._rough else _ALONE_TILE

    @functools.cached_property
    def _chunks(self) -> list[Chunk]:
        return cut(self.rows, self._tile)


def _lane(states: Ascent, j: int) -> Ascent:
    """Each dataset's j-th state of [B, K]."""
    return cast(Ascent, jax.tree.map(lambda leaf: leaf[:, j], states))


def _highest_first(states: Ascent, size: int, kept: int) -> Ascent:
    """States [B K] as [B, K], those of each dataset in order of their heights."""
    value = np.where(np.isnan(states.value), -np.inf, states.value).reshape(size, kept)
    ranked = np.arange(size)[:, None] * kept + np.argsort(-value, axis=1, kind="stable")
    return cast(Ascent, taken(states, ranked))
