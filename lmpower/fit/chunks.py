"""Lanes that run together: those that need the same grid, as many as fit the caches.

Their arrays are filled up to lengths from a short list, so that few programs are ever compiled, and what is
computed for a lane does not depend on who runs beside it. Chunks share all local devices.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from lmpower.counts import Rows
from lmpower.fit.devices import workers
from lmpower.fit.surface import Tile
from lmpower.numerics.grid import Grid, Reach, filled_up, shared_grid
from lmpower.numerics.lengths import grown

# A chunk is of so many blocks of lanes at most.
_LANE_BLOCKS = 16
# Arrays of a call hold so many lanes, rows and nodes, or 4, 16, ... times as many.
_LANES, _ROWS, _NODES = 128, 128, 8192


class Chunk(NamedTuple):
    """Lanes that run together on one grid.

    Attributes:
        reach: what the grid must resolve.
        lanes: which they are.
        padded: the same, filled up with some of them to a whole number of blocks.
        used_rows: blocks of rows that each lane uses; 0 if it is there for the number only.
    """

    reach: Reach
    lanes: Int[np.ndarray, " B"]
    padded: Int[np.ndarray, " C"]
    used_rows: Int[np.ndarray, " C"]


def cut(rows: Rows, tile: Tile) -> list[Chunk]:
    """Lanes by the grid that they need, and among those by how many rows they use."""
    used = used_rows(rows)
    alone = tile.lanes == 1
    most_blocks, least_blocks = (1, 1) if alone else (_LANE_BLOCKS, max(_LANES // tile.lanes, 1))
    chunks = []
    for reach, index in Reach.of_each(rows.successes.max(-1), rows.failures.max(-1)).items():
        index = index[np.argsort(used[index], kind="stable")]
        # an even share for every worker, if it is not more than one takes at a time
        blocks = min(-(-index.size // (workers() * tile.lanes)), most_blocks)
        for at in range(0, index.size, blocks * tile.lanes):
            lanes = index[at : at + blocks * tile.lanes]
            padded = np.resize(lanes, grown(lanes.size, tile.lanes * least_blocks))
            blocks_used = (-(-used[padded] // tile.rows)).astype(np.int32)
            blocks_used[lanes.size :] = 0
            chunks.append(Chunk(reach, lanes, padded, blocks_used))
    return chunks


def run_each(job: Callable[[int, Chunk], Any], chunks: list[Chunk]) -> Any:
    """What ``job(number, chunk)`` finds of the lanes of every chunk, back in the order of the lanes."""
    if len(chunks) == 1:
        done = [job(0, chunks[0])]
    else:
        done = list(_threads(workers()).map(job, range(len(chunks)), chunks))
    size = sum(chunk.lanes.size for chunk in chunks)

    def scatter(*parts: np.ndarray) -> np.ndarray:
        whole = np.empty((size, *parts[0].shape[1:]), parts[0].dtype)
        for chunk, part in zip(chunks, parts, strict=True):
            whole[chunk.lanes] = part
        return whole

    return jax.tree.map(scatter, *done)


@functools.cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Kept from call to call: to start them takes as long as fifty datasets a stage of their fit."""
    return ThreadPoolExecutor(number, "lmpower-chunk")


@functools.lru_cache(maxsize=64)
def grid_at_hand(
    reach: Reach, refinement: float, block: int, span: bool, device: jax.Device
) -> tuple[Grid, int]:
    """The grid, filled up, on the device; and in how many blocks of nodes it is."""
    grid = shared_grid(reach, refinement, span)
    blocks = -(-grid.nodes.log_x.size // block)
    return jax.device_put(filled_up(grid, _NODES), device), blocks


def width_of(rows: Rows) -> int:
    """How many rows a call's arrays hold for each lane: 128 times 1, 4, 16, ..."""
    return grown(rows.weight.shape[-1], _ROWS)


def used_rows(rows: Rows) -> np.ndarray:
    """How many rows each lane uses, [B]; those after them are padding."""
    return np.asarray(rows.weight.shape[-1] - np.argmax(rows.weight[:, ::-1] != 0, axis=-1))


def taken(tree: Any, index: np.ndarray) -> Any:
    """tree[index], for every array in the tree."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def overwrite(old: Any, index: np.ndarray, new: Any) -> None:
    """old[index] = new, for every array in the tree."""

    def write(old: np.ndarray, new: np.ndarray) -> None:
        old[index] = new

    jax.tree.map(write, old, new)
