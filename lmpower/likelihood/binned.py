"""The likelihood of a histogram of s/n, which is all that Schaeffer et al. 2025 use of the counts.

A bin's chance is the mass that F puts in it, from the cdf: for any law and any edges, to be compiled,
mapped and differentiated. `lmpower.estimators` does not run on this but on ``estimators/binned.py``:
thousands of data sets at once, each with edges of its own, of a law whose density it sums between them.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Difficulty
from lmpower.numerics.integrals import log1mexp
from lmpower.numerics.precision import float64_on_host


@float64_on_host
def binned_log_likelihood(
    difficulty: Difficulty, edges: Float[Array, " B+1"], problems: Float[Array, " B"]
) -> Float[Array, ""]:
    """Multinomial log-likelihood of a histogram of s/n under F, without the multinomial coefficient.

    ``edges`` rise from 0 to 1; ``problems[j]`` counts those with edges[j] <= s/n < edges[j+1] (the
    last bin includes 1), so that the first bin holds the problems never solved.
    """
    log_cdf = difficulty.log_cdf(edges[1:-1])
    ends = jnp.full_like(log_cdf[:1], -jnp.inf), jnp.zeros_like(log_cdf[:1])
    below = jnp.concatenate([ends[0], log_cdf])
    above = jnp.concatenate([log_cdf, ends[1]])
    log_mass = above + log1mexp(jnp.minimum(below - above, -1e-300))
    return jnp.sum(jnp.where(problems > 0, problems * log_mass, 0.0))
