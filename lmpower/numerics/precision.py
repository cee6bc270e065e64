"""Which numbers come in decides how they are computed; no global switch is ever touched.

Python and NumPy numbers are computed in float64 and come back as NumPy. JAX arrays and tracers keep
the precision they have, so that the same method is a kernel inside a caller's ``jit`` or ``grad``
(where float64 needs the caller's own ``jax.enable_x64``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


def holds_jax_arrays(*trees: Any) -> bool:
    """Whether any leaf is a JAX array or tracer, which fixes the precision from outside."""
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(trees))


def float64_on_host(method: F) -> F:
    """Run ``method`` compiled: in float64 when given plain numbers, as it is when given JAX's.

    Where it is traced, it becomes part of the caller's program.
    """
    compiled = jax.jit(method)

    @functools.wraps(method)
    def wrapper(*args: Any, **named: Any) -> Any:
        if holds_jax_arrays(args, named):
            traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, named)))
            return (method if traced else compiled)(*args, **named)
        # at once, also while a caller's jit traces: no number here is of its program
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            plain = [_plain(arg) for arg in args]
            plain_named = {name: _plain(arg) for name, arg in named.items()}
            return jax.tree.map(np.asarray, compiled(*plain, **plain_named))

    return wrapper  # type: ignore[return-value]  # same call signature, by construction


def _plain(arg: Any) -> Any:
    """An argument with NumPy leaves; a list or tuple of numbers is one array."""
    arg = np.asarray(arg) if type(arg) in (list, tuple) else arg
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float64), arg)
