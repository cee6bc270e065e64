"""The one call: what is asked of a forecast, checked, and whom it is asked of."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from lmpower.counts import Counts, require_counts
from lmpower.difficulty.base import Difficulty
from lmpower.fit import Fit
from lmpower.forecast.chances import METRICS
from lmpower.forecast.fits import forecast_from_law
from lmpower.forecast.posteriors import forecast_from_draws
from lmpower.forecast.result import Forecast
from lmpower.passk import check_ks
from lmpower.posterior.draws import Posterior

PROBLEMS = ("same", "new")


def forecast_pass_at_k(
    difficulty: Difficulty | Fit | Posterior,
    ks: ArrayLike,
    counts: Counts | None = None,
    *,
    problems: str | None = None,
    level: float = 0.9,
    metric: str = "any",
    tau: float | None = None,
    replicates: Difficulty | Fit | None = None,
    measured: int | None = None,
    key: jax.Array | None = None,
) -> Forecast:
    """Forecast pass@k, pass^k or G-pass@k at budgets ``ks``.

    Args:
        difficulty: a posterior or a fit, which bring intervals; or any difficulty, or batch of them, which
            does not.
        ks: whole budgets k >= 1, [K]. For a problem already seen they count from scratch: the chance
            that k fresh attempts succeed, given what is known of p from those made.
        counts: the problems already tried; needed for ``problems="same"``, and for ``measured``.
        problems: "same" or "new"; by default "same" where there are counts.
        level: of the interval, in (0, 1).
        metric: "any", "all" or "at_least" (a share ``tau`` in (0, 1] of the k attempts).
        replicates: a bootstrap (a batch of fits); intervals are then its percentiles instead of the
            delta rule's.
        measured: with a posterior, make the interval one for the unbiased pass@k that would be measured
            with so many attempts a problem in all: those made and others (of the same problems), or as
            many problems of as many fresh attempts (new ones). At most ``measured`` attempts tell
            pass@k, so no k may be larger.
        key: with a posterior, of the simulated chances; by default always the same.

    Returns:
        A ``Forecast``. Intervals are nan where a posterior cannot be believed.

    Raises:
        ValueError: for anything out of its range, naming the range.
    """
    if not isinstance(difficulty, Difficulty | Fit | Posterior):
        raise ValueError(
            f"a forecast takes a posterior, a fit or a difficulty, not {type(difficulty).__name__}"
        )
    ks = check_ks(ks).astype(np.float64)
    problems = problems or ("new" if counts is None else "same")
    check_asked(problems, level, metric, tau, counts)
    asked: dict[str, Any] = {"level": float(level), "problems": problems, "metric": metric, "tau": tau}
    if isinstance(difficulty, Posterior):
        measured = None if measured is None else _checked_measured(measured, ks, metric, problems, counts)
        if replicates is not None:
            raise ValueError("replicates go with a fit, not with a posterior, which has draws of its own")
        return forecast_from_draws(difficulty, ks, counts, measured, key, asked)
    if measured is not None:
        raise ValueError("measured=... needs a posterior: take sample_posterior instead of a fit")
    if replicates is not None:
        _require_replicates(replicates)
    return forecast_from_law(difficulty, ks, counts, replicates, asked)


def _require_replicates(replicates: Difficulty | Fit) -> None:
    law = replicates.difficulty if isinstance(replicates, Fit) else replicates
    known = isinstance(law, Difficulty)
    if not known or len(law.batch_shape) != 1:
        what = "a single one" if known else type(replicates).__name__
        raise ValueError(f"replicates must be a batch of fits, as from bootstrap_fit, not {what}")
    if isinstance(replicates, Fit) and not np.any(replicates.ok):
        raise ValueError("replicates must hold a fit that can be used; of these every one failed")


def check_asked(problems: str, level: float, metric: str, tau: float | None, counts: Counts | None) -> None:
    """Refuse what no forecast can be of."""
    if problems not in PROBLEMS:
        raise ValueError(f"problems must be 'same' or 'new', not {problems!r}")
    if counts is not None:
        require_counts(counts)
    if problems == "same" and counts is None:
        raise ValueError("a forecast for the same problems needs their counts: pass counts=...")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level}")
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}")
    if metric == "at_least" and not (tau is not None and 0 < tau <= 1):
        raise ValueError(f"metric='at_least' needs a share tau in (0, 1], not {tau}")
    if metric != "at_least" and tau is not None:
        raise ValueError(f"tau goes with metric='at_least' only, not with {metric!r}")


def _checked_measured(
    measured: int, ks: np.ndarray, metric: str, problems: str, counts: Counts | None
) -> int:
    try:
        (measured,) = check_ks(measured).tolist()
    except ValueError:
        raise ValueError(f"measured must be a whole number of attempts, not {measured!r}") from None
    if metric != "any":
        raise ValueError(f"measured=... is for metric='any', not for {metric!r}")
    if counts is None:
        raise ValueError("measured=... needs counts=..., for how many problems are measured")
    if measured < ks.max():
        raise ValueError(f"{measured:,} attempts cannot measure pass@{int(ks.max()):,}: take at least k")
    if problems == "same" and measured < counts.attempts.max():
        raise ValueError(
            f"measured={measured:,} is less than the {int(counts.attempts.max()):,} attempts already made"
        )
    if problems == "same" and counts.stopping != "fixed":
        raise ValueError(
            f"attempts with stopping={counts.stopping!r} and others together give no unbiased pass@k: "
            "leave out measured=..., or ask for new problems"
        )
    return measured
