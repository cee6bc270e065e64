"""Pareto smoothing of importance weights, and the figure that says whether they can be trusted.

The largest of S weights are replaced by the expected order statistics of a generalised Pareto law fitted
to them; its shape k says how many moments the weights have. Above .7 no practical number of draws
gives reliable means (Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25(72)). The fit is the weighted
profile of Zhang & Stephens (2009, Technometrics 51, 316), k drawn towards .5 as if ten more weights
had been seen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Weights with a larger k are not to be trusted.
MOST_K = 0.7


def smoothed(
    log_weight: Float[np.ndarray, "B S"],
) -> tuple[Float[np.ndarray, "B S"], Float[np.ndarray, " B"]]:
    """Log weights with smoothed tails, normalised to sum to 1, and the Pareto k of each line.

    k is -inf where all of the largest weights are equal.
    """
    size = log_weight.shape[-1]
    tail = int(np.ceil(min(0.2 * size, 3 * np.sqrt(size))))
    log_weight = log_weight - np.max(log_weight, axis=-1, keepdims=True)
    order = np.argsort(log_weight, axis=-1, kind="stable")
    ranked = np.take_along_axis(log_weight, order, axis=-1)
    cut = np.maximum(ranked[:, -tail - 1], np.log(np.finfo(np.float64).tiny))[:, None]
    # (weights of which fewer than the tail's are any have excesses of 0)
    excess = np.maximum(np.exp(ranked[:, -tail:]) - np.exp(cut), 0.0)
    flat = excess[:, -1] <= 0
    k, sigma = fit_generalised_pareto(np.where(flat[:, None], np.arange(1, tail + 1.0), excess))
    share = (np.arange(tail) + 0.5) / tail
    # quantiles of the fitted law, none above the largest weight seen
    kept = np.where(np.abs(k) < 1e-12, 1e-12, k)[:, None]
    with np.errstate(over="ignore"):
        quantiles = sigma[:, None] * np.expm1(-kept * np.log1p(-share)) / kept
    smooth = np.minimum(np.log(quantiles + np.exp(cut)), 0.0)
    ranked[:, -tail:] = np.where(flat[:, None], ranked[:, -tail:], smooth)
    result = np.empty_like(ranked)
    np.put_along_axis(result, order, ranked, axis=-1)
    largest = np.max(result, axis=-1, keepdims=True)
    total = largest + np.log(np.sum(np.exp(result - largest), axis=-1, keepdims=True))
    return result - total, np.where(flat, -np.inf, k)


def fit_generalised_pareto(
    excess: Float[np.ndarray, "B M"],
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """Shape k and scale sigma of each line of excesses, which must rise along it."""
    size = excess.shape[-1]
    grid = 30 + int(np.sqrt(size))
    # candidates b = -k/sigma around the inverse of the largest excess
    spread = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    quartile = excess[:, int(size / 4 + 0.5) - 1, None]
    b = spread / (3 * np.maximum(quartile, np.finfo(np.float64).tiny)) + 1 / excess[:, -1:]
    shape = np.mean(np.log1p(-b[:, None, :] * excess[..., None]), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = size * (np.log(-b / shape) - shape - 1)
    profile = np.where(np.isnan(profile), -np.inf, profile)
    weight = np.exp(profile - np.max(profile, axis=-1, keepdims=True))
    b = np.sum(b * weight, axis=-1) / np.sum(weight, axis=-1)
    k = np.mean(np.log1p(-b[:, None] * excess), axis=-1)
    sigma = -k / b
    return (k * size + 0.5 * 10) / (size + 10), sigma


def effective(log_weight: Float[np.ndarray, "*B S"]) -> Float[np.ndarray, "*B"]:
    """How many equal draws the weights are worth, (sum w)^2 / sum w^2."""
    weight = np.exp(log_weight - np.max(log_weight, axis=-1, keepdims=True))
    return np.asarray(np.sum(weight, axis=-1) ** 2 / np.sum(weight**2, axis=-1))
