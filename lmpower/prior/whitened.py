"""A family in coordinates in which its prior is N(0, I): all that samplers and weights see of it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Difficulty, Search, Summary
from lmpower.difficulty.named import family_given
from lmpower.numerics.pytree import pytree
from lmpower.prior.defaults import prior_given
from lmpower.prior.independent import FAR, Prior


@pytree
@dataclasses.dataclass(frozen=True)
class Whitened:
    """A family whose search coordinates are standard normals a priori."""

    law: Difficulty
    prior: Prior

    @property
    def box(self) -> Box:
        size = len(self.prior.names)
        return Box((-FAR,) * size, (FAR,) * size, self.prior.names)

    @property
    def needs_span(self) -> bool:
        return self.law.needs_span

    def from_search(self, u: Search) -> Difficulty:
        """The family's member at u; held inside of the family's own box."""
        box, theta = self.law.box, self.prior.search(u)
        inside = zip(theta, box.lower, box.upper, strict=True)
        return self.law.from_search([jnp.clip(each, low, high) for each, low, high in inside])

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        """The family's own, no further out than the prior reaches."""
        starts = jax.vmap(self.prior.normal)(self.law.starts(summary))
        return jnp.clip(starts, -3.0, 3.0)


def sample_prior(
    family: str | Difficulty, draws: int, *, key: jax.Array, prior: Prior | None = None
) -> Difficulty:
    """Difficulties as the prior has them, a batch [draws].

    Raises:
        ValueError: for an unknown family, a prior of another, or fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    template = family_given(family)
    prior = prior_given(prior, template)
    with jax.enable_x64(True):
        u = jax.random.normal(key, (draws, len(prior.names)), np.float64)
    return laws_at(Whitened(template, prior), np.asarray(u))


def laws_at(family: Whitened, u: Float[np.ndarray, "*B D"]) -> Difficulty:
    """The members at u, a batch [*B] of NumPy float64."""
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), family)
        flat = _laws(arrays, np.reshape(u, (-1, u.shape[-1])))
        return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(*u.shape[:-1], *leaf.shape[1:]), flat)


@jax.jit
def _laws(family: Whitened, u: Float[Array, "B D"]) -> Difficulty:
    return jax.vmap(family.from_search)(u)
