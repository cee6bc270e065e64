"""Who is better at k."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lmpower.contrast.curves import heights_of
from lmpower.contrast.pairs import paired, trust_in_all
from lmpower.counts import Counts
from lmpower.forecast import forecast_pass_at_k
from lmpower.passk import check_ks
from lmpower.posterior.draws import Posterior
from lmpower.posterior.estimate import estimate_of, number_or_none, percent


@dataclasses.dataclass(frozen=True)
class Better:
    """Who is better at each of K budgets. All nan where a posterior cannot be believed.

    Attributes:
        k: budgets, [K].
        chance: P(pass@k of A > pass@k of B), [K]; ties count half.
        difference: pass@k of A less that of B, medians, [K].
        lower, upper: ends of its interval, [K].
        level: of the interval.
        problems: "same" (those counted) or "new".
        sentence: whether to believe it.
    """

    k: Float[np.ndarray, " K"]
    chance: Float[np.ndarray, " K"]
    difference: Float[np.ndarray, " K"]
    lower: Float[np.ndarray, " K"]
    upper: Float[np.ndarray, " K"]
    level: float
    problems: str
    sentence: str

    def summary(self) -> str:
        """A line for each k."""
        rows = self.to_dict()["budgets"]
        width = max(10, *(len(f"{row['k']:,}") for row in rows))
        lines = [f"{'k':>{width}}{'P(A > B)':>11}{'A less B':>11}   {percent(self.level)} interval"]
        for row in rows:
            if row["chance"] is None:
                lines.append(f"{row['k']:>{width},}{'-':>11}{'-':>11}   -")
                continue
            lines.append(
                f"{row['k']:>{width},}{row['chance']:>11.3f}{row['difference']:>#11.4g}   "
                f"{row['lower']:#.4g} to {row['upper']:#.4g}"
            )
        which = {"same": "the same problems", "new": "new problems"}[self.problems]
        return "\n".join([*lines, f"pass@k of {which}; {self.sentence}"])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON: a record for each k."""
        rows = zip(self.k, self.chance, self.difference, self.lower, self.upper, strict=True)
        names = ("chance", "difference", "lower", "upper")
        return {
            "budgets": [
                {"k": int(k), **dict(zip(names, map(number_or_none, numbers), strict=True))}
                for k, *numbers in rows
            ],
            "level": self.level,
            "problems": self.problems,
            "status": self.sentence,
        }


def chance_better(
    a: Posterior,
    b: Posterior,
    ks: ArrayLike,
    *,
    counts: tuple[Counts, Counts] | None = None,
    level: float = 0.9,
    key: jax.Array | None = None,
) -> Better:
    """P(pass@k of A > pass@k of B), and the difference, at budgets ``ks``.

    Args:
        a, b: posteriors of one data set each; their draws are joint if both are of one ``Together``.
        ks: whole budgets k >= 1, [K].
        counts: of A and of B, to ask about the very problems counted; the chances of each are then drawn
            given what was seen of it. Else the question is of new problems, or of endlessly many.
        level: of the difference's interval, in (0, 1).
        key: with ``counts``, of the chances drawn; by default always the same.

    Raises:
        ValueError: for batches, counts that are no pair, a k that is no whole number of at least 1, or a
            level outside of (0, 1).
    """
    budgets = check_ks(ks).astype(np.float64)
    at_a, at_b = paired([a, b], ["A", "B"])
    if counts is None:
        heights = heights_of(a, budgets)[at_a], heights_of(b, budgets)[at_b]
        first, second = (-np.expm1(-np.exp(height)) for height in heights)
        higher = heights[0] - heights[1]
    else:
        _require_pair(counts)
        keys = jax.random.split(jax.random.key(0) if key is None else key)
        one, other = (
            forecast_pass_at_k(posterior, ks, mine, key=each).draws
            for posterior, mine, each in zip((a, b), counts, keys, strict=True)
        )
        first, second = np.asarray(one)[at_a], np.asarray(other)[at_b]
        higher = first - second
    ok, sentence = trust_in_all([a, b], ["A", "B"])
    chance = np.mean((np.sign(higher) + 1) / 2, axis=0)
    between = estimate_of(first - second, ok, level)
    return Better(
        k=budgets,
        chance=np.where(ok, chance, np.nan),
        difference=between.median,
        lower=between.lower,
        upper=between.upper,
        level=float(level),
        problems="new" if counts is None else "same",
        sentence=sentence,
    )


def _require_pair(counts: Any) -> None:
    pair = counts if isinstance(counts, tuple | list) else [counts]
    if len(pair) != 2 or not all(isinstance(one, Counts) for one in pair):
        given = ", ".join(type(one).__name__ for one in pair) or "nothing"
        raise ValueError(f"counts must be two: the Counts of A and those of B; got {given}")
