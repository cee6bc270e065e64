"""The distinct pairs of successes and failures with their multiplicity, over which everything is computed.

They come in batches too: many data sets in one array, filled up with rows of weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from lmpower.counts.door import CountsError
from lmpower.numerics.binomial import log_choose
from lmpower.numerics.lengths import grown
from lmpower.numerics.pytree import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct (successes, failures) with the number of problems that have them: a JAX pytree.

    ``weight`` is 0 for padding. A batch of datasets has leading axes, see `stack_rows`.
    """

    successes: Float64[np.ndarray, "*B R"]
    failures: Float64[np.ndarray, "*B R"]
    weight: Float64[np.ndarray, "*B R"]

    @property
    def attempts(self) -> Float64[np.ndarray, "*B R"]:
        """Attempts behind each row."""
        attempts: np.ndarray = self.successes + self.failures
        return attempts

    @property
    def log_choose(self) -> Float64[np.ndarray, "*B R"]:
        """log C(n, s) of each row, on the host."""
        return log_choose(np.asarray(self.attempts), np.asarray(self.successes))


def stack_rows(rows: Sequence[Rows], multiple: int = 8) -> Rows:
    """Rows of B datasets as one [B, R] batch, R a multiple of ``multiple`` (fewer compilations).

    Padding is one failure of weight 0, which changes no weighted sum and has a finite likelihood.
    """
    if not rows:
        raise CountsError("there are no rows to stack")
    width = -(-max(len(r.weight) for r in rows) // multiple) * multiple

    def stacked(name: str, padding: float) -> np.ndarray:
        batch = np.full((len(rows), width), padding)
        for line, r in zip(batch, rows, strict=True):
            line[: len(r.weight)] = getattr(r, name)
        return batch

    return Rows(stacked("successes", 0.0), stacked("failures", 1.0), stacked("weight", 0.0))


def rows_of_many(attempts: Int64[np.ndarray, "*B P"], successes: Int64[np.ndarray, "B P"]) -> Rows:
    """Distinct rows of B datasets of P problems each, without a loop over datasets, [B, R].

    ``attempts`` may be one number, one for each problem, or [B, P]. Rows are in order of successes, then
    attempts; padding is as in `stack_rows`.
    """
    # sorted as pairs: the product of the two numbers, which one code would need, may exceed int64
    pairs = np.stack([successes, np.broadcast_to(attempts, successes.shape)])
    pairs = np.take_along_axis(pairs, np.lexsort(pairs[::-1], axis=-1)[None], axis=-1)
    new = np.diff(pairs, axis=-1, prepend=-1).any(axis=0)
    row = np.cumsum(new, axis=-1) - 1
    shape = (len(row), -8 * (-int(row.max() + 1) // 8))
    weight = np.zeros(shape)
    np.add.at(weight, (np.arange(len(row))[:, None], row), 1.0)
    which, where = np.nonzero(new)
    solved, tried = np.zeros(shape), np.ones(shape)
    place = which, row[which, where]
    solved[place], tried[place] = pairs[:, which, where]
    return Rows(solved, tried - solved, weight)


def unseen(*batch: int) -> Rows:
    """The rows of one problem of which nothing was seen, [*batch, 1]: given them, a law is as it was."""
    shape = (*batch, 1)
    return Rows(np.zeros(shape), np.zeros(shape), np.ones(shape))


def widened(rows: Rows, width: int | None = None) -> Rows:
    """Rows [B, R] padded to [B, width]; by default to the next of 128, 256, ... (fewer programs)."""
    present = rows.weight.shape[1]
    width = width or grown(present, 128, growth=2)

    def padded(leaf: np.ndarray, padding: float) -> np.ndarray:
        whole = np.full((len(leaf), width), padding)
        whole[:, :present] = leaf
        return whole

    return Rows(padded(rows.successes, 0.0), padded(rows.failures, 1.0), padded(rows.weight, 0.0))
