"""Difficulty laws, one family a file, and compositions of them.

* ``Beta``, ``Kumaraswamy``: two parameters, a power-law tail of exponent alpha;
* ``Scaled``, ``ZeroInflated``, ``Mixture``: difficulties made of difficulties;
* ``Uniform``, ``ContinuousBernoulli``, ``Reciprocal``: the other rows of the theory's table;
* ``Discrete``: finitely many kinds of problem.
"""

from lmpower.difficulty.base import Difficulty, Points, Tail
from lmpower.difficulty.beta import Beta
from lmpower.difficulty.continuous import Continuous
from lmpower.difficulty.continuous_bernoulli import ContinuousBernoulli
from lmpower.difficulty.discrete import Discrete
from lmpower.difficulty.kumaraswamy import Kumaraswamy
from lmpower.difficulty.mixture import Mixture
from lmpower.difficulty.reciprocal import Reciprocal
from lmpower.difficulty.scaled import Scaled
from lmpower.difficulty.uniform import Uniform
from lmpower.difficulty.zero_inflated import ZeroInflated

__all__ = [
    "Beta",
    "Continuous",
    "ContinuousBernoulli",
    "Difficulty",
    "Discrete",
    "Kumaraswamy",
    "Mixture",
    "Points",
    "Reciprocal",
    "Scaled",
    "Tail",
    "Uniform",
    "ZeroInflated",
]
