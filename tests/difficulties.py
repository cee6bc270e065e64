"""A difficulty of every family, and of every way to make one of others."""

from __future__ import annotations

import numpy as np

from lmpower.difficulty import (
    Beta,
    ContinuousBernoulli,
    Difficulty,
    Discrete,
    Kumaraswamy,
    Mixture,
    Reciprocal,
    Scaled,
    Uniform,
    ZeroInflated,
)

F = np.float64


def mixture(*parts: Difficulty, weights: tuple[float, ...]) -> Mixture:
    return Mixture(parts, np.array(weights))


DIFFICULTIES: dict[str, Difficulty] = {
    "beta": Beta(F(0.3), F(3.0)),
    "kumaraswamy": Kumaraswamy(F(0.3), F(3.0)),
    "scaled-beta": Scaled(Beta(F(0.5), F(3.5)), F(0.1)),
    "scaled-kumaraswamy": Scaled(Kumaraswamy(F(0.7), F(1.5)), F(0.8)),
    "uniform": Uniform(F(0.4)),
    "continuous-bernoulli": ContinuousBernoulli(F(0.1)),
    "reciprocal": Reciprocal(F(1e-4), F(0.5)),
    "discrete": Discrete(np.array([0.5, 0.1, 0.01]), np.array([0.2, 0.3, 0.5])),
    "zero-inflated-beta": ZeroInflated(Beta(F(0.3), F(3.0)), F(0.2)),
    "mixture": mixture(Beta(F(0.4), F(30.0)), Kumaraswamy(F(0.9), F(2.0)), weights=(0.7, 0.3)),
}
EVERY = list(DIFFICULTIES)
