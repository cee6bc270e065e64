"""Two limits of the tail exponent: what no estimator can beat, and what no data can mend.

The Cramer-Rao bound: P problems with n attempts each carry P times the Fisher information of one,

    I = sum_s P(s) g_s g_s^T,    P(s) = C(n, s) E[p^s (1-p)^(n-s)],    g_s = d log P(s) / d theta,

about all parameters theta of the family together, so that an unbiased estimate of the exponent b has a
standard error of at least sqrt(b'^T I^-1 b' / P), b' = db/dtheta. With the shape known and only the
exponent unknown it would be less; nobody knows the shape.

The bias of the straight line: what is left of its error with infinitely many problems and attempts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lmpower.baseline import log_spaced_ks
from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, over_batch
from lmpower.likelihood import log_moments_on_points, scores_on_points
from lmpower.numerics.binomial import log_choose
from lmpower.numerics.grid import FINE, Grid, Reach, filled_up, shared_grid
from lmpower.passk import check_ks
from lmpower.scaling import log_neg_log_pass

# Numbers of successes looked at together.
_AT_A_TIME = 1024
_NODES = 256


def exponent_bound(law: Difficulty, problems: int, attempts: int) -> float:
    """The least standard error of an unbiased estimate of the law's tail exponent.

    Args:
        law: the truth; all of its parameters are taken as unknown.
        problems, attempts: P and n.

    Returns:
        The bound; nan where the law has no power-law tail, or the counts cannot tell all parameters apart.

    Raises:
        ValueError: for no problems or no attempts.
    """
    if problems < 1 or attempts < 1:
        raise ValueError(f"a bound needs problems and attempts; got {problems} and {attempts}")
    reach = Reach.holding(attempts, attempts)
    grid = filled_up(shared_grid(reach, FINE, law.needs_span), _NODES)
    information = np.zeros((len(law.box.names),) * 2)
    with jax.enable_x64(True):
        plain = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), law)
        slope = np.asarray(_exponent_slope(plain))
        for at in range(0, attempts + 1, _AT_A_TIME):
            s = np.minimum(np.arange(at, at + _AT_A_TIME), attempts).astype(np.float64)
            log_moment, scores = map(np.asarray, _scored(plain, s, attempts - s, grid))
            chance = np.exp(log_choose(np.full(s.shape, float(attempts)), s) + log_moment)
            chance[np.arange(at, at + _AT_A_TIME) > attempts] = 0.0
            information += np.einsum("r,rd,re->de", chance, scores, scores)
    if not np.isfinite(law.tail().exponent) or np.linalg.cond(information) > 1e13:
        return float("nan")
    return float(np.sqrt(slope @ np.linalg.solve(information, slope) / problems))


@jax.jit
def _exponent_slope(law: Difficulty) -> Float[Array, " D"]:
    return jax.grad(lambda t: law.from_search(t).tail().exponent)(law.to_search())


@jax.jit
def _scored(law: Difficulty, s: Array, f: Array, grid: Grid) -> tuple[Array, Array]:
    rows = Rows(s, f, jnp.ones_like(s))  # type: ignore[arg-type]  # JAX's arrays inside a program
    scores = scores_on_points(law, law.to_search(), rows, grid)
    return log_moments_on_points(law, rows, grid), scores


def line_bias(law: Difficulty, attempts: ArrayLike) -> Float[np.ndarray, " N"]:
    """The straight line's relative error as an estimate of the tail exponent, with infinite data.

    Its slope is taken through the law's exact curve at the published list of k from 1 to each number of
    attempts (``log_spaced_ks``), which is all that N attempts allow.

    Args:
        law: one truth.
        attempts: numbers N of attempts, one or a list, each at least 2.

    Returns:
        slope/exponent - 1 for each N; nan where the law has no power-law tail.

    Raises:
        CountsError: if an N is not a whole number of at least 1.
        ValueError: for an N of 1, which leaves a single k.
    """
    each = [log_spaced_ks(int(n)) for n in check_ks(attempts)]
    if any(ks.size < 2 for ks in each):
        raise ValueError(f"a straight line needs at least 2 attempts, not {np.min(attempts)}")
    every = np.unique(np.concatenate(each))
    # the curve at all k of all N at once, since each new shape would be compiled anew
    curve = over_batch(log_neg_log_pass, law, every.astype(np.float64))
    slopes = []
    for ks in each:
        off = np.log(ks) - np.log(ks).mean()
        slopes.append(-(off @ curve[np.searchsorted(every, ks)]) / (off @ off))
    return np.array(slopes) / float(law.tail().exponent) - 1
