"""The difficulty under which the counts are most probable.

A fit runs over distinct rows of counts, from the best few of a family's own starting points, by damped
Newton ascent in a box of search coordinates (``maximise``), all datasets side by side (``lanes``), on
one shared grid of points each (``likelihood.expand``). Every fit ends with a status and a sentence.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from lmpower.counts import Counts, Rows, rows_given
from lmpower.difficulty.base import Difficulty, over_batch, tail_exponent
from lmpower.difficulty.named import family_given
from lmpower.fit.lanes import Lanes
from lmpower.numerics.maximise import CONVERGED, begin
from lmpower.numerics.pytree import pytree


class Status(enum.IntEnum):
    """How a fit ended. ``sentence`` says it in words; only the first two carry estimates to use."""

    CONVERGED = 0
    AT_BOUND = 1
    NOT_CONVERGED = 2
    NO_SUCCESS = 3
    ALL_SUCCESS = 4
    ONE_PROBLEM = 5
    FEW_ATTEMPTS = 6

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "converged",
    Status.AT_BOUND: "a parameter other than c, high or pi0 is at the bound of its search box: the "
    "counts do not determine it",
    Status.NOT_CONVERGED: "the ascent did not converge: try more starts, or a family with fewer parameters",
    Status.NO_SUCCESS: "no problem was ever solved: any law close enough to 0 fits; try more attempts",
    Status.ALL_SUCCESS: "every attempt succeeded: any law close enough to 1 fits; try harder problems",
    Status.ONE_PROBLEM: "one problem says nothing about how difficulty varies across problems",
    Status.FEW_ATTEMPTS: "no problem has as many attempts as the law has parameters, so that many laws fit "
    "the same: try more attempts, a family with fewer parameters, or the weak penalty",
}

# A prior worth about one problem, for penalty="weak": independent normals in search coordinates.
# log alpha: mean log .3, sd 1.5 (a factor of 4.5 either way covers all exponents published);
# log beta: mean log 3, sd 2; log c: mean 0, sd 1.5 (c = 1 unless the counts say otherwise);
# pi0: mean 0, sd .3.
_WEAK_PRIOR = {"alpha": (math.log(0.3), 1.5), "beta": (math.log(3.0), 2.0), "c": (0.0, 1.5)}
_WEAK_PRIOR |= {"pi0": (0.0, 0.3)}


@pytree
@dataclasses.dataclass(frozen=True)
class Fit:
    """One fit, or a batch of them along a leading axis B.

    Attributes:
        difficulty: the fitted law; its parameters are NumPy float64 [B].
        log_likelihood: log-probability of the counts, with log C(n, s), [B]. No penalty is in it.
        theta: the search coordinates of the maximum, [B, D]; named by ``names``.
        gradient, hessian: of the (penalised) log-likelihood there, [B, D] and [B, D, D].
        rows: the counts as distinct rows, [B, R].
        status: codes of ``Status``, [B].
        steps: Newton steps of the last climb, on the finest grid needed, [B].
        penalty: the penalty's name.
        held: names of search coordinates that were given and not fitted.
    """

    difficulty: Difficulty
    log_likelihood: Float[np.ndarray, "*B"]
    theta: Float[np.ndarray, "*B D"]
    gradient: Float[np.ndarray, "*B D"]
    hessian: Float[np.ndarray, "*B D D"]
    rows: Rows
    status: Int[np.ndarray, "*B"]
    steps: Int[np.ndarray, "*B"]
    penalty: str | None = dataclasses.field(default=None, metadata={"static": True})
    held: tuple[str, ...] = dataclasses.field(default=(), metadata={"static": True})

    @property
    def template(self) -> Difficulty:
        """One difficulty of the fit's structure, whether it is a batch or not."""
        return self.difficulty if self.theta.ndim == 1 else self[0].difficulty

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the search coordinates: logs of positive parameters, pi0 and logits as they are.

        (Of ``logit_lam`` asinh of a half.)
        """
        return self.template.box.names

    @property
    def bounds(self) -> tuple[Float[np.ndarray, "*B D"], Float[np.ndarray, "*B D"]]:
        """Ends of the box that was searched; the same where a coordinate was held."""
        held = np.isin(self.names, self.held)
        lower, upper = (np.where(held, self.theta, np.array(end)) for end in self.template.box[:2])
        return lower, upper

    @property
    def ok(self) -> Any:
        """Whether the estimates can be used, [B]."""
        return self.status <= Status.AT_BOUND

    @property
    def sentence(self) -> str:
        """The status of a single fit in words."""
        self._require_single("the sentence")
        return Status(int(self.status)).sentence

    @property
    def tail_exponent(self) -> Float[np.ndarray, "*B"]:
        """The asymptotic exponent b of -log pass@k ~ a k^-b, [B]; nan where there is none."""
        return np.asarray(over_batch(tail_exponent, self.difficulty))

    def _require_single(self, what: str) -> None:
        if self.theta.ndim != 1:
            raise ValueError(f"{what} takes a single fit, not a batch: take fit[i]")

    def __getitem__(self, index: Any) -> Fit:
        return cast(Fit, jax.tree.map(lambda leaf: leaf[index], self))

    def summary(self) -> str:
        """One readable line for a single fit."""
        self._require_single("a summary")
        parameters = self.difficulty.parameters().items()
        values = ", ".join(f"{k} = {np.array2string(np.asarray(v), precision=4)}" for k, v in parameters)
        return (
            f"{values}; tail exponent {float(self.tail_exponent):.4f}; "
            f"log-likelihood {float(self.log_likelihood):.4f}; {self.sentence}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, or lists of them for a batch; nan where there is no estimate."""
        return {
            **{k: np.asarray(v).tolist() for k, v in self.difficulty.parameters().items()},
            "tail_exponent": np.asarray(self.tail_exponent).tolist(),
            "log_likelihood": self.log_likelihood.tolist(),
            "status": np.asarray(self.status).tolist(),
        }


@jax.jit
def _laws(template: Difficulty, theta: Array) -> Difficulty:
    return jax.vmap(template.from_search)(theta)


def fit_difficulty(
    counts: Counts | Rows | Sequence[Counts],
    family: str | Difficulty = "beta",
    *,
    starts: int | None = None,
    penalty: str | None = None,
) -> Fit:
    """Maximum likelihood of one dataset's difficulty, or of many at once.

    Args:
        counts: one dataset; or a sequence of them, or rows with a leading axis [B, R] (as from
            ``stack_rows``), for a batch.
        family: a name (``difficulty.named``) or a difficulty whose structure is to be fitted.
        starts: from how many of the family's starting points, the most probable first, to climb; by
            default 1 for a law in one piece, 3 for one with atoms or of several parts.
        penalty: None, or "weak" for a prior worth about one problem (see the source's table), which
            keeps parameters finite where counts do not determine them.

    Returns:
        A ``Fit``. Check ``fit.ok``: failure is a status with a sentence, never an exception.

    Raises:
        ValueError: for an unknown family or penalty, or fewer than one start.
    """
    if penalty not in (None, "weak"):
        raise ValueError(f"penalty must be None or 'weak', not {penalty!r}")
    if starts is not None and starts < 1:
        raise ValueError(f"starts must be at least 1, not {starts}")
    template = family_given(family)
    rows, single = rows_given(counts)
    fitted = fit_rows(rows, template, starts=starts, penalty=penalty)
    return fitted[0] if single else fitted


def fit_rows(
    rows: Rows,
    template: Difficulty,
    *,
    starts: int | None = None,
    penalty: str | None = None,
    begin_at: Float[np.ndarray, "B D"] | None = None,
    held: Mapping[str, ArrayLike] | None = None,
) -> Fit:
    """``fit_difficulty`` for a batch of rows [B, R].

    ``begin_at`` replaces the family's own starts; ``held`` keeps search coordinates, by name, at values
    [B] (the log of c, for one) instead of fitting them.
    """
    with jax.enable_x64(True):
        lanes = Lanes.over(rows, template, penalty_table(template, penalty), held)
        climbs = template.climbs if starts is None else starts
        top, value = lanes.best(climbs) if begin_at is None else lanes.finish(begin(begin_at))
        theta, converged, steps = top.theta, top.status == CONVERGED, top.steps
        penalties = 0.5 * np.sum(lanes.prior[1] * (theta - lanes.prior[0]) ** 2, axis=-1)
        status = _status(rows, template, theta, converged, tuple(held or ()), penalty)
        difficulty = _laws(template, theta)
    usable = (status < Status.NO_SUCCESS)[:, None]
    difficulty = jax.tree.map(
        lambda leaf: np.where(usable.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, np.nan), difficulty
    )
    return Fit(
        difficulty=difficulty,
        log_likelihood=value + penalties + np.sum(rows.weight * rows.log_choose, axis=-1),
        theta=theta,
        gradient=top.gradient,
        hessian=top.hessian,
        rows=rows,
        status=status,
        steps=steps,
        penalty=penalty,
        held=tuple(held or ()),
    )


def penalty_table(template: Difficulty, penalty: str | None) -> np.ndarray:
    """Means and precisions of the prior on each search coordinate, [2, D]; precision 0 is none."""
    names = [name.split("_")[0] for name in template.box.names]
    if penalty is None:
        return np.zeros((2, len(names)))
    prior = [_WEAK_PRIOR.get(name, (0.0, math.inf)) for name in names]
    return np.array([[mean for mean, _ in prior], [sd**-2.0 for _, sd in prior]])


def _status(
    rows: Rows,
    template: Difficulty,
    theta: np.ndarray,
    converged: np.ndarray,
    held: tuple[str, ...],
    penalty: str | None,
) -> np.ndarray:
    box = template.box
    at_bound = (theta <= np.array(box.lower)) | (theta >= np.array(box.upper))
    # c = 1 and pi0 = 0 are laws like any other
    natural = np.array([name in held or name.split("_")[0] in ("c", "high", "pi0") for name in box.names])
    solved = np.sum(rows.weight * rows.successes, axis=-1)
    unsolved = np.sum(rows.weight * rows.failures, axis=-1)
    status = np.where(converged, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(converged & np.any(at_bound & ~natural, axis=-1), Status.AT_BOUND, status)
    # n attempts at most tell n moments of the law at most, whatever their outcomes
    most = np.max(np.where(rows.weight > 0, rows.attempts, 0.0), axis=-1)
    if penalty is None:
        status = np.where(most < len(box.names) - len(held), Status.FEW_ATTEMPTS, status)
    status = np.where(np.sum(rows.weight, axis=-1) <= 1, Status.ONE_PROBLEM, status)
    status = np.where(unsolved == 0, Status.ALL_SUCCESS, status)
    return np.where(solved == 0, Status.NO_SUCCESS, status).astype(np.int32)
