"""Quantiles of the standard normal law, on the host."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist

import numpy as np
from jaxtyping import Float


def normal_quantiles(levels: Iterable[float]) -> Float[np.ndarray, " Q"]:
    """x with P(Z <= x) = level, for every level in (0, 1)."""
    return np.array([NormalDist().inv_cdf(level) for level in levels])
