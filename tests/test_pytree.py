"""Pytrees of this package: taken apart and put together, and never one class for another."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import jax
import numpy as np
import pytest

import lmpower
from lmpower.counts import Rows
from lmpower.difficulty.named import LAWS, family_named
from lmpower.numerics.pytree import pytree

NAMES = [*LAWS, "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta", "zero-inflated-kumaraswamy"]
NAMES += ["zero-inflated-scaled-beta", "zero-inflated-scaled-kumaraswamy"]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(NAMES, 2)))
def test_two_families_never_have_one_structure(one, other):
    # equal structures would share a compiled program whenever their hashes meet in jit's cache
    assert jax.tree.structure(family_named(one)) != jax.tree.structure(family_named(other))


@pytest.mark.parametrize("name", NAMES)
def test_one_family_has_one_structure(name):
    law = family_named(name)
    other = jax.tree.map(lambda leaf: leaf + 1, law)
    assert type(other) is type(law)
    assert jax.tree.structure(law) == jax.tree.structure(other)
    assert hash(jax.tree.structure(law)) == hash(jax.tree.structure(other))


def test_static_fields_are_structure_and_the_others_leaves():
    @pytree
    @dataclasses.dataclass(frozen=True)
    class Reading:
        value: float
        unit: str = dataclasses.field(metadata={"static": True})
        error: float = 0.0

    reading = Reading(2.0, "nats", 0.5)
    assert jax.tree.leaves(reading) == [2.0, 0.5]
    assert jax.tree.map(lambda leaf: 2 * leaf, reading) == Reading(4.0, "nats", 1.0)
    assert jax.tree.structure(reading) != jax.tree.structure(Reading(2.0, "bits", 0.5))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(reading)]
    assert paths == [".value", ".error"]


def test_mapped_over_by_vmap_and_traced_by_jit():
    rows = Rows(np.zeros((3, 2)), np.ones((3, 2)), np.ones((3, 2)))
    total = jax.jit(jax.vmap(lambda each: (each.failures * each.weight).sum()))(rows)
    np.testing.assert_array_equal(total, [2.0, 2.0, 2.0])


def test_no_class_is_registered_any_other_way():
    package = Path(lmpower.__file__).parent
    others = [
        file.name
        for file in package.rglob("*.py")
        if file.name != "pytree.py" and "tree_util.register" in file.read_text(encoding="utf-8")
    ]
    assert others == []
