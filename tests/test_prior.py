"""Priors: maps from a standard normal, against SciPy's laws; and what they say of pass@k."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lmpower.counts import Rows
from lmpower.difficulty import Beta, Mixture
from lmpower.difficulty.base import over_batch
from lmpower.difficulty.named import LAWS, family_named
from lmpower.fit.surface import summarise
from lmpower.likelihood import log_moments_on_points
from lmpower.numerics.grid import Reach, shared_grid
from lmpower.prior import (
    FAR,
    LogNormal,
    Marginal,
    Normal,
    Prior,
    Share,
    SinhNormal,
    Whitened,
    default_prior,
    laws_at,
    sample_prior,
)

F = np.float64
MARGINALS: dict[str, Marginal] = {
    "log-normal": LogNormal(F(0.3), F(2.5)),
    "share of two shapes": Share(F(0.7), F(2.5)),
    "share at either end": Share(F(0.5), F(1.0)),
    "share near 0": Share(F(1.0), F(4.0)),
    "normal": Normal(F(-2.5), F(2.0)),
    "sinh-normal": SinhNormal(F(2.0), F(-1.5), F(1.5)),
}
POSITIVE = [name for name in MARGINALS if "normal" not in name or name == "log-normal"]
U = np.linspace(-7, 7, 29)

SCALED = ("beta", "kumaraswamy", "continuous-bernoulli")
NAMES = (
    *LAWS,
    "discrete-3",
    *(f"scaled-{name}" for name in SCALED),
    *(f"zero-inflated-{name}" for name in LAWS),
    *(f"zero-inflated-scaled-{name}" for name in SCALED),
)
TWO_BETAS = Mixture((Beta(F(0.3), F(3.0)), Beta(F(0.3), F(3.0))), np.array([0.5, 0.5]))
FAMILIES = {name: family_named(name) for name in NAMES} | {"mixture of two betas": TWO_BETAS}


def _in_float64(function, *args):
    with jax.enable_x64(True):
        return np.asarray(jax.jit(function)(*args))


def _law_s_u(marginal: Marginal, parameter: np.ndarray) -> np.ndarray:
    """The normal of the same two-sided chance, from the tail in which it keeps its digits."""
    if isinstance(marginal, LogNormal):
        law = stats.lognorm(s=np.log(marginal.factor), scale=marginal.median)
        below, above = law.cdf(parameter), law.sf(parameter)
    elif isinstance(marginal, Share):
        log_below = np.log(parameter) * marginal.rise
        above = (-np.expm1(log_below)) ** marginal.fall
        below = -np.expm1(marginal.fall * np.log1p(-np.exp(log_below)))
    elif isinstance(marginal, Normal):
        law = stats.norm(marginal.mean, marginal.sd)
        below, above = law.cdf(parameter), law.sf(parameter)
    else:
        law = stats.norm(marginal.mean, marginal.sd)
        inner = np.arcsinh(parameter / marginal.scale)
        below, above = law.cdf(inner), law.sf(inner)
    return np.where(below < 0.5, stats.norm.ppf(below), stats.norm.isf(above))


def _tolerance(marginal: Marginal) -> np.ndarray:
    """A share next to 1 is a float64 that no longer tells how near: 1e-16 over what is left of it."""
    if not isinstance(marginal, Share):
        return np.full_like(U, 1e-9)
    left = stats.norm.sf(U) ** (1 / marginal.fall)
    return 1e-9 + 4e-16 / left


@pytest.mark.parametrize("name", MARGINALS)
def test_a_marginal_is_scipy_s_law(name):
    marginal = MARGINALS[name]
    parameter = _in_float64(marginal.parameter, U)
    assert np.all(np.abs(_law_s_u(marginal, parameter) - U) < _tolerance(marginal))


@pytest.mark.parametrize("name", MARGINALS)
def test_a_marginal_s_maps_are_each_other_s_inverse(name):
    marginal = MARGINALS[name]
    parameter = _in_float64(marginal.parameter, U)
    assert np.all(np.diff(parameter) > 0)
    assert np.all(np.abs(_in_float64(marginal.normal, parameter) - U) < _tolerance(marginal))
    log_parameter = _in_float64(marginal.log_parameter, U)
    if name in POSITIVE:
        np.testing.assert_allclose(log_parameter, np.log(parameter), rtol=1e-12, atol=1e-14)
        assert np.all(np.diff(log_parameter) > 0)
    else:
        assert np.all(np.isnan(log_parameter))


@pytest.mark.parametrize("rise", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("fall", [0.5, 1.0, 4.0])
def test_a_share_keeps_its_digits_in_both_tails(rise, fall):
    """log share = log[1 - P(U > u)^(1/fall)] / rise, by SciPy's tail, where 1 - ... loses none."""
    share = Share(F(rise), F(fall))
    log_left = stats.norm.logsf(U) / fall
    truth = np.where(log_left > -1, np.log(-np.expm1(log_left)), np.log1p(-np.exp(log_left))) / rise
    np.testing.assert_allclose(_in_float64(share.log_parameter, U), truth, rtol=1e-12)


def test_named_cases_of_a_share():
    x = np.array([0.01, 0.3, 0.9])
    beta = {(2.0, 1.0): stats.beta(2, 1), (1.0, 4.0): stats.beta(1, 4), (1.0, 1.0): stats.uniform()}
    for (rise, fall), law in beta.items():
        u = _in_float64(Share(F(rise), F(fall)).normal, x)
        np.testing.assert_allclose(stats.norm.cdf(u), law.cdf(x), rtol=1e-12)


@pytest.mark.parametrize("name", MARGINALS)
def test_a_marginal_is_finite_in_float32_out_to_the_last_place(name):
    u = np.linspace(-7.5, 7.5, 31, dtype=np.float32)
    single = jax.tree.map(np.float32, MARGINALS[name])
    # (in float32 a share next to 1 is 1: so it is the log that is carried)
    carried = "log_parameter" if name in POSITIVE else "parameter"
    ours = jax.jit(getattr(single, carried))(u)
    assert ours.dtype == np.float32
    assert np.all(np.isfinite(ours))
    truth = _in_float64(getattr(MARGINALS[name], carried), u.astype(np.float64))
    np.testing.assert_allclose(ours, truth, rtol=2e-5, atol=2e-6)
    ends = jax.jit(single.normal)(jax.jit(single.parameter)(u))
    assert not np.any(np.isnan(ends))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MARGINALS)
def test_derivatives_are_finite_and_rising(name, dtype):
    marginal = jax.tree.map(dtype, MARGINALS[name])
    carried = marginal.log_parameter if name in POSITIVE else marginal.parameter
    with jax.enable_x64(dtype is np.float64):
        u = jnp.linspace(-7.5, 7.5, 61, dtype=dtype)
        slope = jax.jit(jax.vmap(jax.grad(carried)))
        bend = jax.jit(jax.vmap(jax.grad(jax.grad(carried))))
        first, second = np.asarray(slope(u)), np.asarray(bend(u))
        step = 1e-3
        value = jax.jit(carried)
        differences = np.asarray(value(u + step) - value(u - step)) / (2 * step)
    assert np.all(np.isfinite(first))
    assert np.all(np.isfinite(second))
    assert np.all(first > 0)
    if dtype is np.float64:
        np.testing.assert_allclose(first, differences, rtol=2e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_a_prior_and_keeps_to_its_box(name):
    template = FAMILIES[name]
    prior = default_prior(name if name in NAMES else template)
    assert prior.names == template.box.names
    assert prior.summary().count("\n") == len(prior.names) - 1
    whitened = Whitened(template, prior)
    u = np.concatenate(
        [
            np.random.default_rng(0).normal(size=(40, len(prior.names))),
            np.full((1, len(prior.names)), FAR),
            np.full((1, len(prior.names)), -FAR),
            # points of a wide proposal may lie further out
            np.full((1, len(prior.names)), 30.0),
            np.full((1, len(prior.names)), -30.0),
        ]
    )
    laws = laws_at(whitened, u)
    theta = over_batch(_to_search, laws)
    box = template.box
    assert np.all(np.isfinite(theta))
    # (from probabilities back to logits, digits are lost at the far ends)
    assert np.all(theta >= np.array(box.lower) - 0.05)
    assert np.all(theta <= np.array(box.upper) + 0.05)
    near = theta[:40]
    inside = np.all((near > np.array(box.lower) + 1e-3) & (near < np.array(box.upper) - 1e-3), axis=-1)
    assert np.mean(inside) > 0.9
    # from the law back to its normals
    back = _in_float64(jax.vmap(prior.normal), near[inside])
    np.testing.assert_allclose(back, u[:40][inside], atol=1e-6)


def _to_search(law):
    return law.to_search()


@pytest.mark.parametrize("name", FAMILIES)
def test_hardly_any_prior_mass_lies_beyond_a_family_s_box(name):
    """What does is laid upon the box's ends: 1 in 1,000 draws of c."""
    prior, box = default_prior(FAMILIES[name]), FAMILIES[name].box
    draws = np.random.default_rng(1).normal(size=(20_000, len(prior.names)))
    theta = np.stack(_searched(prior, draws), axis=-1)
    outside = np.mean((theta <= box.lower) | (theta >= box.upper), axis=0)
    assert np.all(outside < 2e-3)


def _searched(prior: Prior, u: np.ndarray) -> list[np.ndarray]:
    with jax.enable_x64(True):
        return [np.asarray(each) for each in prior.search([jnp.asarray(column) for column in u.T])]


def test_a_prior_says_of_which_coordinate_it_is():
    kinds = default_prior("discrete-2").summary().splitlines()
    assert kinds[0] == "logit_p_0: normal, mean -4, standard deviation 3"
    assert kinds[2] == "logit_weight_1: normal, mean 0, standard deviation 1.5"
    lam = default_prior("continuous-bernoulli")
    assert lam.summary().startswith("logit_lam: 2 sinh of a normal")
    other = lam.replace(logit_lam=Normal(F(-3.0), F(2.0)))
    draws = sample_prior("continuous-bernoulli", 4000, key=jax.random.key(1), prior=other).logit_lam
    assert stats.kstest(draws, stats.norm(-3, 2).cdf).pvalue > 1e-3


SOME_ROWS = Rows(np.array([0.0, 1.0, 30.0]), np.array([50.0, 49.0, 20.0]), np.array([9.0, 2.0, 1.0]))


@pytest.mark.parametrize("name", ["beta", "zero-inflated-scaled-kumaraswamy", "discrete-3"])
def test_starts_are_normals_within_three(name):
    with jax.enable_x64(True):
        starts = np.asarray(Whitened(FAMILIES[name], default_prior(name)).starts(summarise(SOME_ROWS)))
    assert np.all(np.abs(starts) <= 3)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_in_float32_stays_there(name):
    """Guards against a float64 that leaks into the climb of a batch, where JAX warns of it."""
    whitened = Whitened(FAMILIES[name], default_prior(FAMILIES[name]))

    def begin(family, rows):
        starts = family.starts(summarise(rows))
        return starts, family.from_search(starts[0])

    with jax.enable_x64(True):
        narrow = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float32), (whitened, SOME_ROWS))
        found = jax.eval_shape(begin, *narrow)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}


def test_another_prior_for_one_parameter():
    prior = default_prior("scaled-beta")
    other = prior.replace(alpha=LogNormal(F(1.0), F(1.5)), c=Share(F(2.0), F(1.0)))
    assert other.names == prior.names
    assert other.marginals[1] == prior.marginals[1]
    assert "median 1, a factor 1.5 either way" in other.summary()
    assert "Kumaraswamy(2, 1)" in other.summary()
    draws = sample_prior("scaled-beta", 4000, key=jax.random.key(1), prior=other)
    alpha, c = draws.base.alpha, draws.c
    assert stats.kstest(alpha, stats.lognorm(s=np.log(1.5)).cdf).pvalue > 1e-3
    assert stats.kstest(c, stats.beta(2, 1).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("marginals", "words"),
    [
        ({"gamma": Normal(F(0.0), F(1.0))}, "the family has no 'gamma': it has alpha, beta, c, pi0"),
        ({"alpha": 0.3}, "the prior of alpha must be a Marginal, not 0.3"),
        ({"alpha": Normal(F(0.3), F(0.1))}, "the prior of alpha must be of a positive parameter"),
        ({"beta": SinhNormal(F(2.0), F(0.0), F(1.0))}, "the prior of beta must be of a positive"),
        ({"alpha": LogNormal(F(0.3), F(0.5))}, "the prior of alpha must rise with u and be finite"),
        ({"alpha": LogNormal(F(0.3), F(1.0))}, "the prior of alpha must rise with u and be finite"),
        ({"alpha": LogNormal(F(-1.0), F(2.0))}, "the prior of alpha must rise with u and be finite"),
        ({"pi0": Share(F(1.0), F(0.0))}, "the prior of pi0 must rise with u and be finite"),
        ({"c": Share(F(-1.0), F(1.0))}, "the prior of c must rise with u and be finite"),
    ],
)
def test_a_prior_that_cannot_be_is_refused_in_one_line(marginals, words):
    prior = default_prior("zero-inflated-scaled-beta")
    with pytest.raises(ValueError, match=words) as error:
        prior.replace(**marginals)
    assert "\n" not in str(error.value)


def test_what_cannot_be_asked_for_is_repeated():
    with pytest.raises(ValueError, match="unknown family 'gamma'"):
        default_prior("gamma")
    with pytest.raises(ValueError, match="unknown family 'gamma'"):
        sample_prior("gamma", 10, key=jax.random.key(0))
    with pytest.raises(ValueError, match="the prior is of alpha, beta, and the family has high"):
        sample_prior("uniform", 5, key=jax.random.key(0), prior=default_prior("beta"))
    with pytest.raises(ValueError, match="draws must be at least 1, not 0"):
        sample_prior("beta", 0, key=jax.random.key(0))


def test_a_family_of_one_s_own_is_asked_for_its_prior():
    class Shifted(Beta):
        @property
        def box(self):
            return super().box._replace(names=("alpha", "shift"))

    with pytest.raises(ValueError, match="no default prior for 'shift'"):
        default_prior(Shifted(F(0.3), F(3.0)))


def test_draws_depend_on_the_key_alone():
    one, same, other = (sample_prior("scaled-beta", 50, key=jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(one.base.alpha, same.base.alpha)
    assert not np.any(one.base.alpha == other.base.alpha)
    assert one.base.alpha.dtype == np.float64


# --- what the priors say of pass@k ---

KS = np.array([1.0, 100.0, 10_000.0])
_GRID = shared_grid(Reach.holding(0, 10_000), 1.5, True)
_ROWS = Rows(np.zeros(3), KS, np.ones(3))


def _curve(law):
    return -jnp.expm1(log_moments_on_points(law, _ROWS, _GRID))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_prior_says_of_pass_at_k_is_broad(name):
    """The 5, 50 and 95 % points of 2,000 draws; those of the day are in docs/posteriors.md."""
    draws = sample_prior(FAMILIES[name], 2000, key=jax.random.key(0))
    passed = over_batch(_curve, draws)
    assert np.all((passed > -1e-9) & (passed <= 1))
    assert np.all(np.diff(passed, axis=1) >= -1e-12)
    (low1, low100, low), (middle1, middle100, middle), (high1, high100, high) = np.quantile(
        passed, [0.05, 0.5, 0.95], axis=0
    )
    # one attempt: from problems that are hard for everybody to easy ones, over more than a decade
    assert low1 < 0.03
    assert 1e-4 < middle1 < 0.3
    assert high1 > 0.12
    assert high1 > 12 * low1
    # a hundred: neither hopeless nor done
    assert 0.01 < middle100 < 0.98
    assert high100 > 0.75
    # ten thousand: some problems may be left
    assert 0.15 < middle <= 1
    assert high > 0.9
    assert low100 < 0.7
    # (few kinds of problem, all likelier than one in 10,000; or an exponent of 1)
    if name not in ("discrete-2", "discrete-3", "continuous-bernoulli"):
        assert low < 0.97
    # the tail exponent goes from the least to the largest that has been published
    exponent = over_batch(_exponent, draws)
    if not np.any(np.isnan(exponent)) and np.ptp(exponent) > 0:
        assert np.quantile(exponent, 0.05) < 0.08
        assert np.quantile(exponent, 0.95) > 0.9 or "mixture" in name


def _exponent(law):
    return law.tail().exponent
