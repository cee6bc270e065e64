"""What one run of the shell finds out about groups of counts, for tables, records and pictures.

Fits or posteriors, one a group, the straight line beside them, and curves of pass@k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from lmpower.arguments import LINE_KS
from lmpower.baseline import PUBLISHED_KS, fit_line, log_spaced_ks
from lmpower.counts import CountsError
from lmpower.fit import fit_difficulty, profile_interval
from lmpower.forecast import forecast_pass_at_k
from lmpower.posterior import sample_posterior
from lmpower.scaling import window_slope

if TYPE_CHECKING:
    import jax
    from numpy.typing import ArrayLike

    from lmpower.baseline import Line
    from lmpower.counts import Counts
    from lmpower.fit import Fit
    from lmpower.forecast import Forecast
    from lmpower.posterior import Posterior

_DRAWN_KS = 61  # budgets along a drawn curve


@dataclass(frozen=True)
class Study:
    """What fits and posteriors of G groups have in common.

    Attributes:
        groups: the counts by name of the group.
        detected: whether how sampling stopped was detected, rather than given.
        family: the family's name.
        level: coverage of all intervals.
        lines: the straight line of each group, or the reason why there is none.
    """

    groups: Mapping[str, Counts]
    detected: bool
    family: str
    level: float
    lines: Mapping[str, Line | str]


@dataclass(frozen=True)
class Fits(Study):
    """The most probable law of each group.

    Attributes:
        fit: a batch [G].
        exponent_interval: lower and upper end of the tail exponent, each [G].
        window: lowest and highest k of the window slope.
        window_slope: [G].
    """

    fit: Fit
    exponent_interval: tuple[Float64[np.ndarray, " G"], Float64[np.ndarray, " G"]]
    window: tuple[int, int]
    window_slope: Float64[np.ndarray, " G"]


@dataclass(frozen=True)
class Beliefs(Study):
    """Every law that each group's counts leave plausible: a batch of posteriors [G]."""

    posterior: Posterior


@dataclass(frozen=True)
class Curve:
    """pass@k of one group at K budgets, with its interval: NaN where there is none to be believed."""

    k: Int64[np.ndarray, " K"]
    pass_at_k: Float64[np.ndarray, " K"]
    lower: Float64[np.ndarray, " K"]
    upper: Float64[np.ndarray, " K"]
    level: float
    problems: str

    def at(self, ks: Sequence[int]) -> Curve:
        """The same at some of its budgets, in the order given."""
        order = [self.k.tolist().index(k) for k in ks]
        parts = {name: getattr(self, name)[order] for name in ("k", "pass_at_k", "lower", "upper")}
        return replace(self, **parts)


def study_fits(
    groups: Mapping[str, Counts],
    family: str,
    *,
    penalty: str | None,
    level: float,
    window: tuple[int, int],
    line_ks: str,
    detected: bool,
    step: Callable[[str], None],
) -> Fits:
    """Fit every group; ``step`` hears the name of each part of the work."""
    step("fitting")
    fit = fit_difficulty(list(groups.values()), family, penalty=penalty)
    step("exponents")
    return Fits(
        groups=groups,
        detected=detected,
        family=family,
        level=level,
        lines=lines_of(groups, line_ks),
        fit=fit,
        exponent_interval=profile_interval(fit, level),
        window=window,
        window_slope=np.asarray(window_slope(fit.difficulty, *window)),
    )


def study_beliefs(
    groups: Mapping[str, Counts],
    family: str,
    *,
    method: str,
    draws: int,
    key: jax.Array,
    level: float,
    line_ks: str,
    detected: bool,
    step: Callable[[str], None],
) -> Beliefs:
    """Sample the posterior of every group."""
    step("posteriors")
    posterior = sample_posterior(list(groups.values()), family, key=key, method=method, draws=draws)
    lines = lines_of(groups, line_ks)
    return Beliefs(groups, detected, family, level, lines, posterior=posterior)


def lines_of(groups: Mapping[str, Counts], line_ks: str) -> dict[str, Line | str]:
    """The straight line of each group, through the published k or through log-spaced ones, or why none."""
    return {name: _line(counts, line_ks) for name, counts in groups.items()}


def _line(counts: Counts, line_ks: str) -> Line | str:
    if counts.stopping != "fixed":
        return f"it needs attempts chosen in advance, and stopping is {counts.stopping}"
    few = int(counts.attempts.min())
    try:
        return fit_line(counts, PUBLISHED_KS if line_ks == LINE_KS[0] else log_spaced_ks(few))
    except CountsError as error:
        return str(error)


def curves_of(
    study: Beliefs, ks: Sequence[int], problems: str, *, drawn: bool, key: jax.Array
) -> dict[str, Curve]:
    """Forecasts at the budgets asked for, and where they are to be ``drawn`` along their curves."""
    at = np.array(ks)
    if drawn:
        most = max(int(counts.attempts.max()) for counts in study.groups.values())
        along = np.rint(np.geomspace(1, max(most, *ks, 10), _DRAWN_KS))
        at = np.unique(np.append(at, along.astype(np.int64)))
    return as_curves(study, forecasts_of(study, at, problems, key=key))


def forecasts_of(study: Beliefs, ks: ArrayLike, problems: str, *, key: jax.Array) -> dict[str, Forecast]:
    """Forecasts for each group at these budgets."""
    return {
        name: forecast_pass_at_k(
            study.posterior[g], ks, counts, problems=problems, level=study.level, key=key
        )
        for g, (name, counts) in enumerate(study.groups.items())
    }


def as_curves(study: Beliefs, forecasts: Mapping[str, Forecast]) -> dict[str, Curve]:
    """Of forecasts what may be believed."""
    curves = {}
    for g, (name, seen) in enumerate(forecasts.items()):
        trusted = bool(study.posterior.ok[g])
        mean = seen.pass_at_k if trusted else np.full(len(seen.k), np.nan)
        k = seen.k.astype(np.int64)
        curves[name] = Curve(k, mean, seen.lower, seen.upper, seen.level, seen.problems)
    return curves
