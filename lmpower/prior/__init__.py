"""What is believed of a difficulty before any counts: one law for each search coordinate.

A prior is a map from independent standard normals u to a family's search coordinates,

    theta_d = t_d(u_d),    u ~ N(0, I),

so that in u every family's prior is the same and a posterior is N(0, I) times the likelihood. Samplers,
importance weights and groups that share their parameters work in u and never see a family. `Whitened`
is the family in those coordinates, with which everything that fits it in its own works as it is.
"""

from lmpower.prior.defaults import default_prior, prior_given
from lmpower.prior.independent import FAR, Prior
from lmpower.prior.marginals import LogNormal, Marginal, Normal, Share, SinhNormal
from lmpower.prior.whitened import Whitened, laws_at, sample_prior

__all__ = [
    "FAR",
    "LogNormal",
    "Marginal",
    "Normal",
    "Prior",
    "Share",
    "SinhNormal",
    "Whitened",
    "default_prior",
    "laws_at",
    "prior_given",
    "sample_prior",
]
