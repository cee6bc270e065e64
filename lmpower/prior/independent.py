"""A family's prior: independent laws, one a search coordinate, and the map that they make together."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.difficulty.base import Search
from lmpower.numerics.pytree import pytree
from lmpower.prior.marginals import Marginal, Normal, SinhNormal

# u is looked at within (-FAR, FAR), outside of which lies 1e-15 of the prior.
FAR = 8.0
# Coordinates that are searched as they are, and those of either sign and many sizes, of which asinh of a
# half is. All others are the logs of positive parameters.
_AS_THEY_ARE = ("pi0", "logit_p", "logit_weight")
_ASINH = ("logit_lam",)


@pytree
@dataclasses.dataclass(frozen=True)
class Prior:
    """Independent laws of a family's parameters.

    Attributes:
        marginals: one for each search coordinate.
        names: of the search coordinates, as in ``family.box.names``.
    """

    marginals: tuple[Marginal, ...]
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def search(self, u: Search) -> list[Array]:
        """Search coordinates of D normals, one by one."""
        return [
            _coordinate(name, marginal, each)
            for name, marginal, each in zip(self.names, self.marginals, u, strict=True)
        ]

    def normal(self, theta: Search) -> Float[Array, " D"]:
        """Normals of search coordinates, within (-FAR, FAR)."""
        u = [
            marginal.normal(_parameter(name, each))
            for name, marginal, each in zip(self.names, self.marginals, theta, strict=True)
        ]
        return jnp.clip(jnp.stack(u), -FAR, FAR)

    def replace(self, **marginals: Marginal) -> Prior:
        """Another law for some parameters, by the names of their search coordinates.

        Raises:
            ValueError: for a name that the family does not have, or a law that its parameter cannot have.
        """
        for name, marginal in marginals.items():
            if name not in self.names:
                raise ValueError(f"the family has no {name!r}: it has {', '.join(self.names)}")
            if not isinstance(marginal, Marginal):
                raise ValueError(f"the prior of {name} must be a Marginal, not {marginal!r}")
            _check(name, marginal)
        kept = dict(zip(self.names, self.marginals, strict=True)) | marginals
        return Prior(tuple(kept.values()), self.names)

    def summary(self) -> str:
        """One line a parameter."""
        pairs = zip(self.names, self.marginals, strict=True)
        return "\n".join(f"{name}: {marginal.words()}" for name, marginal in pairs)


def kind_of(name: str) -> str:
    """A coordinate's name without its number: logit_p_0 is a logit_p, alpha_1 an alpha."""
    head, _, number = name.rpartition("_")
    return kind_of(head) if head and number.isdigit() else name


def _coordinate(name: str, marginal: Marginal, u: Array) -> Array:
    """The search coordinate of a normal u."""
    kind = kind_of(name)
    if kind in _ASINH:
        return jnp.arcsinh(marginal.parameter(u) / 2)
    return marginal.parameter(u) if kind in _AS_THEY_ARE else marginal.log_parameter(u)


def _parameter(name: str, theta: Array) -> Array:
    """The parameter at a search coordinate."""
    kind = kind_of(name)
    if kind in _ASINH:
        return 2 * jnp.sinh(theta)
    return theta if kind in _AS_THEY_ARE else jnp.exp(theta)


def _check(name: str, marginal: Marginal) -> None:
    """Refuse a law that its coordinate cannot have, or that is no law."""
    if kind_of(name) not in _AS_THEY_ARE + _ASINH and isinstance(marginal, Normal | SinhNormal):
        raise ValueError(
            f"the prior of {name} must be of a positive parameter (LogNormal, Share), not {marginal!r}"
        )
    with jax.enable_x64(True), np.errstate(all="ignore"):
        places = np.asarray(Prior((marginal,), (name,)).search([jnp.array([-3.0, 0.0, 3.0])])[0])
    if not np.all(np.isfinite(places)) or not np.all(np.diff(places) > 0):
        raise ValueError(f"the prior of {name} must rise with u and be finite; got {marginal!r}")
