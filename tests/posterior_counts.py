"""Counts that posteriors are taken of: of few problems and many, none solved and all."""

from __future__ import annotations

import numpy as np

from lmpower.counts import Counts


def drawn(alpha: float, beta: float, problems: int, attempts: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    n = np.full(problems, attempts)
    return Counts(attempts=n, successes=rng.binomial(n, rng.beta(alpha, beta, problems)))


DATASETS = {
    "64 problems": drawn(0.3, 4.0, 64, 50, 0),
    "8 problems": drawn(0.3, 4.0, 8, 10, 1),
    "no success": Counts(attempts=[40] * 30, successes=[0] * 30),
    "all success": Counts(attempts=[40] * 30, successes=[40] * 30),
    "one problem": Counts(attempts=[40], successes=[3]),
    "one attempt": Counts(attempts=[1], successes=[1]),
    "many attempts": drawn(0.2, 10.0, 128, 10_000, 2),
    "512 problems": drawn(0.4, 3.0, 512, 100, 3),
    "unequal attempts": Counts(attempts=[5, 60, 60, 7, 900, 3], successes=[1, 0, 2, 7, 4, 0]),
}
