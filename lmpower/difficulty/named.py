"""Families by name: what a fit is asked for.

A name is a law with either or both of the prefixes ``scaled-`` (to (0, c), c fitted) and, before it,
``zero-inflated-`` (a share pi0 of problems never solved): "beta", "scaled-kumaraswamy",
"zero-inflated-scaled-beta". "discrete-3" has three kinds of problem.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.beta import Beta
from lmpower.difficulty.continuous import Continuous
from lmpower.difficulty.continuous_bernoulli import ContinuousBernoulli
from lmpower.difficulty.discrete import Discrete
from lmpower.difficulty.kumaraswamy import Kumaraswamy
from lmpower.difficulty.reciprocal import Reciprocal
from lmpower.difficulty.scaled import Scaled
from lmpower.difficulty.uniform import Uniform
from lmpower.difficulty.zero_inflated import ZeroInflated

LAWS = ("beta", "kumaraswamy", "uniform", "continuous-bernoulli", "reciprocal", "discrete-2")
_MOST_POINTS = 8


@functools.cache
def family_named(name: str) -> Difficulty:
    """A template of the family: its structure counts, its parameters do not.

    Raises:
        ValueError: for an unknown name, with the names there are.
    """
    inner = spelled(name)
    inflated = inner.startswith("zero-inflated-")
    inner = inner.removeprefix("zero-inflated-")
    scaled = inner.startswith("scaled-")
    law = _law(inner.removeprefix("scaled-"))
    if scaled:
        may_be = (Beta, Kumaraswamy, ContinuousBernoulli)
        law = Scaled(law, np.float64(0.5)) if isinstance(law, may_be) else None
    if law is None:
        raise ValueError(
            f"unknown family {name!r}: choose one of {', '.join(LAWS)} (any number of points up to "
            f"{_MOST_POINTS}), with 'scaled-' before beta, kumaraswamy or continuous-bernoulli, and "
            "'zero-inflated-' once before any of these"
        )
    return ZeroInflated(law, np.float64(0.1)) if inflated else law


def spelled(name: str) -> str:
    """A family's name as errors and tables should show it."""
    return str(name).strip().lower().replace("_", "-")


def law_named(text: str) -> Difficulty:
    """A law with its parameters, such as "beta:.15,3.5", or "beta:.15,3.5,.1" scaled to (0, .1).

    The parameters come in the order of the family's own (`Difficulty.parameters`); one more than Beta
    or Kumaraswamy has is a scale c.

    Raises:
        ValueError: for an unknown family, or numbers that are not its parameters.
    """
    name, _, numbers = text.partition(":")
    template = family_named(name)
    try:
        values = [np.float64(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    if len(values) == 3 and isinstance(template, (Beta, Kumaraswamy)):
        template = Scaled(template, np.float64(0.5))
    parameters = template.parameters()
    if any(np.ndim(value) for value in parameters.values()) or len(values) != len(parameters):
        raise ValueError(
            f"a truth is written {name}:{','.join(parameters)} with numbers for the names; got {text!r}"
        )
    return _checked(_made(template, iter(values)), text)


def family_given(family: str | Difficulty) -> Difficulty:
    """The law of that name, or the law itself.

    Raises:
        ValueError: for an unknown name, or what is neither.
    """
    if isinstance(family, str):
        return family_named(family)
    if not isinstance(family, Difficulty):
        raise ValueError(f"a family is a name such as 'beta', or a difficulty; got {type(family).__name__}")
    return family


def _made(template: Difficulty, values: Iterator[np.float64]) -> Difficulty:
    """A law of the template's kind, made as users make it: of its parameters in their order."""
    fields = dataclasses.fields(template)  # type: ignore[arg-type]  # families are dataclasses
    parts = (getattr(template, field.name) for field in fields)
    return type(template)(
        *(_made(part, values) if isinstance(part, Difficulty) else next(values) for part in parts)
    )


def _checked(law: Difficulty, text: str) -> Difficulty:
    """The law, if its parameters are such that it is one."""
    for name, value in law.parameters().items():
        most = 1.0 if name in ("c", "high", "pi0", "lam", "low") else np.inf
        if not 0 < value <= most or (value == 1 and name in ("pi0", "lam", "low")):
            raise ValueError(f"{name} must be above 0{' and at most 1' * (most == 1)}; got {text!r}")
    if not all(np.isfinite(value) for value in law.parameters().values()):
        raise ValueError(f"parameters must be finite; got {text!r}")
    if isinstance(law, Reciprocal) and law.low >= law.high:
        raise ValueError(f"low must be below high; got {text!r}")
    return law


def _law(name: str) -> Difficulty | None:
    laws: dict[str, Continuous | Reciprocal] = {
        "beta": Beta(np.float64(0.3), np.float64(3.0)),
        "kumaraswamy": Kumaraswamy(np.float64(0.3), np.float64(3.0)),
        "uniform": Uniform(np.float64(0.5)),
        "continuous-bernoulli": ContinuousBernoulli(np.float64(0.1)),
        "reciprocal": Reciprocal(np.float64(1e-4), np.float64(0.5)),
    }
    if name in laws:
        return laws[name]
    head, _, size = name.rpartition("-")
    if head == "discrete" and size.isdigit() and 2 <= int(size) <= _MOST_POINTS:
        points = int(size)
        return Discrete(np.geomspace(0.001, 0.5, points), np.full(points, 1 / points))
    return None
