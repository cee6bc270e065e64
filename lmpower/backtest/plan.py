"""The plan of a backtest, and its units of work: hide attempts, forecast them, put both side by side.

A unit is a list of trials on the same number of problems and attempts, small enough to be redone after
an interruption and large enough to fill a compiled batch. What a unit gives depends on the plan alone:
not on the machine, on how many devices or processes share the work, or on what ran before.
"""

from __future__ import annotations

import dataclasses
import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from lmpower.backtest.given import (
    described_groups,
    described_law,
    require_single_law,
    whole_number,
    whole_numbers,
    window_between,
)
from lmpower.backtest.intervals import crps, intervals
from lmpower.backtest.shards import Shards, run_units
from lmpower.backtest.trials import (
    Future,
    draw,
    future_of_counts,
    future_of_law,
    hide,
    require_hidable,
    rows_of_all,
    split_rows,
)
from lmpower.counts import LARGEST_COUNT, Counts, CountsError, Rows, stack_rows
from lmpower.difficulty.base import Difficulty
from lmpower.estimators.base import QUANTILES, WINDOW, Estimate
from lmpower.estimators.named import estimate_all, estimator_named

KS = (10, 100, 1_000, 10_000)
# The most trials of one unit.
_TOGETHER = 512

Table = dict[str, np.ndarray]


class Plan(Protocol):
    """What ``run_backtest`` runs: units of work and how they are described."""

    @property
    def units(self) -> int: ...

    def config(self) -> dict[str, Any]: ...

    def compute(self, unit: int) -> Table: ...


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What all plans say, however many attempts a trial sees.

    Attributes:
        seeds: how many trials of each kind.
        estimators: by name.
        ks: budgets whose pass@k is forecast.
        window: in which window slopes are taken.
        key: one number from which all randomness comes, from 0 to 2**32 - 1.
    """

    seeds: int
    estimators: Sequence[str]
    ks: Sequence[int] = KS
    window: tuple[float, float] = WINDOW
    key: int = 0

    def __post_init__(self) -> None:
        self._settle(
            seeds=whole_number("seeds", self.seeds, 1),
            estimators=tuple(self.estimators),
            ks=whole_numbers("k", self.ks, 1, LARGEST_COUNT),
            window=window_between(self.window),
            key=whole_number("key", self.key, 0),
        )
        for name in self.estimators:
            estimator_named(name)
        if not self.estimators:
            raise ValueError("a backtest needs at least one estimator")
        if len(set(self.estimators)) < len(self.estimators):
            raise ValueError(f"an estimator is named twice: {', '.join(self.estimators)}")

    def _settle(self, **fields: Any) -> None:
        """Fields as they are meant, in place of what was given."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def settings(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        fields = dataclasses.fields(Trials)
        given = {field.name: getattr(self, field.name) for field in fields}
        return {name: value if isinstance(value, int) else list(value) for name, value in given.items()}


@dataclass(frozen=True, kw_only=True)
class Synthetic(Trials):
    """Truths x problems x attempts x seeds x estimators.

    Attributes:
        truths: laws by name.
        problems: numbers P; each is run with every number of attempts.
        attempts: numbers N that a trial sees of each problem, up to 2**32 - 1.
    """

    truths: Mapping[str, Difficulty]
    problems: Sequence[int]
    attempts: Sequence[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._settle(
            problems=whole_numbers("problems", self.problems, 2),
            attempts=whole_numbers("attempts", self.attempts, 1),
        )
        if not self.truths:
            raise ValueError("a synthetic backtest needs truths")
        for name, law in self.truths.items():
            require_single_law(name, law)

    def config(self) -> dict[str, Any]:
        laws = [{"name": name} | described_law(law) for name, law in self.truths.items()]
        sizes = {"problems": list(self.problems), "attempts": list(self.attempts)}
        return {"kind": "synthetic", "truths": laws} | sizes | self.settings()

    @property
    def _cells(self) -> list[tuple[int, int]]:
        return list(itertools.product(self.problems, self.attempts))

    @property
    def _blocks(self) -> list[list[tuple[int, int]]]:
        """(truth, seed) of the trials that run together."""
        trials = list(itertools.product(range(len(self.truths)), range(self.seeds)))
        # of even size, so that one compiled program serves all
        size = -(-len(trials) // -(-len(trials) // _TOGETHER))
        return [trials[at : at + size] for at in range(0, len(trials), size)]

    @property
    def units(self) -> int:
        return len(self._cells) * len(self._blocks)

    def compute(self, unit: int) -> Table:
        cell, at = divmod(unit, len(self._blocks))
        problems, attempts = self._cells[cell]
        names, laws = list(self.truths), list(self.truths.values())
        key, ks = jax.random.key(self.key), np.asarray(self.ks, np.float64)
        drawn: list[Rows] = []
        futures: list[Future] = []
        labels = []
        for truth, trials in itertools.groupby(self._blocks[at], operator.itemgetter(0)):
            seeds = [seed for _, seed in trials]
            drawn += split_rows(draw(laws[truth], key, (truth, problems, attempts), seeds, problems))
            futures += [future_of_law(laws[truth], ks, self.window)] * len(seeds)
            labels += [(names[truth], problems, attempts, seed) for seed in seeds]
        return judged(stack_rows(drawn), labels, futures, self.estimators, ks, self.window)


@dataclass(frozen=True, kw_only=True)
class Real(Trials):
    """Groups of real counts x attempts x seeds x estimators.

    Attributes:
        groups: the counts by name.
        attempts: numbers N that a trial sees of each problem.
    """

    groups: Mapping[str, Counts]
    attempts: Sequence[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._settle(attempts=whole_numbers("attempts", self.attempts, 1))
        if not self.groups:
            raise ValueError("a backtest on real counts needs groups of them")
        for name, counts in self.groups.items():
            if counts.stopping != "fixed":
                where = f"in group {name!r} (stopping={counts.stopping!r})"
                require_usable_when_stopped(self.estimators, where)
            for attempts in self.attempts:
                try:
                    require_hidable(counts, attempts)
                except CountsError as error:
                    raise CountsError(f"group {name!r}: {error}") from None

    def config(self) -> dict[str, Any]:
        attempts = {"attempts": list(self.attempts)}
        return {"kind": "real", "groups": described_groups(self.groups)} | attempts | self.settings()

    @property
    def units(self) -> int:
        return len(self.groups) * len(self.attempts)

    def compute(self, unit: int) -> Table:
        group, at = divmod(unit, len(self.attempts))
        name, attempts = list(self.groups)[group], self.attempts[at]
        counts, ks = self.groups[name], np.asarray(self.ks, np.float64)
        trials = hide(counts, jax.random.key(self.key), (group, attempts), range(self.seeds))
        labels = [(name, len(counts), attempts, seed) for seed in range(len(trials))]
        futures = [future_of_counts(counts, ks)] * len(trials)
        return judged(rows_of_all(trials), labels, futures, self.estimators, ks, self.window)


def run_backtest(plan: Plan, out: Path, *, progress: bool = True) -> Path | None:
    """Run a plan to its end, or on from where it stopped; the results come to rest in ``out``.

    With ``jax.distributed`` every process computes its share, and the one that finds all shards there
    merges them.

    Returns:
        The file of results, one row per trial, estimator and quantity: truth, problems, attempts, seed,
        estimator, quantity, k, truth_value, estimate, lower and upper at 90 %, the same at 50, 80 and 95 %
        (``lower_50``, ..), crps. None while other processes' shards are missing.

    Raises:
        ShardsError: if ``out`` holds the results of another plan.
    """
    return run_units(
        Shards(out, plan.config()),
        plan.units,
        plan.compute,
        progress=progress,
        process=jax.process_index(),
        processes=jax.process_count(),
    )


def require_usable_when_stopped(estimators: Sequence[str], where: str) -> None:
    """Refuse estimators that need attempts fixed in advance, ``where`` they were not.

    Raises:
        ValueError: naming them and the place.
    """
    refused = [each for each in estimators if not estimator_named(each).stopping]
    if refused:
        raise ValueError(
            f"{', '.join(refused)} cannot be used where outcomes decided the number of attempts, as {where}"
        )


def judged(
    rows: Rows,
    labels: Sequence[tuple[str, int, int, int]],
    futures: Sequence[Future],
    estimators: Sequence[str],
    ks: np.ndarray,
    window: tuple[float, float],
) -> Table:
    """One line per estimator, trial and quantity.

    Args:
        rows: of B trials, [B, R].
        labels: truth or group, problems, attempts and seed of each trial.
        futures: what each is judged by.
        estimators, ks, window: as in ``Trials``.
    """
    quantities = ["tail_exponent", "window_slope", *(f"pass@{k:.0f}" for k in ks)]
    truth = np.array([[f.tail_exponent, f.window_slope, *f.pass_at_k] for f in futures])
    estimates = estimate_all(estimators, rows, ks, window)
    size = len(labels) * len(quantities)
    columns = list(zip(*labels, strict=True))
    each = [np.repeat(np.asarray(column), len(quantities)) for column in columns]
    per_estimator = {
        **dict(zip(("truth", "problems", "attempts", "seed"), each, strict=True)),
        "quantity": np.tile(np.asarray(quantities), len(labels)),
        "k": np.tile(np.concatenate([[0, 0], ks]).astype(np.int64), len(labels)),
        "truth_value": truth.ravel(),
    }
    table = {name: np.tile(column, len(estimators)) for name, column in per_estimator.items()}
    table["estimator"] = np.repeat(np.asarray(estimators), size)
    table["estimate"] = np.concatenate([each.numbers.ravel() for each in estimates])
    quantiles = np.concatenate([_quantiles(each).reshape(-1, len(QUANTILES)) for each in estimates])
    return table | intervals(quantiles) | {"crps": crps(quantiles, table["truth_value"])}


def _quantiles(estimate: Estimate) -> np.ndarray:
    """All quantities of each trial, [B, 2 + K, Q]."""
    if estimate.quantiles is None:
        return np.full((*estimate.numbers.shape, len(QUANTILES)), np.nan)
    return estimate.quantiles
