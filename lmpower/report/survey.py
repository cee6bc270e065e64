"""One group looked at from all sides: measured, fitted, checked, compared and forecast."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lmpower.compare import average_forecast, check_fit
from lmpower.counts import Counts, CountsError
from lmpower.fit.devices import side_by_side
from lmpower.forecast import Forecast, forecast_pass_at_k
from lmpower.passk import pass_at_k, stopped_pass_at_k
from lmpower.records import Record
from lmpower.report.group import Ahead, Counted, Group, Measured, Other, Picture, Problems, Straight
from lmpower.scaling import window_slope
from lmpower.shares import law_density, sight, solved_histogram, unsolved, unsolved_share

if TYPE_CHECKING:
    from lmpower.compare import Comparison
    from lmpower.posterior import Posterior
    from lmpower.study import Beliefs

# decades of the density shown below one success in n attempts, and its points, for all groups as many
UNSEEN, POINTS = 1.5, 49


def survey(
    name: str,
    study: Beliefs,
    comparison: Comparison | None,
    ks: Sequence[int],
    window: tuple[int, int],
    key: jax.Array,
) -> Group:
    """All of one group, of whose families posteriors are there already; no comparison of one alone."""
    counts, level = study.groups[name], study.level
    posterior = study.posterior[list(study.groups).index(name)]
    each = {**(comparison.posteriors if comparison else {}), study.family: posterior}
    ask = functools.partial(forecast_pass_at_k, ks=ks, counts=counts, level=level, key=key)
    jobs: list[Callable[[], Any]] = [
        functools.partial(_checks, counts, posterior, key),
        functools.partial(_picture, counts, posterior, level),
        functools.partial(window_slope, posterior.difficulty, *window),
        *(functools.partial(ask, one) for one in each.values()),
    ]
    (checks, why_no_checks), picture, slopes, *ahead = side_by_side(jobs)
    forecasts: dict[str, Forecast] = dict(zip(each, ahead, strict=True))
    measured, why_no_measured = _measured(counts, ks)
    line, why_no_line = _line(study, name, ks)
    averaged = None
    if comparison and np.isfinite(comparison.weights).all():
        weights = dict(zip(comparison.families, comparison.weights.tolist(), strict=True))
        averaged = _ahead(average_forecast(forecasts, weights))
    others = tuple(
        Other(family, one.to_dict(level)["tail_exponent"], _ahead(forecasts[family], bool(one.ok)))
        for family, one in each.items()
    )
    forecast = forecasts[study.family]
    return Group(
        name=name,
        counted=_counted(counts),
        measured=measured,
        why_no_measured=why_no_measured,
        line=line,
        why_no_line=why_no_line,
        checks=checks,
        why_no_checks=why_no_checks,
        posterior=posterior.to_dict(level),
        believed=bool(posterior.ok),
        window_slope=_record(posterior.estimate(slopes, level)),
        told_by_prior=_told_by_prior(posterior),
        forecast=_ahead(forecast, bool(posterior.ok)),
        averaged=averaged,
        comparison=comparison.to_dict() if comparison else None,
        others=others if comparison else (),
        picture=picture,
        problems=_problems(counts, forecast if posterior.ok else None),
    )


def _record(estimate: Any) -> Record:
    return {part: float(value) for part, value in estimate._asdict().items()}


def _ahead(forecast: Forecast, believed: bool = True) -> Ahead:
    mean = forecast.pass_at_k if believed else np.full(len(forecast.k), np.nan)
    return Ahead(mean, forecast.lower, forecast.upper)


def _counted(counts: Counts) -> Counted:
    return Counted(
        problems=len(counts),
        attempts=int(counts.attempts.sum()),
        successes=int(counts.successes.sum()),
        fewest_attempts=int(counts.attempts.min()),
        reach=float(np.median(counts.attempts) if counts.stopping == "fixed" else counts.attempts.max()),
        most_attempts=int(counts.attempts.max()),
        unsolved=int((counts.successes == 0).sum()),
        always_solved=int((counts.failures == 0).sum()),
        stopping=counts.stopping,
        distinct=len(counts.rows().weight),
    )


def _measured(counts: Counts, ks: Sequence[int]) -> tuple[Measured | None, str | None]:
    """At the report's budgets as far as they go, and at the last that the attempts allow."""
    try:
        if counts.stopping == "on_success":
            # every problem stopped early is known to its end, so those never solved set the limit
            never = counts.successes == 0
            fewest = int((counts.attempts[never] if never.any() else counts.attempts).min())
            at = sorted({*(k for k in ks if k <= fewest), fewest})
            return Measured(at, stopped_pass_at_k(counts, at), None), None
        fewest = int(counts.attempts.min())
        at = sorted({*(k for k in ks if k <= fewest), fewest})
        found = pass_at_k(counts, at)
        return Measured(at, found.estimate, found.standard_error), None
    except CountsError as error:
        return None, str(error)


def _line(study: Beliefs, name: str, ks: Sequence[int]) -> tuple[Straight | None, str | None]:
    line = study.lines[name]
    if isinstance(line, str):
        return None, line
    lowest, highest = int(line.ks.min()), int(line.ks.max())
    return Straight(line.a, line.b, lowest, highest, line.pass_at_k(ks)), None


def _checks(counts: Counts, posterior: Posterior, key: jax.Array) -> tuple[Record | None, str | None]:
    try:
        checks = check_fit(posterior, counts, key=key)
    except CountsError as error:
        return None, str(error)
    return (checks.to_dict(), None) if posterior.ok else (None, checks.words[0])


def _told_by_prior(posterior: Posterior) -> float | None:
    """Spread of the tail exponent's coordinate in that of the prior: 1 if counts say nothing of it."""
    if "alpha" not in posterior.prior.names:
        return None
    return float(np.std(posterior.u[:, posterior.prior.names.index("alpha")]))


def _picture(counts: Counts, posterior: Posterior, level: float) -> Picture:
    edges, observed = solved_histogram(counts) if counts.stopping == "fixed" else (None, None)
    least = sight(counts)
    p = np.linspace(least - UNSEEN, 0.0, POINTS)
    density = posterior.estimate(law_density(posterior.difficulty, p), level)
    expected = posterior.estimate(unsolved_share(posterior.difficulty, counts), level)
    return Picture(
        edges=edges,
        observed=observed,
        unsolved={"observed": unsolved(counts), **_record(expected)},
        p=p,
        mean=density.mean,
        lower=density.lower,
        upper=density.upper,
        sight=least,
    )


def _problems(counts: Counts, forecast: Forecast | None) -> Problems:
    rows, row = counts.rows(), counts.row_of_problem
    chance = None
    if forecast is not None and forecast.per_problem is not None:
        _, first = np.unique(row, return_index=True)
        chance = forecast.per_problem[first]
    labels = range(1, len(counts) + 1) if counts.problem is None else counts.problem.tolist()
    return Problems(
        name=[str(label) for label in labels],
        row=row,
        attempts=rows.attempts.astype(np.int64),
        successes=rows.successes.astype(np.int64),
        chance=chance,
    )
