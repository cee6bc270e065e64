"""Arrays computed apart from what is made of them.

A compiler fuses what makes an array into its use. Where the use lays arrays side by side, they are then
computed number by number, with a question each to which array it belongs, and no longer as vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

T = TypeVar("T")


def apart(always: Bool[Array, ""], make: Callable[..., T], *args: Any) -> T:
    """``make(*args)``, in a branch that is always taken, of which a compiler does not know that."""

    def nothing(*args: Any) -> Any:
        like = jax.eval_shape(make, *args)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)

    return cast(T, jax.lax.cond(always, make, nothing, *args))
