"""What the tail exponent does along a size, a time, or any other number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from lmpower.contrast.pairs import paired, trust_in_all
from lmpower.counts import listed
from lmpower.posterior.draws import Posterior
from lmpower.posterior.estimate import Estimate, estimate_of, number_or_none, percent
from lmpower.posterior.hierarchy import checked_covariate


@dataclasses.dataclass(frozen=True)
class ExponentTrend:
    """How the tail exponent moves along x, in S sets of draws.

    Attributes:
        slope: change of log exponent for each unit of x, [S].
        level: of the interval.
        ok: whether all posteriors can be believed; if not, what is said of the slope is nan.
        sentence: the same in words.
    """

    slope: Float[np.ndarray, " S"]
    level: float
    ok: bool
    sentence: str

    @property
    def at(self) -> Estimate:
        """Mean, median and interval of the slope."""
        return estimate_of(self.slope, self.ok, self.level)

    @property
    def chance_rising(self) -> float:
        """P(slope > 0)."""
        return float(np.mean(self.slope > 0)) if self.ok else math.nan

    def summary(self) -> str:
        """The slope, its interval and whether it rises."""
        if not self.ok:
            return f"slope of log exponent: -; {self.sentence}"
        _, median, lower, upper = map(float, self.at)
        return (
            f"slope of log exponent {median:.4g}, {percent(self.level)} interval {lower:.4g} to "
            f"{upper:.4g}; P(slope > 0) = {self.chance_rising:.3f}; {self.sentence}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        rising = number_or_none(self.chance_rising)
        slope = self.at.to_dict()
        return {"slope": slope, "chance_rising": rising, "level": self.level, "status": self.sentence}


def exponent_trend(
    posteriors: Mapping[str, Posterior], x: Mapping[str, float], level: float = 0.9
) -> ExponentTrend:
    """The least-squares slope of log tail exponent on x, over posteriors of at least two groups.

    It is the slope of these very groups: its interval holds how well their exponents are known, and not how
    they scatter around the line. For what another group would show, and for groups with few problems, take
    ``sample_together(..., covariate=x)``, where the scatter is estimated and widens the interval, and where
    exponents that are hardly known count for less.

    Args:
        posteriors: of one data set each, by the names of the groups; draws of one ``Together`` are joint.
        x: a number for each group, such as the log of a model's size.
        level: of the interval, in (0, 1).

    Raises:
        ValueError: for no mapping, fewer than two groups, an x that lacks a group or is the same for all,
            batches, families without a tail exponent, or a level outside of (0, 1).
    """
    if not isinstance(posteriors, Mapping):
        raise ValueError(f"posteriors must be a mapping by group, not {type(posteriors).__name__}")
    names = tuple(posteriors)
    if len(names) < 2:
        raise ValueError(f"a trend takes at least two groups; got {listed(map(repr, names)) or 'none'}")
    at = checked_covariate(x, names)
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level!r}")
    every = [posteriors[name] for name in names]
    places = paired(every, names)
    exponent = [one.tail_exponent[place] for one, place in zip(every, places, strict=True)]
    for name, draws in zip(names, exponent, strict=True):
        if np.all(np.isnan(draws)):
            raise ValueError(f"the family of {name!r} has no tail exponent: take one with a power law")
    off = at - np.mean(at)
    slope = off @ np.log(np.stack(exponent)) / np.sum(off**2)
    ok, sentence = trust_in_all(every, names)
    return ExponentTrend(slope, float(level), ok, sentence)
