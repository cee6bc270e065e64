"""A posterior: every difficulty that the counts leave plausible, as a batch of draws.

Draws have equal weight. What is said of them (means, medians, equal-tailed intervals) comes with what
says whether to believe it, and a posterior that has not mixed gives no interval at all.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, over_batch
from lmpower.files import require_writable, written_whole
from lmpower.posterior.pareto import MOST_K
from lmpower.prior import Prior
from lmpower.pytree import pytree

# What a posterior must reach to be believed: R-hat at most, effective draws at least (Vehtari et al. 2021,
# Bayesian Analysis 16, 667), and at most this share of divergent draws.
MOST_R_HAT, LEAST_ESS, MOST_DIVERGENT = 1.01, 400, 0.01


class Trust(enum.IntEnum):
    """Whether a posterior can be believed. The first three can."""

    OK = 0
    NO_SUCCESS = 1
    ALL_SUCCESS = 2
    NOT_MIXED = 3
    FEW_EFFECTIVE = 4
    DIVERGENT = 5
    HEAVY_WEIGHTS = 6

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    Trust.OK: "mixed",
    Trust.NO_SUCCESS: "no problem was ever solved: upper ends are from the counts, all else from the prior",
    Trust.ALL_SUCCESS: "every attempt succeeded: what is said of large k comes from the prior",
    Trust.NOT_MIXED: f"the chains have not mixed (R-hat above {MOST_R_HAT}): no interval is given; take "
    "more draws, or a family with fewer parameters",
    Trust.FEW_EFFECTIVE: f"fewer effective draws than {LEAST_ESS}, or than half of all: no interval is "
    "given; take more draws, or a family with fewer parameters",
    Trust.DIVERGENT: f"more than {MOST_DIVERGENT:.0%} of the draws diverged: no interval is given; take a "
    "family with fewer parameters, or a narrower prior",
    Trust.HEAVY_WEIGHTS: f"the importance weights are too uneven (Pareto k above {MOST_K}): no interval is "
    "given; take method='nuts'",
}


class Estimate(NamedTuple):
    """Of one quantity: mean, median and the ends of the equal-tailed interval, [*B, ...]."""

    mean: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@pytree
@dataclasses.dataclass(frozen=True)
class Posterior:
    """S draws of the posterior of one data set, or of each of a batch of them [B].

    Attributes:
        difficulty: the draws, a batch of laws [*B, S] with NumPy float64 parameters.
        u: the same in the prior's normal coordinates, [*B, S, D].
        log_likelihood: log-probability of the counts, with log C(n, s), under each draw, [*B, S].
        log_evidence: log-probability of the counts under the family and its prior, [*B]; nan from chains.
        rows: the counts as distinct rows, [*B, R].
        r_hat: the largest split R-hat of any coordinate, [*B]; nan from weighted points.
        ess: the least effective number of draws of any coordinate, [*B].
        divergences: draws with a divergent trajectory before them, [*B]; 0 from weighted points.
        pareto_k: of the importance weights, [*B]; nan from chains.
        trust: codes of ``Trust``, [*B].
        chains: how many the draws are from, one after the other; 1 for weighted points.
        prior: the prior.
        joint: a mark: of two posteriors that bear the same, draws belong together one by one; "" for one
            that was drawn by itself.
    """

    difficulty: Difficulty
    u: Float[np.ndarray, "*B S D"]
    log_likelihood: Float[np.ndarray, "*B S"]
    log_evidence: Float[np.ndarray, "*B"]
    rows: Rows
    r_hat: Float[np.ndarray, "*B"]
    ess: Float[np.ndarray, "*B"]
    divergences: Int[np.ndarray, "*B"]
    pareto_k: Float[np.ndarray, "*B"]
    trust: Int[np.ndarray, "*B"]
    chains: Int[np.ndarray, "*B"]
    prior: Prior = dataclasses.field(metadata={"static": True})
    joint: str = dataclasses.field(default="", metadata={"static": True})

    @property
    def ok(self) -> Bool[np.ndarray, "*B"]:
        """Whether intervals can be believed."""
        return np.asarray(self.trust <= Trust.ALL_SUCCESS)

    @property
    def sentence(self) -> str:
        """The trust in a single posterior in words."""
        return Trust(int(self.trust)).sentence

    @property
    def method(self) -> str:
        """ "nuts" or "fast", of a single posterior."""
        return "nuts" if int(self.chains) > 1 else "fast"

    @property
    def tail_exponent(self) -> Float[np.ndarray, "*B S"]:
        """Draws of the asymptotic exponent b of -log pass@k ~ a k^-b; nan where there is none."""
        return self.along(_tail_exponent)

    def __getitem__(self, index: Any) -> Posterior:
        return cast(Posterior, jax.tree.map(lambda leaf: leaf[index], self))

    def along(self, function: Any, *args: Any) -> Float[np.ndarray, "*B S ..."]:
        """``function(difficulty, *args)`` of every draw, in float64; let it be a named one."""
        shape = self.log_likelihood.shape
        cut = len(shape)
        flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[cut:]), self.difficulty)
        found = over_batch(function, flat, *args)
        return np.asarray(found).reshape(*shape, *np.shape(found)[1:])

    def estimate(self, draws: Float[np.ndarray, "*B S ..."], level: float = 0.9) -> Estimate:
        """Mean, median and interval over the draws of any quantity; nan where not to be believed.

        Raises:
            ValueError: for a level outside of (0, 1).
        """
        return estimate_of(draws, self.ok, level)

    def parameters(self) -> dict[str, Float[np.ndarray, "*B S"]]:
        """Draws of the parameters by name; those of several parts are numbered."""
        found = {}
        for name, value in self.difficulty.parameters().items():
            if np.ndim(value) == self.log_likelihood.ndim:
                found[name] = np.asarray(value)
            else:
                found |= {f"{name}_{j}": np.asarray(value)[..., j] for j in range(np.shape(value)[-1])}
        return found

    def summary(self, level: float = 0.9) -> str:
        """A table of a single posterior's parameters and tail exponent, and whether to believe it."""
        lines = [f"{'':14}{'mean':>10}{'median':>10}   {level:.0%} interval"]
        quantities = self.parameters() | {"tail exponent": self.tail_exponent}
        for name, draws in quantities.items():
            if np.all(np.isnan(draws)):
                continue
            if not self.ok:
                lines.append(f"{name:14}{'-':>10}{'-':>10}   -")
                continue
            at = self.estimate(draws, level)
            lines.append(
                f"{name:14}{float(at.mean):10.4g}{float(at.median):10.4g}   "
                f"{float(at.lower):.4g} to {float(at.upper):.4g}"
            )
        lines.append(f"{self.diagnostics()}; {self.sentence}")
        return "\n".join(lines)

    def diagnostics(self) -> str:
        """How a single posterior came about, in one line."""
        draws = f"{self.log_likelihood.size:,} draws, {float(self.ess):,.0f} effective"
        if self.method == "fast":
            return f"weighted points: {draws}, Pareto k {float(self.pareto_k):.2f}"
        return (
            f"NUTS, {int(self.chains)} chains: {draws}, R-hat {float(self.r_hat):.3f}, "
            f"{int(self.divergences)} divergent"
        )

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain numbers of a single posterior, for JSON."""

        def plain(draws: np.ndarray) -> dict[str, float | None]:
            return {
                name: None if math.isnan(value) else float(value)
                for name, value in self.estimate(draws, level)._asdict().items()
            }

        return {
            "tail_exponent": plain(self.tail_exponent),
            "params": {name: plain(draws) for name, draws in self.parameters().items()},
            "level": level,
            "method": self.method,
            "r_hat": None if math.isnan(self.r_hat) else float(self.r_hat),
            "ess": float(self.ess),
            "divergences": int(self.divergences),
            "pareto_k": float(self.pareto_k) if math.isfinite(self.pareto_k) else None,
            "status": self.sentence,
        }

    def to_xarray(self) -> Any:
        """The draws as an ``xarray.Dataset`` with dimensions chain and draw; needs the extra "arviz".

        Raises:
            ValueError: for a batch.
        """
        import xarray

        if self.log_likelihood.ndim != 1:
            raise ValueError("an export takes a single posterior, not a batch: take posterior[i]")
        chains = int(self.chains)
        quantities = self.parameters() | {"log_likelihood": self.log_likelihood}
        if not np.all(np.isnan(self.tail_exponent)):
            quantities["tail_exponent"] = self.tail_exponent
        data = {name: (("chain", "draw"), draws.reshape(chains, -1)) for name, draws in quantities.items()}
        attributes = {
            "inference_library": "lmpower",
            "method": self.method,
            "status": self.sentence,
            "prior": self.prior.summary(),
        }
        return xarray.Dataset(data, attrs=attributes)

    def to_arviz(self) -> Any:
        """For ArviZ: an ``InferenceData`` before its version 1, a ``DataTree`` from then on."""
        import arviz
        import xarray

        group = self.to_xarray()
        if "InferenceData" in vars(arviz):  # (from version 1 on the name leads to a warning)
            return arviz.InferenceData(posterior=group)
        return xarray.DataTree.from_dict({"posterior": group})

    def to_netcdf(self, path: str | Path) -> None:
        """Written to a file that ArviZ reads, group "posterior"; needs the extra "arviz".

        Raises:
            ValueError: for a batch, or if the file cannot be written; what was there before then stays.
        """
        data = self.to_xarray()
        require_writable(path)  # HDF5 would say it at length, and under another name
        with written_whole(path) as temporary:
            data.to_netcdf(temporary, group="posterior", engine="h5netcdf")


def _tail_exponent(law: Difficulty) -> Array:
    return law.tail().exponent


def estimate_of(
    draws: Float[np.ndarray, "*B S ..."], ok: Bool[np.ndarray, "*B"] | bool, level: float
) -> Estimate:
    """Mean, median and interval over the draws of any quantity; nan where they are not ``ok``.

    Raises:
        ValueError: for a level outside of (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level!r}")
    axis = np.ndim(ok)
    ends = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    lower, median, upper = np.quantile(draws, ends, axis=axis, method="median_unbiased")
    known = np.reshape(ok, np.shape(ok) + (1,) * (median.ndim - axis))
    parts = (np.mean(draws, axis=axis), median, lower, upper)
    return Estimate(*(np.where(known, part, np.nan) for part in parts))


def chain_diagnostics(
    quantities: Float[np.ndarray, "B C S Q"],
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """The largest split R-hat and the least effective number of draws over Q quantities."""
    r_hat, ess = [], []
    for each in np.moveaxis(quantities, -1, 1):
        # a quantity that the family fixes does not vary
        moving = [one for one in each if np.ptp(one) > 0]
        r_hat.append(max(float(split_gelman_rubin(one)) for one in moving))
        ess.append(min(float(effective_sample_size(one)) for one in moving))
    return np.array(r_hat), np.array(ess)


def trust_in(
    rows: Rows,
    r_hat: Float[np.ndarray, " B"],
    ess: Float[np.ndarray, " B"],
    divergent_share: Float[np.ndarray, " B"],
    pareto_k: Float[np.ndarray, " B"],
    draws: int,
) -> Int[np.ndarray, " B"]:
    """Codes of ``Trust``; nan for what was not measured."""
    solved = np.sum(rows.weight * rows.successes, axis=-1)
    unsolved = np.sum(rows.weight * rows.failures, axis=-1)
    trust = np.where(solved == 0, Trust.NO_SUCCESS, Trust.OK)
    trust = np.where(unsolved == 0, Trust.ALL_SUCCESS, trust)
    # (a number that could not be computed is not enough)
    trust = np.where(~(ess >= min(LEAST_ESS, draws / 2)), Trust.FEW_EFFECTIVE, trust)
    trust = np.where(pareto_k > MOST_K, Trust.HEAVY_WEIGHTS, trust)
    trust = np.where(divergent_share > MOST_DIVERGENT, Trust.DIVERGENT, trust)
    return np.where(r_hat > MOST_R_HAT, Trust.NOT_MIXED, trust).astype(np.int32)
