"""Which family of difficulties predicts problems best that it has not seen.

Families are weighed by elpd_loo, the log-probability of each problem's counts given all others, summed
over problems (``leave_one_out``); where a posterior depends too much on one problem for that, another is
sampled without it. Two families see the same problems, so what separates them is the sum of
the pointwise differences, which is known better than either sum. Their mixture that predicts best gives
the weights to average forecasts with (``stacking``). The evidence, the probability of all counts under a
family and its prior, is beside it: it asks the same of the prior that elpd_loo asks of the posterior.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from lmpower.compare.leave_one_out import error_of_sum, leave_one_out
from lmpower.compare.stacking import stacking_weights
from lmpower.counts import Counts, Rows, require_counts
from lmpower.difficulty.named import family_named, spelled
from lmpower.fit.devices import side_by_side
from lmpower.posterior import Posterior, Trust, sample_posterior
from lmpower.posterior.estimate import number_or_none
from lmpower.posterior.pareto import MOST_K
from lmpower.posterior.pointwise import log_predictive

FAMILIES = ("beta", "kumaraswamy", "scaled-beta", "scaled-kumaraswamy", "zero-inflated-beta")
# Behind by more than so many standard errors is clear; but below a few nats the error itself is not known
# well enough (Sivula, Magnusson, Matamoros & Vehtari 2020, arXiv 2008.10296).
_CLEAR_ERRORS, _CLEAR_NATS = 2.0, 4.0
# What is said of problems with a large Pareto k, by whether a posterior was sampled without them.
_ENDS = {True: "each left out by a posterior of its own", False: "whose terms of elpd_loo are rough"}


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """F families compared on the same counts, P problems in R distinct rows. Logs are in nats.

    A family whose posterior cannot be believed has nan everywhere and weight 0; ``notes`` say why.

    Attributes:
        families: their names, in the order given.
        elpd_loo: expected log predictive density of problems left out, summed over problems, [F].
        standard_error: of ``elpd_loo``, over problems, [F]; nan for a single problem.
        difference: ``elpd_loo`` less the highest, [F]: 0 for the best, negative for all others.
        difference_error: standard error of ``difference``, from pointwise differences, [F].
        p_loo: how much better problems are predicted by posteriors that have seen them, summed, [F]: about
            the number of parameters that the counts determine.
        pareto_k: the largest of any problem's weights, [F]. Problems above .7 are left out in earnest.
        log_evidence: log-probability of the counts under family and prior, [F]; nan from chains.
        weights: of stacking, [F], which sum to 1; nan if no posterior can be believed.
        elpd_of_row: the terms of ``elpd_loo``, for one problem of each row of ``rows``, [F, R].
        pareto_k_of_row: of each row's weights, [F, R].
        resampled: whether a row's term is the difference of two evidences, with and without it, [F, R].
        rows: the distinct rows with their multiplicity; ``counts.row_of_problem`` leads there.
        posteriors: of each family, by its name, in the same order.
    """

    families: tuple[str, ...]
    elpd_loo: Float[np.ndarray, " F"]
    standard_error: Float[np.ndarray, " F"]
    difference: Float[np.ndarray, " F"]
    difference_error: Float[np.ndarray, " F"]
    p_loo: Float[np.ndarray, " F"]
    pareto_k: Float[np.ndarray, " F"]
    log_evidence: Float[np.ndarray, " F"]
    weights: Float[np.ndarray, " F"]
    elpd_of_row: Float[np.ndarray, "F R"]
    pareto_k_of_row: Float[np.ndarray, "F R"]
    resampled: Bool[np.ndarray, "F R"]
    rows: Rows
    posteriors: Mapping[str, Posterior]

    @property
    def best(self) -> str | None:
        """The family with the highest elpd_loo; None if no posterior can be believed."""
        order = self._order()
        return self.families[order[0]] if order else None

    def _order(self) -> list[int]:
        """Families with a posterior to be believed, the best first."""
        there = np.flatnonzero(~np.isnan(self.elpd_loo))
        return [int(j) for j in there[np.argsort(-self.elpd_loo[there], kind="stable")]]

    @property
    def conclusion(self) -> str:
        """What follows, in one sentence."""
        order = self._order()
        if not order:
            return "no family has a posterior that can be believed: nothing is compared"
        best = self.families[order[0]]
        if len(order) == 1:
            return f"{best} has no other family beside it to be compared with"
        clear = self.clearly_behind
        close = [self.families[j] for j in order[1:] if self.families[j] not in clear]
        if not close:
            return f"{best} predicts problems left out best; all others are clearly behind"
        near = f"{_named(close)} cannot be told from it"
        if clear:
            near = f"{_named(clear)} {'is' if len(clear) == 1 else 'are'} clearly behind; {near}"
        return f"{best} predicts problems left out best; {near}: average forecasts with the weights"

    @property
    def clearly_behind(self) -> tuple[str, ...]:
        """Families that predict clearly worse than the best, the better ones first."""
        with np.errstate(invalid="ignore"):
            least = np.maximum(_CLEAR_ERRORS * self.difference_error, _CLEAR_NATS)
        return tuple(self.families[j] for j in self._order()[1:] if -self.difference[j] > least[j])

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known before any of it is believed, a sentence each; none if nothing."""
        found = []
        problems = int(np.sum(self.rows.weight))
        for j, (family, posterior) in enumerate(self.posteriors.items()):
            if not posterior.ok:
                found.append(f"{family} is left out: {posterior.sentence}")
                continue
            for resampled, end in _ENDS.items():
                which = _uneven(self.pareto_k_of_row[j]) & (self.resampled[j] == resampled)
                many = int(np.sum(self.rows.weight[which]))
                if many:
                    k = f"Pareto k up to {np.max(self.pareto_k_of_row[j][which]):.2f}, above {MOST_K}"
                    found.append(f"{family} hangs on {many} of {problems} problems ({k}), {end}")
        trusts = {Trust(int(posterior.trust)) for posterior in self.posteriors.values()}
        found += [t.sentence for t in (Trust.NO_SUCCESS, Trust.ALL_SUCCESS) if t in trusts]
        if problems < 2:
            found.append("a single problem has no standard errors")
        return tuple(found)

    def summary(self) -> str:
        """A table, the best family first, then the conclusion and what else must be known."""
        width = max(len("family"), *map(len, self.families))
        heads = ("elpd_loo", "error", "behind", "error", "p_loo", "max k", "evidence", "weight")
        lines = [f"{'family':{width}}" + "".join(f"{head:>11}" for head in heads)]
        order = self._order()
        for j in order + [j for j in range(len(self.families)) if j not in order]:
            columns = (
                (self.elpd_loo, 2), (self.standard_error, 2), (-self.difference, 2),
                (self.difference_error, 2), (self.p_loo, 2), (self.pareto_k, 2), (self.log_evidence, 2),
                (self.weights, 3),
            )  # fmt: skip
            cells = "".join(f"{_cell(column[j], digits):>11}" for column, digits in columns)
            lines.append(f"{self.families[j]:{width}}{cells}")
        return "\n".join([*lines, f"{self.conclusion}.", *(f"{note}." for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; None where there is none."""
        columns = (
            "elpd_loo", "standard_error", "difference", "difference_error", "p_loo", "pareto_k",
            "log_evidence", "weights",
        )  # fmt: skip
        names = ["weight" if column == "weights" else column for column in columns]
        return {
            "families": [
                {
                    "family": family,
                    **{
                        name: number_or_none(getattr(self, column)[j])
                        for name, column in zip(names, columns, strict=True)
                    },
                    "status": self.posteriors[family].sentence,
                }
                for j, family in enumerate(self.families)
            ],
            "problems": int(np.sum(self.rows.weight)),
            "best": self.best,
            "clearly_behind": list(self.clearly_behind),
            "conclusion": self.conclusion,
            "notes": list(self.notes),
        }


def compare_families(
    counts: Counts,
    families: Sequence[str] = FAMILIES,
    *,
    key: jax.Array,
    method: str = "fast",
    draws: int = 1000,
) -> Comparison:
    """Sample each family's posterior and compare how well they predict problems left out.

    It does not matter how attempts were stopped, as long as the rule looked at outcomes alone: the factor
    by which the likelihood then differs is the same for all families.

    Args:
        counts: one data set.
        families: names (``difficulty.named``), at least one.
        key: from ``jax.random.key``. Every family uses it as it is, so that a posterior is that of
            ``sample_posterior(counts, family, key=key)``, whatever it is compared with.
        method, draws: as in ``sample_posterior``.

    Returns:
        A ``Comparison``; read its ``notes``.

    Raises:
        ValueError: for no, unknown or repeated families, and as ``sample_posterior`` does.
    """
    require_counts(counts)
    names = _checked(families)
    rows = counts.rows()

    def one(name: str) -> tuple[Posterior, _Terms]:
        again = functools.partial(sample_posterior, family=name, key=key, draws=draws)
        posterior = again(counts, method=method)
        return posterior, _terms(posterior, rows, again)

    found = side_by_side([functools.partial(one, name) for name in names])
    posteriors = {name: posterior for name, (posterior, _) in zip(names, found, strict=True)}
    each = [terms for _, terms in found]
    elpd = np.stack([one.elpd for one in each])
    pareto_k = np.stack([one.pareto_k for one in each])
    ok = np.array([bool(posterior.ok) for posterior in posteriors.values()])
    weight, size = rows.weight, len(names)
    total = elpd @ weight
    weights = np.full(size, np.nan)
    behind = np.full(elpd.shape, np.nan)
    if np.any(ok):
        weights = np.zeros(size)
        weights[ok] = stacking_weights(elpd[ok], weight)
        behind = elpd - elpd[np.nanargmax(total)]
    evidence = np.array([float(posterior.log_evidence) for posterior in posteriors.values()])
    return Comparison(
        families=names,
        elpd_loo=total,
        standard_error=error_of_sum(elpd, weight),
        difference=behind @ weight,
        difference_error=error_of_sum(behind, weight),
        p_loo=np.stack([one.seen - one.elpd for one in each]) @ weight,
        pareto_k=np.max(pareto_k, axis=-1),
        log_evidence=np.where(ok, evidence, np.nan),
        weights=weights,
        elpd_of_row=elpd,
        pareto_k_of_row=pareto_k,
        resampled=np.stack([one.resampled for one in each]),
        rows=rows,
        posteriors=posteriors,
    )


def _uneven(pareto_k: Float[np.ndarray, " R"]) -> Bool[np.ndarray, " R"]:
    """Whose weights are not to be believed; nor are those that have no k."""
    return ~(pareto_k <= MOST_K)


class _Terms(NamedTuple):
    """`LeftOut`, and which of its terms are from posteriors sampled without the problem, [R]."""

    elpd: np.ndarray
    seen: np.ndarray
    pareto_k: np.ndarray
    resampled: np.ndarray


def _terms(posterior: Posterior, rows: Rows, again: Callable[[Rows], Posterior]) -> _Terms:
    """By weights, and where those are too uneven by sampling ``again``; nan if not to be believed.

    A posterior sampled without the problem gives log p(y_i | y_-i) = log p(y) - log p(y_-i).
    """
    size = len(rows.weight)
    resampled = np.zeros(size, bool)
    if not posterior.ok:
        nothing = np.full(size, np.nan)
        return _Terms(nothing, nothing, nothing, resampled)
    # (the posterior's own rows are padded)
    found = leave_one_out(log_predictive(posterior)[:, :size])
    uneven = np.flatnonzero(_uneven(found.pareto_k))
    if uneven.size and np.sum(rows.weight) > 1:
        # chains have no evidence
        whole = posterior if np.isfinite(posterior.log_evidence) else again(rows)
        for j in uneven:
            others = rows.weight - (np.arange(size) == j)
            without = again(Rows(rows.successes, rows.failures, others))
            term = float(whole.log_evidence - without.log_evidence)
            if whole.ok and without.ok and math.isfinite(term):
                found.elpd[j], resampled[j] = term, True
    return _Terms(found.elpd, found.seen, found.pareto_k, resampled)


def _checked(families: Sequence[str]) -> tuple[str, ...]:
    """The names as errors and tables should show them."""
    if isinstance(families, str) or not families:
        raise ValueError(f"families must be a list of at least one name, not {families!r}")
    names = tuple(spelled(family) for family in families)
    for name in names:
        family_named(name)
    if len(set(names)) < len(names):
        raise ValueError(f"each family is compared once; got {', '.join(names)}")
    return names


def _named(families: Sequence[str]) -> str:
    *most, last = families
    return f"{', '.join(most)} and {last}" if most else last


def _cell(value: float, digits: int) -> str:
    return f"{value + 0.0:.{digits}f}" if math.isfinite(value) else "-"
