"""Groups whose difficulties are alike in part: models, benchmarks, checkpoints of one model.

In the prior's normal coordinates (``prior``) each group g has its own u_g. They are tied together by

    u_gd = sqrt(r_d) m_d + sqrt(1 - r_d) z_gd,    m_d, z_gd ~ N(0, 1),    r_d ~ Uniform(0, 1),

a middle m that all groups share and what is each one's own, in shares that the counts decide, for every
coordinate d. Whatever r, a single group's prior stays N(0, I), the same as alone: r_d = 0 is no pooling,
r_d = 1 is one law for all, and in between a group with few problems borrows from the others. It is
Gelman & Hill's varying intercepts (2007, chapter 12) with the total variance known.

With a covariate x a coordinate gets a trend, + b x_g, where x is standardised over the groups and
b ~ N(0, 1): from one standard deviation of x to the next the coordinate moves by about as much as its
prior is wide. The tail exponent's coordinate is the log of it over log(factor) (``prior.LogNormal``), so
that b stands for a change of log alpha by b log(factor)/sd(x) for each unit of x as given. Of a group at
x_g the prior is wider then, N(0, 1 + x_g^2).

Chains run in coordinates made for them. Given r all of u is linear in normals v = (m, b, z), u = A(r) v.
Were the groups' likelihoods normal, exp(h u - u P u/2) with h and P from each group sampled alone, v would
be too, with precision Q = I + A'PA = LL'; so we sample e in

    v = L^-T (e + L^-1 A'h),

whose posterior is then N(0, I) for every r, and nearly so as things are: it leaves no funnel at r = 1, and
no slow valley. On four models with 10,000 attempts at 128 problems a draw of alpha and beta takes 7 leaps,
and r has some 1,000 effective draws in 1,000; with z for e it takes 42 leaps and has 370, with u for e
15 and 380. The likelihoods are exact throughout: h and P decide how long it takes, not what is found.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int
from numpyro.infer.util import constrain_fn, potential_energy

from lmpower.counts import Counts, Rows, stack_rows, widened
from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.named import family_given
from lmpower.fit.chunks import used_rows
from lmpower.fit.devices import devices, elsewhere
from lmpower.fit.lanes import FINEST, Lanes
from lmpower.fit.surface import FINE, Tile, reach_of
from lmpower.likelihood import Blocks, normalised, slope
from lmpower.numerics.grid import Grid, filled_up, shared_grid
from lmpower.posterior.draws import Posterior
from lmpower.posterior.nuts import Chains, one_chain, with_gradient
from lmpower.posterior.sample import labels_may_switch, off_the_grid, sample_posterior
from lmpower.posterior.together import Together, listed
from lmpower.posterior.trust import Trust, chain_diagnostics, trust_in
from lmpower.prior import LogNormal, Normal, Prior, Whitened, laws_at, prior_given

_CHAINS, _WARMUP = 4, 150
# One draw in so many is kept; chains that have not mixed run once more, that much longer.
_THINNINGS = (3, 12)
# Draws of each group alone, from which its likelihood's normal likeness is taken.
_ALONE = 1000
# Rows and nodes taken at a time, of all groups; arrays hold so many of either, or a multiple.
_TILE, _ROWS, _NODES = Tile(1, 16, 128), 128, 8192
# NumPyro's handlers are a stack that all threads share: one at a time may look at the model.
_LOOKING = threading.Lock()


def sample_together(
    groups: Mapping[str, Counts],
    family: str | Difficulty = "beta",
    *,
    key: jax.Array,
    covariate: Mapping[str, float] | None = None,
    trend_of: str = "alpha",
    draws: int = 1000,
    prior: Prior | None = None,
) -> Together:
    """The posterior of several groups' difficulties, whose parameters are shared as far as they agree.

    Two parameters of eight groups take less than a minute on two cores, most of it to compile.

    Args:
        groups: counts by the names of their groups, at least two.
        family: a name (``difficulty.named``) or a difficulty of the structure wanted; not one of parts that
            have no order of their own (discrete laws, mixtures).
        key: from ``jax.random.key``.
        covariate: a number for each group, such as the log of a model's size, on which ``trend_of`` may
            depend in a straight line.
        trend_of: a parameter whose prior is log-normal or normal.
        draws: how many to keep, a multiple of 4 from 8 on.
        prior: of a single group; the family's own (``default_prior``) unless given.

    Returns:
        A ``Together``. Check ``together.ok``: one that has not mixed is a status with a sentence.

    Raises:
        ValueError: for no mapping of counts, fewer than two groups, a family of parts, an unknown family or
            parameter, a covariate that lacks a group or is the same for all, draws out of range, or a
            prior of another family.
    """
    names = _checked_names(groups)
    if draws < 8 or draws % _CHAINS:
        raise ValueError(f"draws must be a multiple of {_CHAINS} and at least 8, not {draws}")
    template = family_given(family)
    if labels_may_switch(template):
        raise ValueError(
            f"the parts of {family if isinstance(family, str) else type(family).__name__!r} have no order "
            "of their own, so that groups cannot share them: take a family such as 'beta' or "
            "'zero-inflated-kumaraswamy'"
        )
    prior = prior_given(prior, template)
    x = None if covariate is None else checked_covariate(covariate, names)
    step = 1.0 if x is None else _straight(prior, trend_of)
    rows = stack_rows([groups[name].rows() for name in names])
    alone = sample_posterior(rows, template, key=key, draws=_ALONE, prior=prior, fall_back=False)
    whitened = Whitened(template, prior)
    raised = None
    if x is not None:
        at = np.array([name == trend_of for name in prior.names])
        raised = np.outer((x - np.mean(x)) / np.std(x), at)
    words = np.asarray(jax.random.key_data(key)).ravel()
    for thinning in _THINNINGS:
        found = _found(rows, whitened, alone, raised, words, draws, thinning)
        trend = None if x is None else found.slope[..., 0] * step / np.std(x)
        together = _gathered(found, rows, whitened, names, trend, x, None if x is None else trend_of)
        if together.ok:
            break
    return together


def _checked_names(groups: Mapping[str, Counts]) -> tuple[str, ...]:
    if not isinstance(groups, Mapping):
        raise ValueError(f"groups must be a mapping of names to Counts, not {type(groups).__name__}")
    names = tuple(groups)
    if len(names) < 2:
        raise ValueError(f"it takes at least two groups to share anything; got {listed(names) or 'none'}")
    for name in names:
        if not isinstance(groups[name], Counts):
            raise ValueError(f"group {name!r} must be Counts, not {type(groups[name]).__name__}")
    return names


def checked_covariate(covariate: Mapping[str, float], names: tuple[str, ...]) -> Float[np.ndarray, " G"]:
    """A covariate as numbers in the order of the groups.

    Raises:
        ValueError: if it lacks a group, has one more, is not finite, or is the same for all.
    """
    missing = [name for name in names if name not in covariate]
    if missing:
        raise ValueError(f"the covariate lacks {listed(missing)}: it has {listed(tuple(covariate))}")
    unknown = [name for name in covariate if name not in names]
    if unknown:
        raise ValueError(f"the covariate has {listed(unknown)}, but the groups are {listed(names)}")
    x = np.array([float(covariate[name]) for name in names])
    if not np.all(np.isfinite(x)):
        name = names[int(np.argmin(np.isfinite(x)))]
        raise ValueError(f"the covariate of {name!r} must be finite, not {covariate[name]!r}")
    if np.ptp(x) == 0:
        raise ValueError(f"the covariate must differ between groups; it is {x[0]:g} for all")
    return x


def _straight(prior: Prior, trend_of: str) -> float:
    """By how much the search coordinate moves as u moves by 1."""
    steps = {}
    for name, marginal in zip(prior.names, prior.marginals, strict=True):
        if isinstance(marginal, LogNormal):
            steps[name] = math.log(float(marginal.factor))
        elif isinstance(marginal, Normal):
            steps[name] = float(marginal.sd)
    if trend_of not in steps:
        allowed = listed(tuple(steps)) or "none of this family's"
        raise ValueError(
            f"trend_of must be a parameter with a log-normal or normal prior ({allowed}), not {trend_of!r}"
        )
    return steps[trend_of]


# --- the model -------------------------------------------------------------------------------------


class _Task(NamedTuple):
    """What the model works on.

    Attributes:
        family: whitened.
        rows: of the groups, [G, R].
        grid: that holds the largest group, filled up.
        used_rows, used_nodes: blocks of either.
        precision, pull: P and h of each group's likelihood, were it normal, [G, D, D] and [G, D].
        raised: standardised covariate of the coordinate with the trend, 0 of the others, [G, D]; or None.
    """  # NumPy's on the host, JAX's in the program: hence Any

    family: Any
    rows: Any
    grid: Grid
    used_rows: Any
    used_nodes: Any
    precision: Any
    pull: Any
    raised: Any


def _model(task: _Task) -> None:
    """The formulas atop the file, as a NumPyro model."""
    groups, size = task.pull.shape
    every = size + (task.raised is not None) + groups * size
    shared = numpyro.sample("shared", dist.Uniform(jnp.zeros(size), jnp.ones(size)).to_event(1))
    e = numpyro.sample("e", dist.Normal(jnp.zeros(every), 1.0).to_event(1))
    a = _ways(shared, task.raised, groups)
    bent = jnp.einsum("gde,gen->gdn", task.precision, a.reshape(groups, size, every))
    root = jnp.linalg.cholesky(jnp.eye(every) + a.T @ bent.reshape(a.shape))
    mean = solve_triangular(root, a.T @ task.pull.ravel(), lower=True)
    v = solve_triangular(root, e + mean, lower=True, trans="T")
    # v is standard normal a priori, and dv = de/|L|
    log_volume = jnp.sum(jnp.log(jnp.diagonal(root)))
    numpyro.factor("v", 0.5 * jnp.sum(e**2) - 0.5 * jnp.sum(v**2) - log_volume)
    u = (a @ v).reshape(groups, size)
    log_likelihood = with_gradient(functools.partial(_slopes, task))(u)
    numpyro.factor("counts", jnp.sum(log_likelihood))
    numpyro.deterministic("u", u)
    numpyro.deterministic("log_likelihood", log_likelihood)
    numpyro.deterministic("middle", v[:size])
    numpyro.deterministic("slope", v[size : every - groups * size])


def _ways(shared: Float[Array, " D"], raised: Array | None, groups: int) -> Float[Array, "GD N"]:
    """A: how every group's coordinates come from the middle, the trend, and what is its own."""
    middle = jnp.tile(jnp.diag(jnp.sqrt(shared)), (groups, 1))
    own = jnp.diag(jnp.tile(jnp.sqrt(1 - shared), groups))
    trend = [] if raised is None else [raised.reshape(-1, 1)]
    return jnp.concatenate([middle, *trend, own], axis=1)


@jax.jit  # (traced once for all the places where a sampler's program has it)
def _slopes(task: _Task, u: Float[Array, "G D"]) -> tuple[Float[Array, " G"], Float[Array, "G D"]]:
    """Every group's log-likelihood without log C(n, s), and its gradient."""
    blocks = Blocks(_TILE.rows, _TILE.nodes, task.used_rows, task.used_nodes)
    return jax.vmap(lambda u, rows: slope(task.family, u, rows, task.grid, blocks))(u, task.rows)


# --- the draws -------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """Of C chains of S draws: [C, S, ..]."""  # NumPy's on the host, JAX's in the program: hence Any

    u: Any
    log_likelihood: Any
    shared: Any
    middle: Any
    slope: Any
    divergent: Any


def _found(
    rows: Rows,
    family: Whitened,
    alone: Posterior,
    raised: np.ndarray | None,
    words: np.ndarray,
    draws: int,
    thinning: int,
) -> _Found:
    size, rows = len(family.prior.names), normalised(rows)
    lanes = Lanes.over(rows, family, np.stack([np.zeros(size), np.ones(size)]))
    rng = np.random.default_rng([*words.tolist(), 0, 3])
    every = size + (raised is not None) + alone.u.shape[0] * size
    # as wide as what they will find, or wider
    start = {"e": rng.normal(size=(_CHAINS, every)), "shared": rng.logistic(size=(_CHAINS, size))}
    seeds = rng.integers(2**32, size=(_CHAINS, 2), dtype=np.uint32)
    for refinement in (FINE, FINEST):
        found = _run(
            _task(rows, family, alone, raised, refinement), start, seeds, draws // _CHAINS, thinning
        )
        u, log_likelihood = (np.moveaxis(each, 2, 0) for each in (found.u, found.log_likelihood))
        if refinement == FINEST or not np.any(off_the_grid(lanes, Chains(u, log_likelihood, None))):
            break
    return found


def _task(
    rows: Rows, family: Whitened, alone: Posterior, raised: np.ndarray | None, refinement: float
) -> _Task:
    width = rows.weight.shape[-1]
    grid = shared_grid(reach_of(rows), refinement, family.needs_span)
    mean = np.mean(alone.u, axis=1)
    off = alone.u - mean[:, None]
    # the precision of a group alone is that of its counts and 1 for the prior's
    variances, axes = np.linalg.eigh(np.einsum("gsd,gse->gde", off, off) / off.shape[1])
    in_all = np.maximum(1 / np.maximum(variances, 1e-12), 1.0)
    whole = (axes * in_all[:, None, :]) @ axes.swapaxes(1, 2)
    return _Task(
        family=jax.tree.map(np.float64, family),
        rows=widened(rows, -(-width // _ROWS) * _ROWS),
        grid=filled_up(grid, _NODES),
        used_rows=np.int32(-(-np.max(used_rows(rows)) // _TILE.rows)),
        used_nodes=np.int32(-(-grid.nodes.log_x.size // _TILE.nodes)),
        precision=whole - np.eye(whole.shape[-1]),
        pull=np.einsum("gde,ge->gd", whole, mean),
        raised=raised,
    )


def _run(task: _Task, start: dict[str, np.ndarray], seeds: np.ndarray, draws: int, thinning: int) -> _Found:
    """All chains: on a CPU each by itself, so that none waits for another; else side by side."""
    parts = np.split(np.arange(_CHAINS), _CHAINS if devices()[0].platform == "cpu" else 1)

    def arguments(index: np.ndarray) -> tuple[Any, ...]:
        return task, {name: leaf[index] for name, leaf in start.items()}, seeds[index], np.int64(thinning)

    def job(index: np.ndarray) -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, _chains(*arguments(index), draws=draws))

    with _LOOKING, jax.enable_x64(True):
        _chains.trace(*arguments(parts[0]), draws=draws)
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(elsewhere(functools.partial(job, index))) for index in parts]
        done = [each.result() for each in waiting]
    return _Found(*(np.concatenate(leaf) for leaf in zip(*done, strict=True)))


@functools.partial(jax.jit, static_argnames=("draws",))
def _chains(
    task: _Task, start: dict[str, Array], seeds: Int[Array, "C W"], thinning: Array, *, draws: int
) -> _Found:
    def kept(state: Any) -> dict[str, Array]:
        return constrain_fn(_model, (task,), {}, state.z, return_deterministic=True)

    def chain(start: dict[str, Array], seed: Array) -> _Found:
        def potential(z: dict[str, Array]) -> Array:
            return potential_energy(_model, (task,), {}, z)

        found, divergent = one_chain(potential, start, seed, kept, _WARMUP, draws, thinning)
        return _Found(**{name: found[name] for name in _Found._fields[:-1]}, divergent=divergent)

    if seeds.shape[0] > 1:
        return jax.vmap(chain)(start, seeds)
    # (a program of one chain is shorter without a batch, in which every choice computes both ways)
    one = chain(*jax.tree.map(lambda leaf: leaf[0], (start, seeds)))
    return jax.tree.map(lambda leaf: leaf[None], one)


def _gathered(
    found: _Found,
    rows: Rows,
    family: Whitened,
    names: tuple[str, ...],
    trend: np.ndarray | None,
    covariate: np.ndarray | None,
    trend_of: str | None,
) -> Together:
    groups, draws = len(names), found.log_likelihood.shape[0] * found.log_likelihood.shape[1]
    tying = np.concatenate([found.shared, found.middle, found.slope], axis=-1)
    r_hat, ess = chain_diagnostics(tying[None])
    own = np.concatenate([found.u, found.log_likelihood[..., None]], axis=-1)
    own_r_hat, own_ess = chain_diagnostics(np.moveaxis(own, 2, 0))
    divergent = int(np.sum(found.divergent))
    share, unmeasured = np.full(groups, divergent / draws), np.full(groups, np.nan)
    # a group's draws are joint with the others': what has not mixed there is not to be believed here
    group_r_hat = np.maximum(own_r_hat, r_hat)
    trust = trust_in(rows, group_r_hat, own_ess, share, unmeasured, draws)
    whole = trust_in(rows, r_hat, np.minimum(ess, np.min(own_ess)), share, unmeasured, draws)
    failures = [int(code) for code in (*trust, *whole) if code > Trust.ALL_SUCCESS]
    u = np.moveaxis(found.u.reshape(draws, groups, -1), 1, 0)
    chosen = np.sum(rows.weight * rows.log_choose, axis=-1)
    posteriors = Posterior(
        difficulty=laws_at(family, u),
        u=u,
        log_likelihood=found.log_likelihood.reshape(draws, groups).T + chosen[:, None],
        log_evidence=unmeasured,
        rows=rows,
        r_hat=group_r_hat,
        ess=own_ess,
        divergences=np.full(groups, divergent),
        pareto_k=unmeasured,
        trust=trust,
        chains=np.full(groups, _CHAINS),
        prior=family.prior,
        joint=hashlib.sha256(u.tobytes()).hexdigest()[:16],
    )
    return Together(
        posteriors=posteriors,
        shared=found.shared.reshape(draws, -1),
        middle=found.middle.reshape(draws, -1),
        trend=None if trend is None else trend.reshape(draws),
        covariate=covariate,
        r_hat=r_hat[0],
        ess=ess[0],
        divergences=np.asarray(divergent),
        trust=np.asarray(max(failures, default=int(Trust.OK))),
        names=names,
        trend_of=trend_of,
    )
