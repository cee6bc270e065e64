"""What groups of counts say together: a posterior of each, and of what ties them to each other."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lmpower.counts import listed
from lmpower.numerics.pytree import pytree
from lmpower.posterior.draws import Posterior
from lmpower.posterior.estimate import Estimate, estimate_of, head_line, number_or_none
from lmpower.posterior.trust import Trust
from lmpower.prior import LogNormal


@pytree
@dataclasses.dataclass(frozen=True, repr=False)
class Together:
    """S joint draws of the difficulties of G groups, and of what ties them together.

    ``together[name]`` is the group's own ``Posterior``, for forecasts and whatever else takes one.

    Attributes:
        posteriors: of all groups, a batch [G]; the i-th draws of all belong together.
        shared: r_d, how much of each coordinate the groups share, from 0 to 1, [S, D].
        middle: m_d, the coordinates of the middle of all groups at the mean covariate, [S, D]; a group of
            which nothing is known lies at sqrt(r_d) m_d, give or take sqrt(1 - r_d).
        trend: change of the log of the parameter ``trend_of`` (of the parameter itself where its prior is
            normal) for each unit of the covariate as given, [S]; None without one.
        covariate: of each group, as given, [G]; None without one.
        r_hat, ess, divergences: of what ties the groups together; numbers.
        trust: the code of ``Trust`` that holds for it and all groups; a number.
        names: of the groups.
        trend_of: the parameter that has the trend; None without one.
    """

    posteriors: Posterior
    shared: Float[np.ndarray, "S D"]
    middle: Float[np.ndarray, "S D"]
    trend: Float[np.ndarray, " S"] | None
    covariate: Float[np.ndarray, " G"] | None
    r_hat: Float[np.ndarray, ""]
    ess: Float[np.ndarray, ""]
    divergences: Int[np.ndarray, ""]
    trust: Int[np.ndarray, ""]
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    trend_of: str | None = dataclasses.field(default=None, metadata={"static": True})

    def __repr__(self) -> str:
        draws: Any = self.shared
        if not isinstance(draws, np.ndarray):  # a tree of something else, such as shapes
            return f"<Together of {self.posteriors!r}>"
        return f"<Together: {listed(map(repr, self.names))}; {self.diagnostics()}; {self.sentence}>"

    def __getitem__(self, name: str) -> Posterior:
        if name not in self.names:
            raise ValueError(f"there is no group {name!r}: there are {listed(map(repr, self.names))}")
        return self.posteriors[self.names.index(name)]

    @property
    def ok(self) -> bool:
        """Whether intervals can be believed, of all groups."""
        return int(self.trust) <= Trust.ALL_SUCCESS

    @property
    def sentence(self) -> str:
        """The trust in words."""
        return Trust(int(self.trust)).sentence

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the D coordinates."""
        return self.posteriors.prior.names

    def estimate(self, draws: Float[np.ndarray, "S ..."], level: float = 0.9) -> Estimate:
        """Mean, median and interval of what ties the groups together; nan where not to be believed.

        Raises:
            ValueError: for a level outside of (0, 1).
        """
        return estimate_of(draws, self.ok, level)

    @property
    def chance_rising(self) -> float:
        """P(trend > 0); nan without a covariate, or where not to be believed."""
        if self.trend is None or not self.ok:
            return math.nan
        return float(np.mean(self.trend > 0))

    def summary(self, level: float = 0.9) -> str:
        """Tables of tail exponents and of what is shared, the trend, and whether to believe it."""
        width = max(16, *(len(name) + 2 for name in self.names))
        lines = [head_line("tail exponent", width, level)]
        lines += [
            self[name].estimate(draws, level).line(name, width)
            for name, draws in zip(self.names, self.posteriors.tail_exponent, strict=True)
        ]
        lines += ["", head_line("shared in part", width, level)]
        lines += [
            self.estimate(draws, level).line(name, width)
            for name, draws in zip(self.parameters, self.shared.T, strict=True)
        ]
        if self.trend is not None:
            along = self.estimate(self.trend, level).line(self._trend_name, width)
            lines += ["", head_line("trend", width, level), along]
            lines += [f"P(trend > 0) = {self.chance_rising:.3f}"] if self.ok else []
        return "\n".join([*lines, "", f"{self.diagnostics()}; {self.sentence}"])

    @property
    def _trend_name(self) -> str:
        marginal = self.posteriors.prior.marginals[self.parameters.index(str(self.trend_of))]
        return f"log {self.trend_of}" if isinstance(marginal, LogNormal) else str(self.trend_of)

    def diagnostics(self) -> str:
        """How it came about, in one line; the worst of all groups and of what ties them together."""
        ess = min(float(self.ess), float(np.min(self.posteriors.ess)))
        r_hat = max(float(self.r_hat), float(np.max(self.posteriors.r_hat)))
        chains, draws = int(self.posteriors.chains[0]), len(self.shared)
        return (
            f"NUTS, {chains} chains: {draws:,} draws, {ess:,.0f} effective, R-hat {r_hat:.3f}, "
            f"{int(self.divergences)} divergent"
        )

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        trend: dict[str, Any] | None = None
        if self.trend is not None:
            trend = {
                "of": self._trend_name,
                **self.estimate(self.trend, level).to_dict(),
                "chance_rising": number_or_none(self.chance_rising),
            }
        return {
            "groups": {name: self[name].to_dict(level) for name in self.names},
            "shared": {
                name: self.estimate(each, level).to_dict()
                for name, each in zip(self.parameters, self.shared.T, strict=True)
            },
            "trend": trend,
            "level": level,
            "r_hat": float(self.r_hat),
            "ess": float(self.ess),
            "divergences": int(self.divergences),
            "status": self.sentence,
        }
