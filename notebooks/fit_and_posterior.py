# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fit and posterior
#
# Which law of difficulty lies behind the counts? A *fit* is the one under which they are most probable.
# A *posterior* is every law that they leave plausible, each as often as it deserves, and so it brings
# intervals for whatever is read off a law. The example is made up, so that the truth is known: `p ~
# Beta(.3, 8)`, 128 problems, 100 attempts each.

# %%
# %matplotlib inline
import jax
import numpy as np
from ipywidgets import IntSlider, interact
from matplotlib.figure import Figure

import lmpower
from lmpower.compare import check_fit, compare_families
from lmpower.datasets import example, example_truth
from lmpower.plot import plot_difficulty, plot_exponents, plot_pairs

counts, truth = example("model-a"), example_truth("model-a")
print(counts)

# %% [markdown]
# ## The fit
#
# The likelihood of a problem with `s` of `n` solved is `C(n, s) E[p^s (1-p)^(n-s)]`. `fit_difficulty`
# maximises the sum of its logs.

# %%
fit = lmpower.fit_difficulty(counts, "beta")
print(fit.summary())
assert fit.ok
assert float(fit.log_likelihood) > float(
    sum(
        weight * (row_choose + truth.log_moment(s, f))
        for s, f, weight, row_choose in zip(
            fit.rows.successes, fit.rows.failures, fit.rows.weight, fit.rows.log_choose, strict=True
        )
    )
), "no law can be more probable than the most probable one, not even the truth"

# %%
plot_difficulty(fit, counts)

# %% [markdown]
# **How sure?** The profile likelihood lets the other parameters follow. It needs no prior and is the
# same in any coordinates; like the exponent's likelihood it is not symmetric.

# %%
low, high = lmpower.profile_interval(fit, 0.9)
print(f"tail exponent {float(fit.tail_exponent):.3f}, 90 % profile interval {low:.3f} to {high:.3f}")
print("standard errors of the exponent, if the family is right or if it is not:",
      lmpower.standard_error(fit).round(3), lmpower.standard_error(fit, "sandwich").round(3))  # fmt: skip
assert low < 0.3 < high

# %% [markdown]
# **No answer is an answer.** Where counts do not determine a law, the fit has a status and a sentence,
# and its numbers are nan.

# %%
nothing = lmpower.fit_difficulty(lmpower.Counts(np.full(20, 50), np.zeros(20, int)))
print(nothing.ok, nothing.sentence, float(nothing.tail_exponent))
assert not nothing.ok
assert np.isnan(nothing.tail_exponent)

# %% [markdown]
# ## The posterior
#
# It needs a prior, which can be read and changed. That of the tail exponent has its median at .3, and
# .031 and 2.9 hold 90 % of it: wide enough for the published ones, and where most problems are too hard.

# %%
prior = lmpower.default_prior("beta")
print(prior)
middle_90 = 0.3 * 4.0 ** np.array([-1.645, 1.645])  # the factor is one standard deviation of the log
assert middle_90.round(3).tolist() == [0.031, 2.934]
posterior = lmpower.sample_posterior(counts, "beta", key=jax.random.key(0))
print(posterior.summary())
assert posterior.ok

# %%
plot_pairs(posterior, truth=truth)

# %% [markdown]
# `posterior.ok` says whether to believe it, `posterior.sentence` why not. Weighted points are checked by
# Pareto's k, chains by R-hat and divergences. What is asked of a law is asked of each draw:

# %%
at_1000 = posterior.along(type(truth).pass_at_k, np.array(1000.0))
estimate = posterior.estimate(at_1000)
ends = f"{float(estimate.lower):.3f} to {float(estimate.upper):.3f}"
print(
    f"pass@1,000: median {float(estimate.median):.3f}, 90 % {ends}; true {float(truth.pass_at_k(1000)):.3f}"
)

# %% [markdown]
# ## What more attempts buy
#
# Hide all but `n` attempts of each problem, drawn without replacement, and sample again. The interval of
# the exponent narrows slowly: it is the number of problems that is small.


# %%
def show_budget(attempts: int) -> Figure:
    """The exponent from ``attempts`` of the 100 attempts, beside that from all of them."""
    beside = {"100 attempts": posterior}
    if attempts < 100:
        seen = counts.thin(attempts, jax.random.key(1))
        few = lmpower.sample_posterior(seen, "beta", key=jax.random.key(0))
        beside = {f"{attempts} attempts": few} | beside
    return plot_exponents(beside, truth=dict.fromkeys(beside, 0.3))


show_budget(10)

# %%
_ = interact(show_budget, attempts=IntSlider(value=10, min=2, max=100, continuous_update=False))
# %% [markdown]
# ## Is it the right family?
#
# Every interval above is within the Beta family. Two families that predict the counts equally well may
# forecast different things, and that difference is part of what is not known. `compare_families` scores
# how well each predicts a problem that was left out; `check_fit` asks whether the family can make counts
# like these at all.

# %%
comparison = compare_families(counts, ["beta", "kumaraswamy"], key=jax.random.key(1))
print(comparison.summary())

# %%
print(check_fit(posterior, counts, key=jax.random.key(2)).summary())

# %% [markdown]
# Next: [forecasts, and how wrong they would have been](forecast_and_backtest.py).
