"""Whether counts look like those that a family makes: posterior-predictive checks.

The best of several families may still be a bad one. So counts are made anew, with the attempts there were:
a difficulty from the posterior, a p for each problem from the difficulty, outcomes from the p. What the
new counts show again and again, and the counts at hand do not, is what the family gets wrong (Rubin 1984,
Annals of Statistics 12, 1151; Gelman, Meng & Stern 1996, Statistica Sinica 6, 733).

Each feature has a tail probability, two-sided, with half of all ties on either side. It errs on the quiet
side, because the difficulty was fitted to the same counts: what stands out is to be taken seriously, and
a family in which nothing does need not be true.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.counts import Counts, CountsError, require_counts
from lmpower.difficulty.base import Difficulty
from lmpower.numerics.lengths import rounded_up
from lmpower.posterior import Posterior

# Features with a smaller tail probability stand out. There are nine, and yet of 500 data sets drawn from
# Betas and checked as Betas only three had one that did: each law was fitted to its features.
STANDS_OUT = 0.05
# Of the range given for each feature.
_LEVEL = 0.9
# Fewer replicates have no tail of that size.
_LEAST_REPLICATES = 100
# Replicates made at a time, or as many as have so many problems in all, which bounds the memory.
_AT_A_TIME, _MOST_PROBLEMS = 100, 1 << 22


class _Feature(NamedTuple):
    """Something to be seen of counts.

    Attributes:
        name: what it is called.
        of: successes [M, P] and attempts [P] -> its value in each of M data sets.
        lacking, excessive: what is wrong with a family that has too little, or too much of it.
        is_count: a number of problems, not a share.
    """

    name: str
    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    lacking: str
    excessive: str
    is_count: bool = False


def _quantile(level: float) -> _Feature:
    def of(s: np.ndarray, n: np.ndarray) -> np.ndarray:
        return np.asarray(np.quantile(s / n, level, axis=-1))

    name = "median of s/n" if level == 0.5 else f"{level:.0%} quantile of s/n"
    return _Feature(name, of, "too low", "too high")


_FEATURES = (
    _Feature(
        "problems never solved",
        lambda s, n: np.sum(s == 0, axis=-1),
        "too few never-solved problems",
        "too many never-solved problems",
        is_count=True,
    ),
    _Feature(
        "problems always solved",
        lambda s, n: np.sum(s == n, axis=-1),
        "too few always-solved problems",
        "too many always-solved problems",
        is_count=True,
    ),
    _Feature(
        "largest s/n",
        lambda s, n: np.max(s / n, axis=-1),
        "its easiest problem is too hard",
        "its easiest problem is too easy",
    ),
    *(_quantile(level) for level in (0.25, 0.5, 0.75, 0.9)),
    _Feature(
        "mean of s/n",
        lambda s, n: np.mean(s / n, axis=-1),
        "its problems are too hard",
        "its problems are too easy",
    ),
    _Feature(
        "variance of s/n",
        lambda s, n: np.var(s / n, axis=-1),
        "its problems are too much alike",
        "its problems differ too much",
    ),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Checks:
    """Q features of the counts beside what the posterior expects of them.

    Attributes:
        features: their names.
        observed: of the counts at hand, [Q].
        mean: over replicated counts, [Q]; nan, as all below, if the posterior cannot be believed.
        lower, upper: ends of the range that holds 90 % of the replicates, [Q].
        tail_probability: two-sided, of a replicate as far out as the counts, [Q].
        problems: how many a data set has.
        replicates: how many data sets there were.
        sentence: whether the posterior can be believed, in words.
    """

    features: tuple[str, ...]
    observed: Float[np.ndarray, " Q"]
    mean: Float[np.ndarray, " Q"]
    lower: Float[np.ndarray, " Q"]
    upper: Float[np.ndarray, " Q"]
    tail_probability: Float[np.ndarray, " Q"]
    problems: int
    replicates: int
    sentence: str

    @property
    def failed(self) -> tuple[str, ...]:
        """The features that stand out."""
        return tuple(self.features[j] for j in self._failed())

    def _failed(self) -> list[int]:
        return [int(j) for j in np.flatnonzero(self.tail_probability < STANDS_OUT)]

    @property
    def words(self) -> tuple[str, ...]:
        """What stands out, a sentence each, or that nothing does."""
        if np.any(np.isnan(self.tail_probability)):
            return (f"the posterior cannot be believed, and was not checked: {self.sentence}",)
        found = tuple(self._words(j) for j in self._failed())
        return found or (f"nothing stands out: no feature has a tail probability below {STANDS_OUT:g}",)

    def _words(self, j: int) -> str:
        feature = _FEATURES[j]
        wrong = feature.lacking if self.observed[j] > self.mean[j] else feature.excessive
        observed, mean, lower, upper = (
            _written(x[j], feature) for x in (self.observed, self.mean, self.lower, self.upper)
        )
        if not feature.is_count:
            return (
                f"the {feature.name} is {observed}, the family expects {mean} ({lower} to {upper}): {wrong}"
            )
        verb = "leaves" if feature.name == "problems never solved" else "solves"
        how = "unsolved" if verb == "leaves" else "at every attempt"
        expected = f"{mean} ({lower} to {upper}) of {self.problems} problems"
        return f"the family {verb} {expected} {how}, {observed} were: {wrong}"

    def summary(self) -> str:
        """A table, one line a feature, and what stands out."""
        width = max(map(len, self.features))
        lines = [f"{'':{width}}{'observed':>10}{'expected':>10}   {'90% range':18}{'tail':>6}"]
        for j, feature in enumerate(_FEATURES):
            observed = f"{_written(self.observed[j], feature):>10}"
            if np.isnan(self.tail_probability[j]):
                lines.append(f"{feature.name:{width}}{observed}{'-':>10}   {'-':18}{'-':>6}")
                continue
            ends = f"{_written(self.lower[j], feature)} to {_written(self.upper[j], feature)}"
            lines.append(
                f"{feature.name:{width}}{observed}{_written(self.mean[j], feature):>10}   {ends:18}"
                f"{self.tail_probability[j]:6.3f}"
            )
        return "\n".join([*lines, *(f"{word}." for word in self.words)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; None where there is none."""
        columns = ("observed", "mean", "lower", "upper", "tail_probability")
        return {
            "features": [
                {"feature": feature}
                | {
                    column: None if np.isnan(getattr(self, column)[j]) else float(getattr(self, column)[j])
                    for column in columns
                }
                for j, feature in enumerate(self.features)
            ],
            "problems": self.problems,
            "replicates": self.replicates,
            "failed": list(self.failed),
            "words": list(self.words),
            "status": self.sentence,
        }


def _written(value: float, feature: _Feature) -> str:
    if feature.is_count:
        return f"{value:.0f}"
    return f"{value:.3f}" if value >= 0.01 or value == 0 else f"{value:.2g}"


def check_fit(posterior: Posterior, counts: Counts, *, key: jax.Array, replicates: int = 400) -> Checks:
    """Compare the counts with replicates of them that the posterior predicts.

    Args:
        posterior: of one data set, not a batch.
        counts: those it was made from, or others that should come from the same difficulty.
        key: from ``jax.random.key``. Replicate i uses it and i alone.
        replicates: how many data sets to make, at least 100.

    Returns:
        ``Checks``, whose ``words`` say where the family fails.

    Raises:
        ValueError: for a batch, too few replicates, or counts whose attempts were not fixed in advance.
    """
    if posterior.log_likelihood.ndim != 1:
        raise ValueError("a check takes a single posterior, not a batch: take posterior[i]")
    require_counts(counts)
    if counts.stopping != "fixed":
        raise CountsError(
            f"counts with stopping={counts.stopping!r} cannot be replicated, because outcomes decided how "
            "many attempts a problem got: check counts with fixed attempts; compare_families takes any"
        )
    if replicates < _LEAST_REPLICATES:
        raise ValueError(f"replicates must be at least {_LEAST_REPLICATES}, not {replicates}")
    observed = _features(counts.successes[None], counts.attempts)[0]
    nothing = np.full(observed.shape, np.nan)
    mean, lower, upper, tail = nothing, nothing, nothing, nothing
    if posterior.ok:
        values = _replicated(posterior.difficulty, counts.attempts, key, replicates)
        mean = np.mean(values, axis=0)
        lower, upper = np.quantile(values, [0.5 - _LEVEL / 2, 0.5 + _LEVEL / 2], axis=0)
        tail = _tail_probability(values, observed)
    return Checks(
        features=tuple(feature.name for feature in _FEATURES),
        observed=observed,
        mean=mean,
        lower=lower,
        upper=upper,
        tail_probability=tail,
        problems=len(counts),
        replicates=replicates,
        sentence=posterior.sentence,
    )


def _features(successes: Int[np.ndarray, "M P"], attempts: Int[np.ndarray, " P"]) -> np.ndarray:
    """[M, Q]; rounded, so that what is the same up to rounding is a tie."""
    return np.stack([np.round(feature.of(successes, attempts), 12) for feature in _FEATURES], axis=-1)


def _tail_probability(values: Float[np.ndarray, "M Q"], observed: Float[np.ndarray, " Q"]) -> np.ndarray:
    """Twice the smaller tail, with half of the ties, of which the counts themselves are one."""
    below = np.sum(values < observed, axis=0) + 0.5 * (np.sum(values == observed, axis=0) + 1)
    share = below / (len(values) + 1)
    return 2 * np.minimum(share, 1 - share)


def _replicated(
    draws: Difficulty, attempts: Int[np.ndarray, " P"], key: jax.Array, replicates: int
) -> Float[np.ndarray, "M Q"]:
    """Features of replicated counts, as many data sets at a time as memory allows."""
    chunk = max(min(_AT_A_TIME, _MOST_PROBLEMS // attempts.size), 1)
    found = []
    for at in range(0, replicates, chunk):
        index = np.arange(at, at + chunk, dtype=np.uint32)
        with jax.enable_x64(True):
            log_p, seeds = _drawn(draws, key, index, problems=rounded_up(attempts.size))
            p = np.exp(np.minimum(np.asarray(log_p)[:, : attempts.size], 0.0))
        successes = [
            np.random.default_rng(seed).binomial(attempts, each)
            for seed, each in zip(np.asarray(seeds), p, strict=True)
        ]
        found.append(_features(np.stack(successes), attempts))
    return np.concatenate(found)[:replicates]


@functools.partial(jax.jit, static_argnames="problems")
def _drawn(
    draws: Difficulty, key: Array, index: Int[Array, " M"], *, problems: int
) -> tuple[Float[Array, "M P"], Array]:
    """log p of every problem of some replicates, each of one draw, and seeds for the outcomes."""
    size = jax.tree.leaves(draws)[0].shape[0]

    def one(i: Array) -> tuple[Array, Array]:
        which, what, outcome = jax.random.split(jax.random.fold_in(key, i), 3)
        law = jax.tree.map(lambda leaf: leaf[jax.random.randint(which, (), 0, size)], draws)
        return law.sample_log_p(what, (problems,)), jax.random.key_data(outcome)

    return jax.vmap(one)(index)
