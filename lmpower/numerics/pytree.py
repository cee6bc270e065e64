"""Dataclasses as JAX pytrees that are told apart by their class.

``jax.tree_util.register_dataclass`` leaves the class out of the comparison of two tree structures
(jaxlib 0.10 to 0.12): ``Beta(a, b)`` and ``Kumaraswamy(a, b)`` then compare equal with unequal hashes,
and ``jit``, whose cache is a hash table, now and then runs the one's program for the other.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import jax

Class = TypeVar("Class", bound=type)
Aux = tuple[Any, ...]


def pytree(cls: Class) -> Class:
    """Register a dataclass: its fields are children, those with ``metadata={"static": True}`` are not."""
    static = {field.name: bool(field.metadata.get("static")) for field in dataclasses.fields(cls)}
    data = tuple(name for name in static if not static[name])
    meta = tuple(name for name in static if static[name])
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in data)

    def flatten(tree: Any) -> tuple[tuple[Any, ...], Aux]:
        return tuple(getattr(tree, name) for name in data), tuple(getattr(tree, name) for name in meta)

    def flatten_with_keys(tree: Any) -> tuple[tuple[tuple[Any, Any], ...], Aux]:
        children, aux = flatten(tree)
        return tuple(zip(keys, children, strict=True)), aux

    def unflatten(aux: Aux, children: Any) -> Any:
        return cls(**dict(zip(data, children, strict=True)), **dict(zip(meta, aux, strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
