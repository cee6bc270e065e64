"""What must be known before a report is believed: in words, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmpower.report.group import Group

# Of fewer problems, intervals rest on the prior more than one would think.
FEW_PROBLEMS = 30
# A posterior of the tail exponent that is wider than this, the prior being 1, has learnt little.
LITTLE_LEARNT = 0.7
# Budgets further beyond the attempts than this, times.
FAR = 100
# Families of less weight do not count, nor does what they say of pass@k.
HARDLY_ANY_WEIGHT = 0.05


Words = tuple[str, str, str]


@dataclass(frozen=True)
class Caution:
    """A warning of some groups, or of all together (): what it is, why it matters, and what to do."""

    groups: tuple[str, ...]
    title: str
    text: str
    advice: str


def cautions_of(
    groups: Sequence[Group], family: str, ks: Sequence[int], *, detected: bool, apart: bool
) -> tuple[Caution, ...]:
    """All that is to be said of these groups at budgets up to the last of ``ks``.

    ``apart`` says that their problems have different labels.
    """
    found: dict[Words, list[str]] = {}
    if apart:
        words = (
            "The groups were tried on different problems",
            "The labels of their problems are not the same, so a difference between groups may be "
            "one between problems.",
            "compare groups on the problems that all of them share.",
        )
        found[words] = []
    for group in groups:
        of_group = (
            *_doubtful(group),
            *_stopped(group, detected),
            *_misfit(group, family),
            *_few(group),
            *_far(group, ks[-1]),
            *_no_power_law(group, family),
            *_families(group, family, ks[-1]),
        )
        for words in of_group:
            found.setdefault(words, []).append(group.name)
    return tuple(Caution(tuple(names), *words) for words, names in found.items())


def _doubtful(group: Group) -> Iterator[Words]:
    said = f"{group.posterior['status']}."
    said = said[0].upper() + said[1:]
    if not group.believed:
        yield (
            "No forecast: its posterior cannot be believed",
            said,
            "try --method nuts, more --draws, or a family with fewer parameters.",
        )
    elif group.counted.successes == 0:
        yield (
            "No problem was ever solved",
            said,
            "take pass@k as an upper end only, or make more attempts until there are some successes.",
        )
    elif group.counted.successes == group.counted.attempts:
        yield (
            "Every attempt succeeded",
            said,
            "take harder problems: these cannot tell groups apart.",
        )


def _stopped(group: Group, detected: bool) -> Iterator[Words]:
    if group.counted.stopping == "fixed":
        return
    how = "looks as if it had" if detected else "is said to have"
    rule = "stopped at a success" if group.counted.stopping == "on_success" else "been decided by outcomes"
    yield (
        "Outcomes decided how many attempts a problem got",
        f"Sampling {how} {rule}. Fits and forecasts are not affected, but averages of s/n are biased, so "
        "s/n is not drawn, there is no straight line, and the fit is not checked by new counts.",
        "if the attempts were chosen in advance, say --stopping fixed."
        if detected
        else "nothing, if that is how attempts were made; fixed attempts would allow the checks.",
    )


def _misfit(group: Group, family: str) -> Iterator[Words]:
    if group.checks is None or not group.checks["failed"]:
        return
    words = "; ".join(group.checks["words"])
    yield (
        f"The family {family} does not fit in all respects",
        f"{words[0].upper()}{words[1:]}.",
        "look at the picture of difficulty, and take a family that fits there: scaled-beta if no problem "
        "is easy, zero-inflated-beta if some cannot be solved, discrete-2 if there are two kinds of them.",
    )


def _few(group: Group) -> Iterator[Words]:
    if group.counted.problems < FEW_PROBLEMS:
        yield (
            f"Only {group.counted.problems} problem{'s' * (group.counted.problems != 1)}",
            f"With fewer than {FEW_PROBLEMS}, the law of difficulty is known badly however many attempts "
            "there are, and intervals rest on the prior in part.",
            "add problems before adding attempts.",
        )
    share = group.told_by_prior
    if share is not None and group.believed and share > LITTLE_LEARNT:
        yield (
            "The counts say little of the tail exponent",
            f"Its posterior is {share:.0%} as wide as the prior, so the exponent and forecasts far ahead "
            "are mostly what was believed before.",
            "more problems"
            + (", or more attempts on those never solved." if group.counted.unsolved else "."),
        )


def _far(group: Group, k: int) -> Iterator[Words]:
    attempts = group.counted.reach
    if k > FAR * attempts:
        yield (
            f"Forecasts reach {k / attempts:,.0f} times beyond the attempts",
            f"pass@{k:,} is told from {attempts:,.0f} attempts a problem. That far ahead the family "
            "decides more than the counts, and intervals do not hold the chance that the family is wrong.",
            f"read forecasts up to k = {FAR * attempts:,.0f}, or compare families and take their average.",
        )


def _no_power_law(group: Group, family: str) -> Iterator[Words]:
    if group.believed and not np.isfinite(group.posterior["tail_exponent"]["median"] or np.nan):
        yield (
            "No power law",
            f"The family {family} has no power-law tail: -log pass@k falls exponentially in the end, or "
            "ends at a floor. So there is no tail exponent; the window slope is that of a curve.",
            "take a family with a tail, such as beta, if a power law is what you ask about.",
        )


def _families(group: Group, family: str, k: int) -> Iterator[Words]:
    """One that is clearly better, several that say different things, and what to know of the comparison."""
    if group.comparison is None:
        return
    compared: Mapping[str, Mapping[str, float]] = {
        one["family"]: one for one in group.comparison["families"] if one["elpd_loo"] is not None
    }
    best = group.comparison["best"]
    if family in group.comparison["clearly_behind"]:
        behind, error = -compared[family]["difference"], compared[family]["difference_error"]
        yield (
            f"{best} predicts problems better than {family}",
            f"By {behind:.1f} ± {error:.1f} nats, on problems left out.",
            f"take --family {best}.",
        )
    lower, upper = float(group.forecast.lower[-1]), float(group.forecast.upper[-1])
    outside = [
        f"{other.family} says {float(other.forecast.pass_at_k[-1]):.3f}"
        for other in group.others
        if other.family in compared
        and (compared[other.family]["weight"] or 0.0) >= HARDLY_ANY_WEIGHT
        and not lower <= float(other.forecast.pass_at_k[-1]) <= upper
    ]
    if outside and np.isfinite(lower):
        yield (
            f"Families disagree about pass@{k:,}",
            f"{family} says {float(group.forecast.pass_at_k[-1]):.3f} ({lower:.3f} to {upper:.3f}), "
            f"{', '.join(outside)}, and the counts do not decide against that.",
            "give the average of families, or say which family was taken and why.",
        )
    for note in group.comparison["notes"]:
        if note != group.posterior["status"]:
            yield (
                "The comparison of families is not all it seems",
                f"{note[0].upper()}{note[1:]}.",
                "take more problems, or leave that family out (--compare).",
            )
