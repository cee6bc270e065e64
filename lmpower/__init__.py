"""Forecast what repeated attempts will do.

From counts of attempts and successes per problem, fit the law of problem difficulty, and read off
pass@k at budgets not yet spent:

* ``Counts``, ``read_counts``, ``read_logs``: the data, checked at the door;
* ``pass_at_k``, ``fit_line``: what the counts say by themselves, and the straight line to beat;
* ``fit_difficulty``, ``profile_interval``, ``bootstrap_fit``: the difficulty behind them, and how sure;
* ``sample_posterior``, ``sample_together``, ``default_prior``: every difficulty that they leave plausible;
* ``forecast_pass_at_k``, ``window_slope``: budgets not yet spent, and how the curve falls;
* ``write_report``: all of it on one page;
* ``run_backtest``: how wrong forecasts would have been, had attempts stopped earlier;
* ``lmpower.difficulty``, ``lmpower.compare``, ``lmpower.contrast``, ``lmpower.estimators``,
  ``lmpower.backtest``, ``lmpower.logs``, ``lmpower.inspect_ai``, ``lmpower.plot``, ``lmpower.report``,
  ``lmpower.datasets``, ``lmpower.distributions``.

Names are loaded when first used; importing the package changes nothing and is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmpower.backtest import run_backtest
    from lmpower.baseline import Line, fit_line
    from lmpower.counts import Counts, CountsError
    from lmpower.fit import (
        Fit,
        Status,
        bootstrap_fit,
        fit_difficulty,
        influence,
        profile_interval,
        sandwich,
        standard_error,
    )
    from lmpower.forecast import Forecast, forecast_pass_at_k
    from lmpower.logs import Logs, read_logs
    from lmpower.passk import PassAtK, pass_at_k
    from lmpower.posterior import Posterior, Together, Trust, sample_posterior, sample_together
    from lmpower.prior import default_prior
    from lmpower.report import write_report
    from lmpower.scaling import local_slope, window_slope
    from lmpower.tables import read_counts

__version__ = "0.1.0"

_HOMES = {
    "Counts": "counts",
    "CountsError": "counts",
    "Fit": "fit",
    "Forecast": "forecast",
    "Line": "baseline",
    "Logs": "logs",
    "PassAtK": "passk",
    "Posterior": "posterior",
    "Status": "fit",
    "Together": "posterior",
    "Trust": "posterior",
    "bootstrap_fit": "fit",
    "default_prior": "prior",
    "fit_difficulty": "fit",
    "fit_line": "baseline",
    "forecast_pass_at_k": "forecast",
    "influence": "fit",
    "local_slope": "scaling",
    "pass_at_k": "passk",
    "profile_interval": "fit",
    "read_counts": "tables",
    "read_logs": "logs",
    "run_backtest": "backtest",
    "sample_posterior": "posterior",
    "sample_together": "posterior",
    "sandwich": "fit",
    "standard_error": "fit",
    "window_slope": "scaling",
    "write_report": "report",
}

_ROOMS = (
    "backtest",
    "compare",
    "contrast",
    "datasets",
    "difficulty",
    "distributions",
    "estimators",
    "inspect_ai",
    "logs",
    "plot",
    "report",
)

__all__ = [
    "Counts",
    "CountsError",
    "Fit",
    "Forecast",
    "Line",
    "Logs",
    "PassAtK",
    "Posterior",
    "Status",
    "Together",
    "Trust",
    "bootstrap_fit",
    "default_prior",
    "fit_difficulty",
    "fit_line",
    "forecast_pass_at_k",
    "influence",
    "local_slope",
    "pass_at_k",
    "profile_interval",
    "read_counts",
    "read_logs",
    "run_backtest",
    "sample_posterior",
    "sample_together",
    "sandwich",
    "standard_error",
    "window_slope",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"lmpower.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'lmpower' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lmpower.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
