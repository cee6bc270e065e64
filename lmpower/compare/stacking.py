"""Weights under which the families' mixture predicts problems left out best.

Stacking (Yao, Vehtari, Simpson & Gelman 2018, Bayesian Analysis 13, 917) takes the w in the simplex with
the highest

    sum_i v_i log sum_f w_f p_f(y_i | y_-i),    sum_i v_i = 1.

Unlike weights by evidence it does not end with all on one family when none is true. Since the sum is 1 at
its own best scale, the simplex is the half space w > 0 with -sum_f w_f added, and a barrier
m sum_f log w_f keeps w inside: Newton's method for m = .1, .01, ... Then the score is within F m of the
highest, and of families that predict alike the weights are alike.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# The last barrier: of up to ten families the mean score is within 1e-10 of the highest.
_BARRIERS = 0.1 ** np.arange(1, 12)
_MOST_STEPS = 100
# Where a step promises less, relative to the barrier, Newton's method needs no damping, and is at its end.
_NEAR, _ARRIVED = 0.05, 1e-14


def stacking_weights(
    log_density: Float[np.ndarray, "F R"], weight: Float[np.ndarray, " R"]
) -> Float[np.ndarray, " F"]:
    """The weights w_f, which sum to 1.

    Args:
        log_density: log p_f(y_i | y_-i) of one problem of each row under each family.
        weight: how many problems each row has.
    """
    density = np.exp(log_density - np.max(log_density, axis=0))
    v = weight / np.sum(weight)
    w = np.full(len(density), 1 / len(density))
    for barrier in _BARRIERS:
        w = _centred(w, density, v, float(barrier))
    return np.asarray(w / np.sum(w))


def _centred(w: np.ndarray, density: np.ndarray, v: np.ndarray, barrier: float) -> np.ndarray:
    """The highest point under this barrier, by damped Newton steps relative to w."""

    def height(w: np.ndarray) -> float:
        return float(v @ np.log(w @ density) - np.sum(w) + barrier * np.sum(np.log(w)))

    here = height(w)
    for _ in range(_MOST_STEPS):
        share = w[:, None] * density / (w @ density)
        gradient = share @ v - w + barrier
        curvature = (share * v) @ share.T + barrier * np.eye(w.size)
        step = np.linalg.solve(curvature, gradient)
        gain = float(gradient @ step)
        if gain < _NEAR * barrier:
            w = w * (1 + step)
            here = height(w)
            if gain < _ARRIVED * barrier:
                break
            continue
        # no further than almost to the nearest wall
        length = min(1.0, 0.9 / max(-float(np.min(step)), 0.9))
        while (there := height(w * (1 + length * step))) < here + 0.1 * length * gain:
            length *= 0.5
        w, here = w * (1 + length * step), there
    return w
