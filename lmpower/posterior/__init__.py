"""Every difficulty that the counts leave plausible: posteriors, for one data set or thousands."""

from lmpower.posterior.draws import Posterior, Trust
from lmpower.posterior.sample import sample_posterior

__all__ = ["Posterior", "Trust", "sample_posterior"]
