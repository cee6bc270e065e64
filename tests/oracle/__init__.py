"""Independent answers to test lmpower against. Nothing here imports lmpower.

quadrature.py   integrals in mpmath, to any number of digits
moments.py      log E_F[p^s (1-p)^f] of every law, and its derivatives
likelihood.py   the log likelihood of counts, in float64
fits.py         the highest likelihood, by a slow and patient search
posterior.py    the posterior of a Beta-binomial, on a dense grid

Everything rests on one substitution. With p = c x and w = logit(x), every law here has a density
in w that is analytic in the strip |Im w| < pi/2 and falls exponentially at both ends, so
Gauss-Legendre on panels converges geometrically and endpoint singularities (beta < 1) are gone.
"""

from .fits import best_fit
from .likelihood import PARAMETERS, Rows, log_likelihood
from .moments import (
    log_moment_beta,
    log_moment_continuous_bernoulli,
    log_moment_derivatives,
    log_moment_discrete,
    log_moment_kumaraswamy,
    log_moment_mixture,
    log_moment_reciprocal,
    log_moment_scaled_beta,
    log_moment_scaled_kumaraswamy,
    log_moment_uniform,
    log_moment_zero_inflated,
    mp_log_beta,
)

__all__ = [
    "PARAMETERS",
    "Rows",
    "best_fit",
    "log_likelihood",
    "log_moment_beta",
    "log_moment_continuous_bernoulli",
    "log_moment_derivatives",
    "log_moment_discrete",
    "log_moment_kumaraswamy",
    "log_moment_mixture",
    "log_moment_reciprocal",
    "log_moment_scaled_beta",
    "log_moment_scaled_kumaraswamy",
    "log_moment_uniform",
    "log_moment_zero_inflated",
    "mp_log_beta",
]
