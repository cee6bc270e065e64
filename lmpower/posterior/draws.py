"""A posterior: every difficulty that the counts leave plausible, as a batch of draws.

Draws have equal weight. What is said of them (means, medians, equal-tailed intervals) comes with what
says whether to believe it, and a posterior that has not mixed gives no interval at all.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, over_batch, tail_exponent
from lmpower.files.whole import require_writable, written_whole
from lmpower.numerics.pytree import pytree
from lmpower.posterior.estimate import Estimate, estimate_of, head_line, number_or_none
from lmpower.posterior.trust import Trust
from lmpower.prior import Prior


@pytree
@dataclasses.dataclass(frozen=True, repr=False)
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
        self._require_single("the sentence")
        return Trust(int(self.trust)).sentence

    @property
    def method(self) -> str:
        """ "nuts" or "fast", of a single posterior."""
        self._require_single("the method")
        return "nuts" if int(self.chains) > 1 else "fast"

    def __repr__(self) -> str:
        draws: Any = self.log_likelihood
        if not isinstance(draws, np.ndarray):  # a tree of something else, such as shapes
            return f"<Posterior of {self.difficulty!r}>"
        law, shape = type(self.difficulty).__name__, draws.shape
        if len(shape) != 1:
            return f"<Posterior: {law}, {shape[-1]:,} draws of each of {math.prod(shape[:-1]):,} data sets>"
        return f"<Posterior: {law}, {self.diagnostics()}; {self.sentence}>"

    def _require_single(self, what: str) -> None:
        if np.ndim(self.log_likelihood) != 1:
            raise ValueError(f"{what} takes a single posterior, not a batch: take posterior[i]")

    @property
    def tail_exponent(self) -> Float[np.ndarray, "*B S"]:
        """Draws of the asymptotic exponent b of -log pass@k ~ a k^-b; nan where there is none."""
        return self.along(tail_exponent)

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
        self._require_single("a summary")
        lines = [head_line("", 14, level)]
        quantities = self.parameters() | {"tail exponent": self.tail_exponent}
        lines += [
            self.estimate(draws, level).line(name, 14)
            for name, draws in quantities.items()
            if not np.all(np.isnan(draws))
        ]
        return "\n".join([*lines, f"{self.diagnostics()}; {self.sentence}"])

    def diagnostics(self) -> str:
        """How a single posterior came about, in one line."""
        self._require_single("a diagnosis")
        draws = f"{self.log_likelihood.size:,} draws, {float(self.ess):,.0f} effective"
        if self.method == "fast":
            return f"weighted points: {draws}, Pareto k {float(self.pareto_k):.2f}"
        return (
            f"NUTS, {int(self.chains)} chains: {draws}, R-hat {float(self.r_hat):.3f}, "
            f"{int(self.divergences)} divergent"
        )

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain numbers of a single posterior, for JSON."""
        self._require_single("a record")
        return {
            "tail_exponent": self.estimate(self.tail_exponent, level).to_dict(),
            "params": {
                name: self.estimate(draws, level).to_dict() for name, draws in self.parameters().items()
            },
            "level": level,
            "method": self.method,
            "r_hat": number_or_none(self.r_hat),
            "ess": float(self.ess),
            "divergences": int(self.divergences),
            "pareto_k": number_or_none(self.pareto_k),
            "status": self.sentence,
        }

    def to_xarray(self) -> Any:
        """The draws as an ``xarray.Dataset`` with dimensions chain and draw; needs the extra "arviz".

        Raises:
            ValueError: for a batch.
        """
        import xarray

        self._require_single("an export")
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
