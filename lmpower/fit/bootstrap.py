"""Fits to counts that might as well have been seen.

"problems": as many problems drawn again, with replacement, from those there are, each with its
whole history (Efron 1979, Ann. Stat. 7, 1). Only the multiplicity of each distinct row changes, so
that all replicates share their rows, and a fit takes a few Newton steps from the original maximum.
It asks nothing of the law, nor of the rule by which attempts were stopped.

"parametric": problems drawn from the fitted law, and as many attempts at each. It supposes that the
law is right and that attempts were fixed in advance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Counts, Rows, stack_rows
from lmpower.difficulty.base import Difficulty
from lmpower.fit.maximum import Fit, fit_rows
from lmpower.fit.uncertainty import require_counts_of

KINDS = ("problems", "parametric")
# Draws held at once: 64 MB of float64.
_DRAWS_AT_A_TIME = 1 << 23


def bootstrap_fit(
    fit: Fit,
    counts: Counts,
    *,
    key: jax.Array,
    replicates: int = 1000,
    kind: str = "problems",
) -> Fit:
    """The fit again, to ``replicates`` datasets like this one: a batch of fits.

    Replicate j depends on ``key`` and j alone, and not on how many there are. A replicate without
    any success, or without any failure, stays in the batch with its status: look at ``fit.ok``,
    or let ``percentile_interval`` do so.

    Args:
        fit: a single fit.
        counts: what it was made from.
        key: from ``jax.random.key``.
        replicates: how many datasets.
        kind: "problems" (resampled, any stopping rule) or "parametric" (simulated).

    Raises:
        ValueError: for a batch of fits or one that failed, other counts than the fit's, no replicates,
            an unknown kind, or "parametric" with attempts that were not fixed in advance.
    """
    if fit.theta.ndim != 1:
        raise ValueError("bootstrap takes a single fit, not a batch: take fit[i]")
    if not fit.ok:
        raise ValueError(f"there is no fit to start from: {fit.sentence}")
    if replicates < 1:
        raise ValueError(f"replicates must be at least 1, not {replicates}")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    require_counts_of(fit, counts)
    if kind == "problems":
        rows = _resampled(counts.rows(), key, replicates)
    else:
        _require_fixed(counts)
        rows = _simulated(fit.template, counts, key, replicates)
    begin_at = np.tile(fit.theta, (replicates, 1))
    held = {name: begin_at[:, fit.names.index(name)] for name in fit.held}
    return fit_rows(rows, fit.template, penalty=fit.penalty, begin_at=begin_at, held=held)


def percentile_interval(
    replicates: Fit, level: float = 0.9
) -> tuple[Float[np.ndarray, ""], Float[np.ndarray, ""]]:
    """Lower and upper end of the tail exponent's middle ``level`` of the usable replicates.

    Raises:
        ValueError: for a level outside of (0, 1), or a single fit.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")
    if replicates.theta.ndim != 2:
        raise ValueError("percentile_interval takes a batch of fits, as from bootstrap")
    exponent = replicates.tail_exponent[np.asarray(replicates.ok)]
    if exponent.size == 0:
        return np.array(np.nan), np.array(np.nan)
    ends = np.quantile(exponent, [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return np.asarray(ends[0]), np.asarray(ends[1])


def _require_fixed(counts: Counts) -> None:
    if counts.stopping != "fixed":
        raise ValueError(
            f"kind='parametric' is not valid for counts with stopping={counts.stopping!r}: the "
            "attempts of a simulated problem would depend on its outcomes; use kind='problems'"
        )


def _in_chunks(draw: Callable[[Array], Array], key: jax.Array, replicates: int, size: int) -> np.ndarray:
    """``draw(keys)`` with one key a replicate, as many at a time as memory allows."""
    chunk = min(replicates, max(_DRAWS_AT_A_TIME // size, 1))
    with jax.enable_x64(True):
        parts = []
        for at in range(0, replicates, chunk):
            index = np.arange(at, at + chunk, dtype=np.uint32)
            keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
            parts.append(np.asarray(draw(keys)))
    return np.concatenate(parts)[:replicates]


def _resampled(rows: Rows, key: jax.Array, replicates: int) -> Rows:
    """The same rows with the weights of P problems drawn with replacement, [replicates, R]."""
    weight = rows.weight
    row_of_problem = np.repeat(np.arange(weight.size), weight.astype(np.int64))
    draw = functools.partial(_multiplicities, row_of_problem=row_of_problem, rows=weight.size)
    weights = _in_chunks(draw, key, replicates, row_of_problem.size)
    width = -(-weight.size // 8) * 8
    shared = stack_rows([rows], multiple=8)
    return Rows(
        np.broadcast_to(shared.successes, (replicates, width)),
        np.broadcast_to(shared.failures, (replicates, width)),
        np.pad(weights, ((0, 0), (0, width - weight.size))),
    )


@functools.partial(jax.jit, static_argnames="rows")
def _multiplicities(keys: Array, *, row_of_problem: Array, rows: int) -> Float[Array, "B R"]:
    def one(key: Array) -> Array:
        problem = jax.random.randint(key, (row_of_problem.size,), 0, row_of_problem.size)
        return jnp.zeros(rows).at[row_of_problem[problem]].add(1.0)

    return jax.vmap(one)(keys)


def _simulated(difficulty: Difficulty, counts: Counts, key: jax.Array, replicates: int) -> Rows:
    """Rows of datasets drawn from ``difficulty``, with the attempts of ``counts``."""
    attempts = counts.attempts
    draw = functools.partial(_draw_successes, difficulty, attempts=attempts.astype(np.float64))
    successes = _in_chunks(draw, key, replicates, attempts.size).astype(np.int64)
    return stack_rows([Counts(attempts, each).rows() for each in successes])


@jax.jit
def _draw_successes(
    difficulty: Difficulty, keys: Array, *, attempts: Float[Array, " P"]
) -> Float[Array, "B P"]:
    def one(key: Array) -> Array:
        which, outcome = jax.random.split(key)
        p = jnp.exp(difficulty.sample_log_p(which, attempts.shape))
        return jax.random.binomial(outcome, attempts, p)

    return jax.vmap(one)(keys)
