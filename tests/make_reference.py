"""Write tests/reference/log_moment.json: log E_F[p^s (1-p)^f] to 25 digits, by tests/oracle/.

    python tests/make_reference.py            # about four minutes on one core

Parameters are meant as the exact double each JSON number denotes. Gradients and Hessians are in
(log alpha, log beta) or (log alpha, log beta, log c). A point slower than 20 s is replaced.
"""

import itertools
import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
from mpmath import mp
from oracle import (
    log_moment_beta,
    log_moment_derivatives,
    log_moment_kumaraswamy,
    log_moment_scaled_beta,
    log_moment_scaled_kumaraswamy,
)

TARGET = Path(__file__).parent / "reference" / "log_moment.json"
FAMILIES = {
    "beta": log_moment_beta,
    "kumaraswamy": log_moment_kumaraswamy,
    "scaled_beta": log_moment_scaled_beta,
    "scaled_kumaraswamy": log_moment_scaled_kumaraswamy,
}
ALPHAS, BETAS, CS = (1e-3, 0.3, 50.0), (1e-2, 5.0, 1e3), (1e-6, 0.1, 1.0)
COUNTS = (  # (s, f)
    *((0, k) for k in (1, 10, 1000, 10**6, 10**9)),
    *((1, 0), (100, 0), (10**6, 0)),
    *((1, 99), (1, 10**6 - 1), (7, 9993), (5000, 5000)),
    *((300_000, 700_000), (999_999, 1), (1, 1)),
)
DESIGNED, RANDOM, CURVED = 58, 42, 30  # per family; CURVED of them with gradient and Hessian
SMALLEST = 1e-300
NOISE = 1e-40  # of a derivative, relative to the value: less is written as 0
LIMIT_S = 20


class TooSlow(Exception):
    pass


def _alarm(signum, frame):
    raise TooSlow


def designed_points(family, rng):
    """Every corner of the parameter box at least once, the counts dealt round in random order."""
    scales = CS if family.startswith("scaled") else (None,)
    corners = list(itertools.product(ALPHAS, BETAS, scales))
    deck = []
    while True:
        for i in rng.permutation(len(corners)):
            deck = deck or list(rng.permutation(len(COUNTS)))
            yield corners[i], COUNTS[deck.pop()]


def random_points(family, rng):
    def log_uniform(lo, hi):
        return float(f"{np.exp(rng.uniform(np.log(lo), np.log(hi))):.4g}")

    while True:
        c = log_uniform(1e-6, 1.0) if family.startswith("scaled") else None
        theta = (log_uniform(1e-3, 50.0), log_uniform(1e-2, 1e3), c)
        kind = rng.integers(5)
        if kind <= 1:
            yield theta, (0, round(log_uniform(1, 1e9)))
            continue
        n = round(log_uniform(2, 1e6))
        s = {2: round(log_uniform(1, n)), 3: int(rng.integers(1, n)), 4: n}[int(kind)]
        s = min(s, n)
        yield theta, (s, n - s)


def record(family, theta, counts, curved):
    params = [v for v in theta if v is not None]
    s, f = counts
    entry = {"family": family, **dict(zip(("alpha", "beta", "c"), params, strict=False))}
    entry |= {"s": s, "f": f}
    with mp.workdps(40):
        value = FAMILIES[family](s, f, *params)
        if not abs(value) > SMALLEST:
            return None
        entry["log_moment"] = mp.nstr(value, 25)
        if curved:
            again, gradient, hessian = log_moment_derivatives(family, s, f, params)
            if abs(again / value - 1) > mp.mpf(10) ** -25:
                raise ArithmeticError(f"two precisions disagree: {entry}")
            noise = abs(value) * NOISE

            def digits(v):
                return mp.nstr(v, 20) if abs(v) > noise else "0.0"

            entry["gradient"] = [digits(v) for v in gradient]
            entry["hessian"] = [[digits(v) for v in row] for row in hessian]
    return entry


def main():
    signal.signal(signal.SIGALRM, _alarm)
    rng = np.random.default_rng(20260117)
    points, start = [], time.perf_counter()
    for family in FAMILIES:
        for source, size in ((designed_points, DESIGNED), (random_points, RANDOM)):
            seen, made = set(), 0
            for theta, counts in source(family, rng):
                if made == size:
                    break
                if (theta, counts) in seen:
                    continue
                seen.add((theta, counts))
                curved = made % 10 < CURVED * 10 // (DESIGNED + RANDOM)
                signal.alarm(LIMIT_S)
                try:
                    entry = record(family, theta, counts, curved)
                except TooSlow:
                    print("too slow, replaced:", family, theta, counts, file=sys.stderr)
                    continue
                finally:
                    signal.alarm(0)
                if entry is not None:
                    points.append(entry)
                    made += 1
        print(f"{family}: {len(points)} points, {time.perf_counter() - start:.0f} s", flush=True)
    TARGET.parent.mkdir(exist_ok=True)
    about = (
        "log E[p^s (1-p)^f], p = c x, x ~ Beta or Kumaraswamy(alpha, beta); by make_reference.py. "
        "Derivatives in (log alpha, log beta[, log c]). Parameters: the exact doubles."
    )
    lines = ",\n".join(json.dumps(point) for point in points)
    TARGET.write_text(f'{{"about": {json.dumps(about)},\n"points": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
