"""The straight line on log-log paper: the forecast to beat.

If -log pass@k = a k^-b, then log(-log pass@k) is a straight line in log k, of slope -b. The
published exponents are least squares of that line through unbiased pass@k at many k <= n (Schaeffer
et al. 2025, arXiv 2502.17578, Tables 1 and 2). It has no model of the problems: its points are all
read off the same counts, its slope is that of the window of k it was given, and it cannot know
whether the law goes on. It is hard to beat all the same, so a forecast should be compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from lmpower.counts import Counts, CountsError
from lmpower.passk import check_ks, pass_at_k

# The 101 budgets behind the published Tables 1 and 2 (1 ... 10, 12, ..., 10,000), denser than even
# in log k at the top. On 10,000 attempts at each of 128 MATH problems the line through them has the
# published (a, b) to ±.001; through 101 budgets even in log k it misses a by up to .2.
PUBLISHED_KS: tuple[int, ...] = tuple(
    np.rint(
        np.r_[
            1:11, 12:21:2, 24:57:4, 64:101:4, 105:151:5, 156:169:6, 175:190:7, 193, 200, 216, 233,
            np.arange(800, 1401, 100) / 3, 500:1001:50, 1067, 1133, 1200, 1367, 1500:2001:250,
            np.arange(7000, 23001, 1000) / 3, 8000:10001:500,
        ]
    )
    .astype(int)
    .tolist()
)  # fmt: skip


def log_spaced_ks(largest: int, number: int = 100) -> Int64[np.ndarray, " K"]:
    """The other published list: ``number`` values even in log k from 1 to ``largest``.

    Rounded down and made unique, as in the published synthetic backtest: 84 values for 10,000.
    Rounding down may lose the last one to floating point, then too: 4,642 ends in 4,641.
    """
    check_ks(largest)
    return np.unique(np.logspace(0, np.log10(largest), number).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Line:
    """-log pass@k = a k^-b, fitted by least squares of log(-log pass@k) on log k.

    Attributes:
        a: -log pass@1 on the line.
        b: minus the slope, which is that of the window of ``ks``, not an asymptotic exponent.
        ks: the budgets used.
        log_pass: log of the unbiased pass@k at those, through which the line goes.
        left_out: the budgets asked for and not used, each with the reason.
    """

    a: float
    b: float
    ks: Int64[np.ndarray, " K"]
    log_pass: Float64[np.ndarray, " K"]
    left_out: dict[int, str]

    def pass_at_k(self, ks: ArrayLike) -> Float64[np.ndarray, " K"]:
        """exp(-a k^-b) at any whole k of at least 1, seen or not."""
        k = check_ks(ks).astype(np.float64)
        return np.asarray(np.exp(-self.a * k**-self.b))

    def summary(self) -> str:
        """The formula, its window of k, and what was left out and why."""
        used = _window(self.ks.tolist())
        lines = [f"-log pass@k = {self.a:.4g} k^-{self.b:.4g}, least squares over {used}"]
        for reason in dict.fromkeys(self.left_out.values()):
            ks = [k for k, why in self.left_out.items() if why == reason]
            lines.append(f"{_window(ks)}, left out: {reason}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values, ready for JSON (where keys become text)."""
        return {
            "a": self.a,
            "b": self.b,
            "ks": self.ks.tolist(),
            "log_pass": self.log_pass.tolist(),
            "left_out": dict(self.left_out),
        }


def fit_line(counts: Counts, ks: ArrayLike = PUBLISHED_KS) -> Line:
    """Straight line through log(-log pass@k) against log k, as published.

    Budgets above the attempts of some problem have no unbiased pass@k, and a pass@k of 0 or 1 has
    no log(-log): those are left out, and `Line.left_out` says so.

    Raises:
        CountsError: if the attempts were not fixed in advance, or fewer than two budgets are left.
    """
    counts.require_fixed("the straight line through pass@k")
    asked = np.unique(check_ks(ks))
    fewest = int(counts.attempts.min())
    left_out = {
        int(k): f"some problem has only {fewest:,} attempt{'s' * (fewest != 1)}"
        for k in asked[asked > fewest]
    }
    used = asked[asked <= fewest]
    log_pass = np.empty(0)
    if used.size:
        measured = pass_at_k(counts, used)
        none, certain = measured.estimate == 0, measured.failure == 0
        left_out |= {int(k): "pass@k is 0" for k in used[none]}
        left_out |= {int(k): "pass@k is 1" for k in used[certain]}
        kept = ~(none | certain)
        used, log_pass = used[kept], measured.log_estimate[kept]
    if used.size < 2:
        reasons = "; ".join(dict.fromkeys(left_out.values())) or "no more were given"
        raise CountsError(f"a line needs two values of k; {used.size} can be used ({reasons})")
    intercept, slope = _least_squares(np.log(used), np.log(-log_pass))
    return Line(float(np.exp(intercept)), -slope, used, log_pass, left_out)


def _least_squares(x: Float64[np.ndarray, " K"], y: Float64[np.ndarray, " K"]) -> tuple[float, float]:
    """Intercept and slope of the line through y(x)."""
    dx = x - x.mean()
    slope = dx @ (y - y.mean()) / (dx @ dx)
    return float(y.mean() - slope * x.mean()), float(slope)


def _window(ks: list[int]) -> str:
    if len(ks) == 1:
        return f"1 value of k, {ks[0]:,}"
    return f"{len(ks)} values of k, {min(ks):,} to {max(ks):,}"
