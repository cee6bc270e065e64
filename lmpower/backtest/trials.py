"""Datasets whose future is known: drawn from a law, or real counts with most attempts hidden.

A trial is one such dataset at one number of attempts. Each has a key of its own, folded from where it
stands in the plan (truth, problems, attempts, seed), so that what it shows depends neither on which
trials run beside it nor in which order.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Counts, CountsError, Rows, rows_of_many, stack_rows
from lmpower.difficulty.base import Difficulty, over_batch
from lmpower.estimators.base import ks_of_slope, slope_through
from lmpower.passk import batch_size, pass_at_k, stopped_pass_at_k
from lmpower.scaling import log_neg_log_pass


class Future(NamedTuple):
    """What a forecast is judged by: exponents (nan where there is none) and pass@k [K]."""

    tail_exponent: float
    window_slope: float
    pass_at_k: Float[np.ndarray, " K"]


def future_of_law(law: Difficulty, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Future:
    """The truth behind a synthetic trial, exact; no slope where the curve reaches 1 within the window."""
    among = ks_of_slope(window)
    log_loss = over_batch(log_neg_log_pass, law, np.concatenate([among, ks]))
    curve = log_loss[: among.size]
    slope = slope_through(np.where(np.isfinite(curve), curve, np.nan), window)
    return Future(float(law.tail().exponent), float(slope), np.exp(-np.exp(log_loss[among.size :])))


def draw(
    law: Difficulty, key: jax.Array, place: tuple[int, int, int], seeds: Sequence[int], problems: int
) -> Rows:
    """Rows of one trial a seed, [S, R]: ``problems`` drawn from the law, place = (truth, P, N)."""
    attempts = place[-1]
    with jax.enable_x64(True):
        for part in place:
            key = jax.random.fold_in(key, part)
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(np.asarray(seeds, np.uint32))
        plain = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), law)
        successes = np.asarray(_successes(plain, keys, np.float64(attempts), problems=problems))
    return rows_of_many(np.asarray(attempts), successes.astype(np.int64))


@functools.partial(jax.jit, static_argnames="problems")
def _successes(law: Difficulty, keys: Array, attempts: Array, *, problems: int) -> Float[Array, "S P"]:
    def one(key: Array) -> Array:
        which, outcome = jax.random.split(key)
        p = jnp.exp(law.sample_log_p(which, (problems,)))
        return jax.random.binomial(outcome, attempts, p)

    return jax.vmap(one)(keys)


def future_of_counts(counts: Counts, ks: Float[np.ndarray, " K"]) -> Future:
    """What all attempts say about pass@k; nan beyond them. Exponents of real problems are unknown.

    It is unbiased. With attempts fixed in advance k may go up to the fewest attempts; where problems were
    tried until solved, up to the least number at which sampling of an unsolved problem ended.
    """
    if counts.stopping == "fixed":
        reach = int(counts.attempts.min())
        within = ks <= reach
        curve = np.full(ks.shape, np.nan)
        if np.any(within):
            curve[within] = pass_at_k(counts, ks[within].astype(np.int64)).estimate
        return Future(np.nan, np.nan, curve)
    unsolved = counts.successes == 0
    within = ks <= counts.attempts[unsolved].min(initial=counts.attempts.max())
    curve = np.full(ks.shape, np.nan)
    if np.any(within):
        curve[within] = stopped_pass_at_k(counts, ks[within].astype(np.int64))
    return Future(np.nan, np.nan, curve)


def plug_in_future(counts: Counts, ks: Float[np.ndarray, " K"]) -> Future:
    """The pass@k of problems whose chances are what all attempts show, 1 - mean_i (1 - s_i/n_i)^k.

    The truth of Kazdan et al. 2025 (arXiv 2510.05197, public code). It exists at every k, also beyond the
    attempts there are, but is biased: a problem whose true p is far below 1/n counts as one of p = 0
    (never solved) or of p = 1/n (solved once). The unbiased pass@k is `future_of_counts`.

    Raises:
        CountsError: if attempts were not fixed in advance.
    """
    with np.errstate(divide="ignore"):
        log_q = np.log1p(-counts.rate)
    return Future(np.nan, np.nan, -np.mean(np.expm1(ks[:, None] * log_q), axis=1))


def hide(counts: Counts, key: jax.Array, place: tuple[int, int], seeds: Sequence[int]) -> list[Counts]:
    """The counts as N attempts would have shown them, one a seed; place = (group, N).

    Fixed attempts are thinned (hypergeometric). A stream stopped at its first success is cut at a budget
    of N, which leaves nothing to chance: what was solved later is unsolved after N attempts. Where it was
    tried in batches, N must be a whole number of them: where in its batch a success lay is not known.

    Raises:
        CountsError: if some problem was tried fewer than N times in a way that does not allow it.
    """
    for part in place:
        key = jax.random.fold_in(key, part)
    attempts = place[-1]
    require_hidable(counts, attempts)
    if counts.stopping == "fixed":
        return [counts.thin(attempts, jax.random.fold_in(key, seed)) for seed in seeds]
    late = counts.attempts > attempts
    cut = Counts(
        np.minimum(counts.attempts, attempts),
        np.where(late, 0, counts.successes),
        counts.problem,
        counts.stopping,
    )
    return [cut]


def require_hidable(counts: Counts, attempts: int) -> None:
    """Refuse a number of attempts that these counts cannot show.

    Raises:
        CountsError: if some problem was tried fewer than N times, or in a way that does not allow it.
    """
    if counts.stopping not in ("fixed", "on_success"):
        raise CountsError(f"attempts cannot be hidden of counts with stopping={counts.stopping!r}")
    fewest, batch = int(counts.attempts.min()), batch_size(counts)
    if counts.stopping == "fixed" and attempts > fewest:
        raise CountsError(f"some problem has only {fewest} attempts; asked for {attempts}")
    if counts.stopping == "on_success" and attempts % batch:
        raise CountsError(
            f"problems were tried in batches of {batch}: they can be cut at a multiple of {batch} "
            f"attempts, not at {attempts}"
        )


def rows_of_all(trials: Sequence[Counts]) -> Rows:
    """Rows of several trials, [S, R]."""
    return stack_rows([trial.rows() for trial in trials])


def split_rows(rows: Rows) -> list[Rows]:
    """The rows of each trial by itself."""
    return [Rows(*each) for each in zip(rows.successes, rows.failures, rows.weight, strict=True)]
