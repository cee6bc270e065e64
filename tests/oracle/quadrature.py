"""Integrals in mpmath: the integrand found where it is, on panels halved until they agree."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from mpmath import mp, mpf


@lru_cache(maxsize=16)
def _gauss_legendre(degree, dps):
    """Nodes and weights on (-1, 1) at `dps` digits, by Newton's method on P_degree."""
    with mp.workdps(dps + 10):
        nodes, weights = [], []
        for guess in np.polynomial.legendre.leggauss(degree)[0]:
            x = mpf(float(guess))
            for _ in range(3 + int(math.log2(dps))):
                p0, p1 = mpf(1), x
                for j in range(2, degree + 1):
                    p0, p1 = p1, ((2 * j - 1) * x * p1 - (j - 1) * p0) / j
                slope = degree * (x * p1 - p0) / (x * x - 1)
                step = p1 / slope
                x -= step
                if abs(step) < mpf(10) ** (-dps - 5):
                    break
            nodes.append(x)
            weights.append(2 / ((1 - x * x) * slope**2))
        return tuple(nodes), tuple(weights)


def quadrature(log_g, features, dps, lo=None, hi=None):
    """Nodes for the integral of exp(log_g(w)): a list of (w, weight, log_g(w)), and max log_g.

    The scale is found first: a scan that doubles its distance from each feature, the local maxima
    refined, the ends placed where the integrand is `cut` nats below its top. Then panels are
    halved until a panel and its two halves agree; the halves are kept.
    """
    cut = 2.31 * (dps + 8)
    with mp.workdps(30):
        offsets = [mpf(2) ** j for j in range(-14, 26)]
        grid = {mpf(v) for v in features}
        for v in list(grid):
            grid.update(v + d for d in offsets)
            grid.update(v - d for d in offsets)
        if lo is not None:
            width = hi - lo
            grid.update(lo + width * mpf(2) ** -j for j in range(1, 30))
            grid.update(hi - width * mpf(2) ** -j for j in range(1, 30))
            grid = {w for w in grid if lo < w < hi} | {mpf(lo), mpf(hi)}
        grid = sorted(grid)
        values = [log_g(w) for w in grid]
        modes = []
        for i in range(1, len(grid) - 1):
            if -mp.inf < values[i] >= max(values[i - 1], values[i + 1]):
                a, b = grid[i - 1], grid[i + 1]
                for _ in range(40):
                    u, v = a + (b - a) / 3, b - (b - a) / 3
                    if log_g(u) < log_g(v):
                        a = u
                    else:
                        b = v
                modes.append(((a + b) / 2, log_g((a + b) / 2)))
        if not modes:  # monotone on a finite interval
            i = max(range(len(grid)), key=values.__getitem__)
            modes.append((grid[i], values[i]))
        top = max(h for _, h in modes)
        modes = [(w, h) for w, h in modes if h > top - cut]
        keep = [w for w, h in zip(grid, values, strict=True) if h > top - cut]
        keep += [w for w, _ in modes]
        left, right = min(keep), max(keep)
        ends = []
        for inside, outer in (
            (left, max((w for w in grid if w < left), default=left)),
            (right, min((w for w in grid if w > right), default=right)),
        ):
            a, b = inside, outer
            for _ in range(25):
                mid = (a + b) / 2
                if log_g(mid) > top - cut:
                    a = mid
                else:
                    b = mid
            ends.append(b)
        left, right = ends
        edges = {left, right}
        for mode, h in modes:
            for sign in (-1, 1):
                step = mpf(2) ** -20
                while left < mode + sign * step < right and h - log_g(mode + sign * step) < mpf(1) / 2:
                    step *= 2
                while left < mode + sign * step < right:
                    edges.add(mode + sign * step)
                    step *= 2
            edges.add(mode)
        edges.update(mpf(v) for v in features if left < v < right)
        edges = sorted(edges)
        edges = [edges[0]] + [b for a, b in pairwise(edges) if b - a > 1e-9]

    nodes, weights = _gauss_legendre(4 * dps // 5, dps)
    with mp.workdps(dps):
        top = +top

        def panel(a, b):
            half, mid = (b - a) / 2, (a + b) / 2
            points = []
            for x, weight in zip(nodes, weights, strict=True):
                w = mid + half * x
                points.append((w, half * weight, log_g(w)))
            return points, mp.fsum(wt * mp.exp(h - top) for _, wt, h in points)

        todo = [(a, b, *panel(a, b), 0) for a, b in pairwise(edges)]
        scale = mp.fsum(p[3] for p in todo)
        tolerance = scale * mpf(10) ** (-0.7 * dps)  # halving then gains the other digits
        accepted = []
        while todo:
            a, b, _, coarse, depth = todo.pop()
            if depth > 40:
                raise ArithmeticError("quadrature did not converge")
            mid = (a + b) / 2
            first, second = panel(a, mid), panel(mid, b)
            if abs(first[1] + second[1] - coarse) < tolerance:
                accepted += first[0] + second[0]
            else:
                todo += [(a, mid, *first, depth + 1), (mid, b, *second, depth + 1)]
        return accepted, top


def log_sum(points, top):
    return top + mp.log(mp.fsum(wt * mp.exp(h - top) for _, wt, h in points))
