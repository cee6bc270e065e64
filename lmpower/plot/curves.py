"""What pictures of pass@k against k share: measured points, the end of the pilot, and the axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmpower.counts import Counts
from lmpower.passk import PassAtK, pass_at_k
from lmpower.plot.paper import GREY, PALE, Numbers, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmpower.baseline import Line
    from lmpower.fit import Fit
    from lmpower.posterior import Posterior

PILOT_KS = np.unique(np.rint(np.outer(10.0 ** np.arange(16), [1, 2, 5])).astype(np.int64))
DOTS: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3.2, "mfc": "white", "mew": 0.9, "zorder": 4}
NEG_LOG = "\N{MINUS SIGN}log pass@k"


@dataclass(frozen=True)
class Group:
    """What is known of one group: ``forecast`` as in `plot_forecast`."""

    name: str
    forecast: Any
    counts: Counts | None = None
    fit: Fit | Posterior | None = None
    line: Line | None = None

    @property
    def known(self) -> bool:
        """Whether there is a forecast at all."""
        return bool(np.isfinite(self.forecast.pass_at_k).any())

    @property
    def pilot(self) -> int | None:
        """How far the counts go: to the fewest attempts, or to the limit where sampling stopped."""
        if self.counts is None:
            return None
        n = self.counts.attempts
        return int(n.min() if self.counts.stopping == "fixed" else n.max())

    @property
    def pilot_words(self) -> str:
        """The same in words, where there are counts."""
        if self.counts is None:
            return ""
        equal = self.counts.attempts.min() == self.counts.attempts.max()
        word = "" if equal else "at least " if self.counts.stopping == "fixed" else "up to "
        return f"pilot: {word}{self.pilot:,} attempt{'s' * (self.pilot != 1)}"

    @property
    def exponent(self) -> str:
        """What the fit says of the tail, if anything."""
        value = np.nan if self.fit is None else float(np.median(self.fit.tail_exponent))
        return f"tail exponent {value:.2f}" if np.isfinite(value) else ""

    @property
    def measured(self) -> PassAtK | None:
        """Unbiased pass@k at 1, 2, 5, 10, ... and the fewest attempts."""
        if self.counts is None or self.counts.stopping != "fixed":
            return None
        few = int(self.counts.attempts.min())
        return pass_at_k(self.counts, np.append(PILOT_KS[few > PILOT_KS], few))

    def heights(self) -> Numbers:
        """All pass@k strictly inside (0, 1) that must be in the picture."""
        seen, measured = self.forecast, self.measured
        parts = [seen.pass_at_k, seen.lower, seen.upper]
        parts += [] if measured is None else [measured.estimate]
        p = np.concatenate([np.ravel(part) for part in parts])
        return np.asarray(p[(p > 0) & (p < 1)])


def draw_measured(
    axes: Axes, group: Group, y: Callable[[Any], Numbers], colour: str, bars: bool = False
) -> None:
    """Dots at the unbiased pass@k, as ``y`` of it, with bars of one standard error if asked for."""
    measured = group.measured
    if measured is None:
        return
    mean, error = measured.estimate, measured.standard_error
    shown = (mean > 0) & (mean < 1)
    if bars:
        low, high = (np.clip(mean + sign * error, 1e-300, 1)[shown] for sign in (-1, 1))
        axes.vlines(measured.k[shown], y(low), y(high), color=colour, lw=0.8, zorder=3)
    axes.plot(measured.k[shown], y(mean[shown]), color=colour, **DOTS)


def neg_log(p: Any) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.log(p))


def scale_k(axes: Axes, groups: Sequence[Group]) -> None:
    largest = max(int(np.max(group.forecast.k)) for group in groups)
    axes.set_xscale("log")
    axes.set_xlim(0.85, largest * 1.15)
    axes.set_xlabel("attempts k")
    log_ticks(axes.xaxis, 1, max(largest, 10**3))


def scale_pass(axes: Axes, groups: Sequence[Group]) -> None:
    """Of pass@k: from 0 to 1, or to the highest there is where that is small."""
    top = max((float(group.heights().max(initial=0)) for group in groups), default=0)
    axes.set_ylim(0, 1 if top > 0.5 or top == 0 else 1.1 * top)


def scale_neg_log(axes: Axes, groups: Sequence[Group]) -> None:
    """Of -log pass@k: all of the curves, if that is at most six decades."""
    heights = np.concatenate([group.heights() for group in groups])
    values = neg_log(heights) if heights.size else np.array([0.1, 10.0])
    low, high = max(values.min(), values.max() / 1e6) / 1.2, values.max() * 1.2
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)


def mark_pilots(axes: Axes, groups: Sequence[Group], *, said: bool = True) -> None:
    """One upright for all groups with the same number of attempts; the only one has words above."""
    pilots = {group.pilot: group.pilot_words for group in groups if group.pilot is not None}
    for n, words in pilots.items():
        axes.axvline(n, color=PALE, lw=0.8, zorder=0)
        if said and len(pilots) == 1:
            above = axes.get_xaxis_transform()
            axes.text(n, 1.01, words, transform=above, color=GREY, ha="center", fontsize=7)
