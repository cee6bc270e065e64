"""The log-likelihood to the last digits: every row's integral as the difficulty itself has it.

log P(s | n) = log C(n, s) + log_moment(s, n - s), summed over distinct rows (s, f) times their
multiplicity.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty
from lmpower.numerics.precision import float64_on_host


@float64_on_host
def log_likelihood(difficulty: Difficulty, rows: Rows) -> Float[Array, ""]:
    """sum over rows of weight * log_moment(s, f): the exact log-likelihood without log C(n, s).

    Add ``weight * rows.log_choose`` for the probability of the counts themselves; it does not depend
    on the difficulty. Rows of weight 0 are padding.
    """
    present = rows.weight > 0
    log_moment = difficulty.log_moment(jnp.asarray(rows.successes), jnp.asarray(rows.failures))
    return jnp.sum(jnp.where(present, rows.weight * jnp.where(present, log_moment, 0.0), 0.0))
