"""A budget of attempts for all problems together: where should the next attempt go?

A policy answers that by looking at attempts and successes so far (Kazdan et al. 2025, arXiv 2510.05197):

* uniform: to the problem with fewest attempts, so that each gets budget // P and the remainder falls on
  problems at random;
* dynamic: to the problem with fewest successes, among those to the one with fewest attempts.

Ties are broken at random, and a problem whose real attempts are used up is left out. Attempts are drawn
from the real ones without replacement: with s_i of n_i shown to be successes, the next one succeeds with
chance (S_i - s_i)/(N_i - n_i). What the j-th attempt on a problem shows is the same under both policies,
so that these are compared on the same luck.

Under the dynamic policy outcomes decide how often a problem is tried. The likelihood does not care; what
rests on s/n does (see ``counts``), and is refused there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.backtest.given import described_groups, whole_numbers
from lmpower.backtest.plan import Table, Trials, judged, require_usable_when_stopped
from lmpower.backtest.trials import plug_in_future, rows_of_all
from lmpower.counts import Counts, CountsError
from lmpower.estimators.named import estimator_named


@dataclass(frozen=True)
class Policy:
    """Who gets the next attempt.

    Attributes:
        rank: (attempts, successes, budget) -> whole numbers; the least is next.
        stopping: what that makes of the counts, see ``counts.STOPPING``.
    """

    rank: Callable[[Array, Array, Array], Array]
    stopping: str


def _uniform(tried: Array, solved: Array, budget: Array) -> Array:
    return tried


def _dynamic(tried: Array, solved: Array, budget: Array) -> Array:
    # successes first, then attempts, of which there are at most ``budget``
    return solved * (budget + 1) + tried


POLICIES = {"uniform": Policy(_uniform, "fixed"), "dynamic": Policy(_dynamic, "adaptive")}


def policy_named(name: str) -> Policy:
    """The policy with this name.

    Raises:
        ValueError: for a name that is not in ``POLICIES``.
    """
    if name not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {name!r}")
    return POLICIES[name]


def spend(counts: Counts, policy: str, budget: int, key: jax.Array, seeds: Sequence[int]) -> list[Counts]:
    """What a budget would have shown of the problems, one a seed.

    Each seed's draws come from ``key`` with the seed folded in, whatever other seeds there are. With the
    same key and seed a larger budget goes on from a smaller one.

    Args:
        counts: all real attempts and successes of P problems.
        policy: "uniform" or "dynamic".
        budget: attempts for all problems together, from P (both policies try each problem once before
            any a second time) to all there are.
        key: a key of ``jax.random.key``.
        seeds: whole numbers from 0.

    Returns:
        Counts of the same P problems whose attempts add up to the budget, with stopping="fixed" for
        uniform and "adaptive" for dynamic.

    Raises:
        CountsError: if attempts were not fixed in advance, or the budget is too small or too large.
        ValueError: for an unknown policy.
    """
    rule = policy_named(policy)
    require_affordable(counts, budget)
    with jax.enable_x64(True):
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(np.asarray(seeds, np.uint32))
        spent = _spend(keys, counts.attempts, counts.successes, np.int64(budget), rank=rule.rank)
        tried, solved = map(np.asarray, spent)
    return [Counts(n, s, counts.problem, rule.stopping) for n, s in zip(tried, solved, strict=True)]


def require_affordable(counts: Counts, budget: int) -> None:
    """Refuse a budget that cannot be spent on these problems.

    Raises:
        CountsError: if attempts were not fixed in advance, or the budget is too small or too large.
    """
    counts.require_fixed("drawing attempts without replacement")
    most = int(counts.attempts.sum())
    if not isinstance(budget, int | np.integer) or not len(counts) <= budget <= most:
        raise CountsError(
            f"a budget must be a whole number from {len(counts):,}, one attempt for each problem, to "
            f"{most:,}, the attempts there are; got {budget!r}"
        )


@functools.partial(jax.jit, static_argnames="rank")
def _spend(
    keys: Array,
    attempts: Int[Array, " P"],
    successes: Int[Array, " P"],
    budget: Int[Array, ""],
    *,
    rank: Callable[[Array, Array, Array], Array],
) -> tuple[Int[Array, "S P"], Int[Array, "S P"]]:
    """Attempts and successes after ``budget`` steps, one seed a lane."""
    problems = jnp.arange(attempts.size)

    def one(key: Array) -> tuple[Array, Array]:
        own = jax.vmap(functools.partial(jax.random.fold_in, key))(problems)

        def dice(problem: Array, attempt: Array) -> Float[Array, " 2"]:
            """A lot by which this attempt waits its turn, and a number that decides its outcome."""
            return jax.random.uniform(jax.random.fold_in(own[problem], attempt), (2,))

        def step(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            tried, solved, thrown = state
            order = rank(tried, solved, budget)
            order = jnp.where(tried < attempts, order, jnp.iinfo(order.dtype).max)
            # Lots may be kept while a problem waits. Whoever was chosen moves to a higher rank, so nobody
            # joins those of the least, and among them each is as likely to have the least lot.
            lot = jnp.where(order == jnp.min(order), thrown[:, 0], 1.0)
            which = jnp.argmin(lot)
            chosen = problems == which
            solves = chosen & (thrown[:, 1] * (attempts - tried) < successes - solved)
            again = dice(which, tried[which] + 1)
            return tried + chosen, solved + solves, jnp.where(chosen[:, None], again, thrown)

        nothing = jnp.zeros_like(attempts)
        start = nothing, nothing, jax.vmap(dice)(problems, nothing)
        tried, solved, _ = jax.lax.fori_loop(0, budget, step, start)
        return tried, solved

    return jax.vmap(one)(keys)


@dataclass(frozen=True, kw_only=True)
class Budgeted(Trials):
    """Groups of real counts x budgets x policies x seeds x estimators.

    The protocol of Kazdan et al. 2025, and its truth: 1 - mean_i (1 - s_i/n_i)^k with all real attempts, at
    every k (``trials.plug_in_future``). In the results the column ``attempts`` is the budget, of all
    problems together, and ``estimator`` names the policy too, such as "dynamic beta-binomial": both
    policies are judged on the same seeds. Estimators that need attempts fixed in advance are run under
    the uniform policy only.

    Attributes:
        groups: the counts by name; attempts fixed in advance.
        budgets: attempts for all problems together.
        policies: "uniform", "dynamic", or both.
    """

    groups: Mapping[str, Counts]
    budgets: Sequence[int]
    policies: Sequence[str] = tuple(POLICIES)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._settle(budgets=whole_numbers("budgets", self.budgets, 1), policies=tuple(self.policies))
        if not self.groups or not self.policies:
            raise ValueError("a backtest of budgets needs groups of counts and policies")
        if "fixed" not in [policy_named(policy).stopping for policy in self.policies]:
            require_usable_when_stopped(self.estimators, f"under the {self.policies[0]} policy")
        for name, counts in self.groups.items():
            for budget in self.budgets:
                try:
                    require_affordable(counts, budget)
                except CountsError as error:
                    raise CountsError(f"group {name!r}: {error}") from None

    def config(self) -> dict[str, Any]:
        spent = {"budgets": list(self.budgets), "policies": list(self.policies)}
        return {"kind": "budget", "groups": described_groups(self.groups)} | spent | self.settings()

    @property
    def units(self) -> int:
        return len(self.groups) * len(self.budgets)

    def compute(self, unit: int) -> Table:
        group, at = divmod(unit, len(self.budgets))
        name, budget = list(self.groups)[group], self.budgets[at]
        counts, ks = self.groups[name], np.asarray(self.ks, np.float64)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.key), group), budget)
        labels = [(name, len(counts), budget, seed) for seed in range(self.seeds)]
        futures = [plug_in_future(counts, ks)] * self.seeds
        tables = []
        for policy in self.policies:
            usable = self._usable(policy)
            if not usable:
                continue
            trials = spend(counts, policy, budget, key, range(self.seeds))
            table = judged(rows_of_all(trials), labels, futures, usable, ks, self.window)
            tables.append(table | {"estimator": np.strings.add(f"{policy} ", table["estimator"])})
        return {column: np.concatenate([table[column] for table in tables]) for column in tables[0]}

    def _usable(self, policy: str) -> list[str]:
        fixed = policy_named(policy).stopping == "fixed"
        return [name for name in self.estimators if fixed or estimator_named(name).stopping]
