"""Difficulty laws, one family a file, and compositions of them.

* ``Beta``, ``Kumaraswamy``: two parameters, a power-law tail of exponent alpha;
* ``Scaled``, ``ZeroInflated``, ``Mixture``: difficulties made of difficulties;
* ``Uniform``, ``ContinuousBernoulli``, ``Reciprocal``: the other rows of the theory's table;
* ``Discrete``: finitely many kinds of problem.
"""

from lmpower.difficulty.base import Difficulty, Points, Tail
from lmpower.difficulty.beta import Beta
from lmpower.difficulty.bounded import ContinuousBernoulli, Reciprocal, Uniform
from lmpower.difficulty.compose import Mixture, Scaled, ZeroInflated
from lmpower.difficulty.continuous import Continuous
from lmpower.difficulty.discrete import Discrete
from lmpower.difficulty.kumaraswamy import Kumaraswamy

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
