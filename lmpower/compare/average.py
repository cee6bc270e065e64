"""Forecasts averaged over families: what is not known of the family is part of the interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from lmpower.forecast import Forecast
from lmpower.posterior.importance import evenly

# Weights may miss a sum of 1 by as much, for having been rounded.
_ROUNDED = 1e-3
_ALIKE = ("level", "problems", "metric", "tau", "measured")


def average_forecast(
    forecasts: Mapping[str, Forecast], weights: Mapping[str, float] | Sequence[float] | np.ndarray
) -> Forecast:
    """The mixture of the families' forecasts, with family f's share w_f.

    With weights from ``compare_families``:

        comparison = compare_families(counts, key=key)
        each = {
            family: forecast_pass_at_k(posterior, ks, counts)
            for family, posterior in comparison.posteriors.items()
        }
        average_forecast(each, comparison.weights)

    Args:
        forecasts: one a family, all from posteriors and of the same budgets and question.
        weights: by family, or in the order of ``forecasts``; at least 0, and their sum is 1.

    Returns:
        A ``Forecast`` with pass_at_k = sum_f w_f pass_at_k_f, the same of ``per_problem``, as interval the
        quantiles of all draws, each with the weight w_f/S_f, and as ``draws`` as many of them, evenly
        by weight, as the longest has. The interval is nan if that of a family of weight above 0 is.

    Raises:
        ValueError: for weights that are none, forecasts of different questions, or those without draws.
    """
    w = _checked(forecasts, weights)
    used = [(forecast, float(w[j])) for j, forecast in enumerate(forecasts.values()) if w[j] > 0]
    first = used[0][0]
    many = [len(forecast.draws) for forecast, _ in used if forecast.draws is not None]
    draws = np.concatenate([forecast.draws for forecast, _ in used if forecast.draws is not None])
    weight = np.repeat([share / size for (_, share), size in zip(used, many, strict=True)], many)
    ends = weighted_quantiles(draws, weight, [0.5 - first.level / 2, 0.5 + first.level / 2])
    known = np.all([np.isfinite(forecast.lower) for forecast, _ in used], axis=0)
    return dataclasses.replace(
        first,
        pass_at_k=_mixed([(forecast.pass_at_k, share) for forecast, share in used]),
        lower=np.where(known, ends[0], np.nan),
        upper=np.where(known, ends[1], np.nan),
        per_problem=None
        if first.per_problem is None
        else _mixed([(f.per_problem, share) for f, share in used if f.per_problem is not None]),
        draws=draws[evenly(np.log(weight)[None], max(many))[0]],
    )


def _mixed(parts: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    return np.asarray(sum(share * part for part, share in parts))


def weighted_quantiles(
    draws: Float[np.ndarray, "N K"], weight: Float[np.ndarray, " N"], levels: Sequence[float]
) -> Float[np.ndarray, "Q K"]:
    """Quantiles of weighted draws, column by column.

    In order of size, a draw stands at the middle of its own share of the weight, and between draws the
    quantile is linear (for equal weights NumPy's "hazen").
    """
    order = np.argsort(draws, axis=0, kind="stable")
    ranked, share = np.take_along_axis(draws, order, axis=0), weight[order] / np.sum(weight)
    middle = np.cumsum(share, axis=0) - 0.5 * share
    columns = zip(middle.T, ranked.T, strict=True)
    return np.stack([np.interp(levels, at, values) for at, values in columns], axis=-1)


def _checked(
    forecasts: Mapping[str, Forecast], weights: Mapping[str, float] | Sequence[float] | np.ndarray
) -> Float[np.ndarray, " F"]:
    """The weights in the order of the forecasts, with a sum of 1."""
    if not isinstance(forecasts, Mapping):
        raise ValueError(f"forecasts must be a mapping by family, not {type(forecasts).__name__}")
    if not forecasts:
        raise ValueError("there are no forecasts to average: give at least one")
    names = list(forecasts)
    if isinstance(weights, Mapping):
        if set(weights) != set(names):
            raise ValueError(
                f"the weights are of {', '.join(weights)}, the forecasts of {', '.join(names)}"
            )
        weights = [weights[name] for name in names]
    w = np.asarray(weights, np.float64)
    if w.shape != (len(names),):
        raise ValueError(f"{len(names)} forecasts need {len(names)} weights; got shape {w.shape}")
    if not (np.all(w >= 0) and abs(np.sum(w) - 1) <= _ROUNDED):
        raise ValueError(f"weights must be at least 0 and sum to 1; got {', '.join(f'{x:g}' for x in w)}")
    used = {name: forecast for (name, forecast), share in zip(forecasts.items(), w, strict=True) if share}
    first_name, first = next(iter(used.items()))
    for name, forecast in used.items():
        if forecast.draws is None:
            raise ValueError(f"the forecast of {name} has no draws: make it from a posterior")
        if not np.array_equal(forecast.k, first.k):
            raise ValueError(f"the forecasts of {first_name} and {name} are of different budgets k")
        for what in _ALIKE:
            one, other = getattr(first, what), getattr(forecast, what)
            if one != other:
                raise ValueError(
                    f"the forecasts must answer one question: {what} is {one!r} for {first_name} and "
                    f"{other!r} for {name}"
                )
    return np.asarray(w / np.sum(w))
