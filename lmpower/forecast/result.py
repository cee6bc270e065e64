"""What a forecast says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from lmpower.numerics.pytree import pytree
from lmpower.posterior.estimate import number_or_none, percent


@pytree
@dataclasses.dataclass(frozen=True)
class Forecast:
    """What k attempts will achieve.

    Attributes:
        k: budgets, [K].
        pass_at_k: the expected share of problems solved (or what ``metric`` says), [K] or [B, K].
        lower, upper: ends of the interval, same shape; nan where no fit came with a covariance.
        per_problem: the chance for each problem of the counts, [P, K]; None for new problems.
        draws: as likely values of what the interval is for, [S, K]; None unless from a posterior.
        level: of the interval.
        problems: "same" (those counted, given what was seen) or "new" (from the same difficulty).
        metric, tau, measured: as asked.
    """

    k: Float[np.ndarray, " K"]
    pass_at_k: Float[np.ndarray, "*B K"]
    lower: Float[np.ndarray, "*B K"]
    upper: Float[np.ndarray, "*B K"]
    per_problem: Float[np.ndarray, "P K"] | None
    draws: Float[np.ndarray, "S K"] | None
    level: float = dataclasses.field(metadata={"static": True})
    problems: str = dataclasses.field(metadata={"static": True})
    metric: str = dataclasses.field(metadata={"static": True})
    tau: float | None = dataclasses.field(default=None, metadata={"static": True})
    measured: int | None = dataclasses.field(default=None, metadata={"static": True})

    @property
    def neg_log(self) -> Float[np.ndarray, "*B K"]:
        """-log pass@k, the quantity that falls as a power law."""
        return -np.log(self.pass_at_k)

    def to_dict(self) -> list[dict[str, Any]]:
        """One record a budget, for JSON or a data frame.

        Raises:
            ValueError: for the forecast of a batch.
        """
        if np.ndim(self.pass_at_k) != 1:
            raise ValueError("a batch of forecasts is no one table: take pass_at_k[i]")
        return [
            {
                "k": int(k),
                "pass_at_k": number_or_none(estimate),
                "lower": number_or_none(low),
                "upper": number_or_none(high),
                "level": self.level,
                "problems": self.problems,
                "metric": self.metric,
            }
            for k, estimate, low, high in zip(self.k, self.pass_at_k, self.lower, self.upper, strict=True)
        ]

    def summary(self) -> str:
        """A small table: k, estimate, interval."""
        what = {"any": "pass@k", "all": "pass^k", "at_least": f"G-pass@k ({self.tau})"}
        rows = self.to_dict()
        width = max(10, *(len(f"{row['k']:,}") for row in rows))
        lines = [f"{'k':>{width}}  {what[self.metric]:>10}  {percent(self.level)} interval"]
        for row in rows:
            mean, low, high = (row[name] for name in ("pass_at_k", "lower", "upper"))
            estimate = "-" if mean is None else f"{mean:#.4g}"
            ends = "-" if low is None else f"{low:#.4g} to {high:#.4g}"
            lines.append(f"{row['k']:>{width},}  {estimate:>10}  {ends}")
        return "\n".join(lines)
