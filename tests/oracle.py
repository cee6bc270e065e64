"""Independent answers to test lmpower against: mpmath for moments, SciPy for likelihoods and fits.

Nothing here imports lmpower. Part 1 gives log E_F[p^s (1-p)^f] to 20 digits and more; part 2 the
log likelihood of counts in float64 on panels of its own; part 3 a slow, patient maximum likelihood.

Everything rests on one substitution. With p = c x and w = logit(x), every law here has a density
in w that is analytic in the strip |Im w| < pi/2 and falls exponentially at both ends, so
Gauss-Legendre on panels converges geometrically and endpoint singularities (beta < 1) are gone.
"""

import math
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
from mpmath import mp, mpf
from scipy import optimize
from scipy.special import psi

# ---------------------------------------------------------------------------------------------
# 1. Moments, in mpmath
# ---------------------------------------------------------------------------------------------


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


def _quadrature(log_g, features, dps, lo=None, hi=None):
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


def _split_logistic(w):
    """log x, log(1-x) and x at w = logit(x)."""
    e = mp.exp(-abs(w))
    soft = mp.log1p(e)
    if w < 0:
        return w - soft, -soft, e / (1 + e)
    return -soft, -w - soft, 1 / (1 + e)


class _ScaledLaw:
    """p = c x with x from Beta or Kumaraswamy(alpha, beta): the integrand in w = logit(x)."""

    def __init__(self, law, alpha, beta, c):
        self.law, self.alpha, self.beta, self.c = law, mpf(alpha), mpf(beta), mpf(c)
        if law == "beta":
            self.log_norm = -mp_log_beta(self.alpha, self.beta)
        else:
            self.log_norm = mp.log(self.alpha) + mp.log(self.beta)

    def log_density(self, log_x, log_1mx):
        """Log density of w. The Jacobian dx = x (1-x) dw is included."""
        h = self.log_norm + self.alpha * log_x
        if self.law == "beta":
            return h + self.beta * log_1mx
        if log_x == 0:
            return -mp.inf
        return h + (self.beta - 1) * mp.log(-mp.expm1(self.alpha * log_x)) + log_1mx

    def log_failure(self, log_1mx, x):
        """(log |1-p|, sign of 1-p); 1-p < 0 only when c is nudged above 1 for a derivative."""
        if self.c == 1:
            return log_1mx, 1
        y = self.c * x
        return (mp.log1p(-y), 1) if y < 1 else (mp.log(y - 1) if y > 1 else -mp.inf, -1)

    def log_success_term(self, s, f, w):
        """Log of p^s (1-p)^f times the density, and its sign."""
        log_x, log_1mx, x = _split_logistic(w)
        h = self.log_density(log_x, log_1mx)
        if s:
            h += s * (mp.log(self.c) + log_x)
        if not f:
            return h, 1
        log_q, sign = self.log_failure(log_1mx, x)
        return h + f * log_q, (sign if f % 2 else 1)

    def log_pass_term(self, f, w):
        """Log of 1 - (1-p)^f times the density."""
        log_x, log_1mx, x = _split_logistic(w)
        log_q, sign = self.log_failure(log_1mx, x)
        gap = -mp.expm1(f * log_q) if sign > 0 or f % 2 == 0 else 1 + mp.exp(f * log_q)
        return self.log_density(log_x, log_1mx) + (mp.log(gap) if gap > 0 else -mp.inf)

    def features(self, s, f):
        n = s + f
        marks = [mpf(0)]
        if self.law == "beta":
            knee = mp.log(self.alpha / self.beta)
        else:
            knee = self.logit_of_log(-mp.log1p(self.beta) / self.alpha)
        marks.append(knee)
        marks.append(mp.log((s + self.alpha) / self.beta))
        if n:
            peak = (s + min(self.alpha, 1)) / (self.c * (n + 1))
            marks.append(self.logit_of_log(mp.log(peak)) if peak < 1 else mp.log(1 + s))
            marks.append(mp.log((s + self.alpha) / (self.c * n + self.beta)))
            marks.append(-mp.log(self.c * n))
        return marks

    @staticmethod
    def logit_of_log(log_x):
        return log_x - mp.log(-mp.expm1(log_x))


def _guard(s, f, c, dps):
    """Digits to work with: exponents reach n log p, and pass@k may be as small as c alpha/beta."""
    return dps + 22 + int(math.log10(1 + s + f)) + int(-math.log10(min(1.0, float(c))))


def _log_moment_quadrature(law, s, f, alpha, beta, c, dps):
    return _log_moment_rule(law, s, f, alpha, beta, c, dps)[0]


def _log_sum(points, top):
    return top + mp.log(mp.fsum(wt * mp.exp(h - top) for _, wt, h in points))


def _log_moment_rule(law, s, f, alpha, beta, c, dps, nudge_c=False):
    """The log moment, and the same quadrature rule as a function of (alpha, beta, c).

    The rule is smooth in the parameters, so finite differences of it, at fixed nodes, give
    derivatives as accurate as the integral. At s = 0 and a pass probability below one half it is
    that probability which is integrated, so that the logarithm keeps its relative accuracy.
    """
    if s == 0 and f == 0:
        return mpf(0), lambda *theta: mpf(0)
    with mp.workdps(_guard(s, f, c, dps)):
        base = _ScaledLaw(law, alpha, beta, c)
        marks = base.features(s, f)

        def term(w):
            return base.log_success_term(s, f, w)[0]

        def pass_term(w):
            return base.log_pass_term(f, w)

        def wide_term(w):  # covers two derivatives in c at c = 1, which need (1-p)^(f-2)
            _, log_1mx, x = _split_logistic(w)
            odds = mp.exp(mp.log(x) - log_1mx)
            return term(w) + mp.log1p(f * odds + f * (f - 1) * odds**2)

        if s == 0 and _log_sum(*_quadrature(pass_term, marks, 16)) < -mp.log(2):
            points, top = _quadrature(pass_term, marks, dps + 10)
            value = mp.log1p(-mp.exp(_log_sum(points, top)))

            def rule(alpha, beta, c):
                law_ = _ScaledLaw(law, alpha, beta, c)
                terms = (wt * mp.exp(law_.log_pass_term(f, w) - top) for w, wt, _ in points)
                return mp.log1p(-mp.exp(top) * mp.fsum(terms))
        else:
            if nudge_c and base.c == 1 and f:
                points, top = _quadrature(wide_term, marks, dps + 10)
                points = [(w, wt, term(w)) for w, wt, _ in points]
            else:
                points, top = _quadrature(term, marks, dps + 10)
            value = _log_sum(points, top)

            def rule(alpha, beta, c):
                law_ = _ScaledLaw(law, alpha, beta, c)
                total = mpf(0)
                for w, wt, _ in points:
                    h, sign = law_.log_success_term(s, f, w)
                    total += sign * wt * mp.exp(h - top)
                return top + mp.log(total)

        return value, rule


def mp_log_beta(a, b):
    """log B(a, b), with digits to spare for the cancellation when one argument is large."""
    with mp.extradps(15 + max(0, int(mp.log10(1 + a + b)))):
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def log_moment_beta(s, f, alpha, beta, dps=40):
    """B(alpha+s, beta+f) / B(alpha, beta)."""
    with mp.workdps(2 * dps + 40):  # loggamma(1e9) is 2e10, and pass@k may be 1e-12
        alpha, beta = mpf(alpha), mpf(beta)
        value = mp_log_beta(alpha + s, beta + f) - mp_log_beta(alpha, beta)
    with mp.workdps(dps):
        return +value


def log_moment_kumaraswamy(s, f, alpha, beta, dps=40):
    value = _log_moment_quadrature("kumaraswamy", s, f, alpha, beta, 1, dps)
    with mp.workdps(dps):
        return +value


def log_moment_scaled_beta(s, f, alpha, beta, c, dps=40):
    value = _log_moment_quadrature("beta", s, f, alpha, beta, c, dps)
    with mp.workdps(dps):
        return +value


def log_moment_scaled_kumaraswamy(s, f, alpha, beta, c, dps=40):
    value = _log_moment_quadrature("kumaraswamy", s, f, alpha, beta, c, dps)
    with mp.workdps(dps):
        return +value


def log_moment_uniform(s, f, b, dps=40):
    """Uniform on (0, b): elementary at s = 0, an incomplete beta integral otherwise."""
    if s:
        return log_moment_scaled_beta(s, f, 1, 1, b, dps)
    with mp.workdps(2 * dps + 30):
        b = mpf(b)
        log_q = mp.log1p(-b) if b < 1 else -mp.inf
        value = mp.log(-mp.expm1((f + 1) * log_q) / (b * (f + 1)))
    with mp.workdps(dps):
        return +value


def log_moment_continuous_bernoulli(s, f, lam, dps=40):
    """C lam^x (1-lam)^(1-x): C (1-lam) B(s+1, f+1) 1F1(s+1; s+f+2; -L), L = log((1-lam)/lam)."""
    with mp.workdps(2 * dps + 40):
        lam = mpf(lam)
        ell = mp.log1p(-lam) - mp.log(lam)
        # C (1-lam) = L / (1 - exp(-L)), for either sign of L
        log_front = mp.log(ell / -mp.expm1(-ell)) if ell else mpf(0)
        if s or f:
            # Kummer: 1F1(a; b; z) = e^z 1F1(b-a; b; -z); take the side with a positive argument
            if ell > 0:
                log_1f1 = -ell + mp.log(mp.hyp1f1(f + 1, s + f + 2, ell))
            else:
                log_1f1 = mp.log(mp.hyp1f1(s + 1, s + f + 2, -ell))
            value = log_front + mp_log_beta(mpf(s + 1), mpf(f + 1)) + log_1f1
        else:
            value = mpf(0)
    with mp.workdps(dps):
        return +value


def log_moment_reciprocal(s, f, a, b, dps=40):
    """Density 1/(p log(b/a)) on (a, b), 0 < a < b <= 1: flat in w = log p."""
    with mp.workdps(dps + 30 + int(math.log10(1 + s + f)) + int(-math.log10(float(a)))):
        a, b = mpf(a), mpf(b)
        if s == 0 and f == 0:
            return mpf(0)
        lo, hi = mp.log(a), mp.log(b)
        log_width = mp.log(hi - lo)

        def log_q(w):
            q = -mp.expm1(w)
            return mp.log(q) if q > 0 else -mp.inf

        def log_term(w):
            return s * w + (f * log_q(w) if f else 0)

        def log_pass(w):
            return mp.log(-mp.expm1(f * log_q(w)))

        marks = [w for w in (-mp.log(mpf(f + 1)), mp.log(mpf(s + 1) / (s + f + 1))) if lo < w < hi]
        marks = marks or [(lo + hi) / 2]

        def log_integral(term):
            return _log_sum(*_quadrature(term, marks, dps + 10, lo, hi)) - log_width

        value = log_integral(log_term)
        if s == 0 and value > -mp.log(2):
            value = mp.log1p(-mp.exp(log_integral(log_pass)))
    with mp.workdps(dps):
        return +value


def log_moment_discrete(s, f, points, weights, dps=40):
    """Finitely many points, 0 and 1 allowed (0^0 = 1). Weights are normalised."""
    with mp.workdps(2 * dps + 20 + int(math.log10(1 + s + f))):
        points, weights = [mpf(p) for p in points], [mpf(w) for w in weights]
        total = mp.fsum(weights)
        weights = [w / total for w in weights]

        def log_q(p):
            return mp.log1p(-p) if p < 1 else -mp.inf

        if s == 0:
            if f == 0:
                return mpf(0)
            gaps = (-mp.expm1(f * log_q(p)) for p in points)
            passed = mp.fsum(w * g for w, g in zip(weights, gaps, strict=True))
            value = mp.log1p(-passed) if passed < 1 else -mp.inf
        else:
            terms = []
            for p, w in zip(points, weights, strict=True):
                if p > 0 and (f == 0 or p < 1):
                    terms.append(mp.log(w) + s * mp.log(p) + (f * log_q(p) if f else 0))
            top = max(terms, default=-mp.inf)
            value = top
            if top > -mp.inf:
                value = top + mp.log(mp.fsum(mp.exp(t - top) for t in terms))
    with mp.workdps(dps):
        return +value


def log_moment_mixture(s, f, weights, components, dps=40):
    """`components`: callables (s, f, dps) -> log moment. Weights are normalised."""
    with mp.workdps(2 * dps + 20):
        weights = [mpf(w) for w in weights]
        total = mp.fsum(weights)
        logs = [component(s, f, 2 * dps) for component in components]
        pairs = [(w / total, h) for w, h in zip(weights, logs, strict=True) if w > 0]
        top = max(h for _, h in pairs)
        if s == 0 and top > -1:
            value = mp.log1p(mp.fsum(w * mp.expm1(h) for w, h in pairs))
        elif top == -mp.inf:
            value = top
        else:
            value = top + mp.log(mp.fsum(w * mp.exp(h - top) for w, h in pairs))
    with mp.workdps(dps):
        return +value


def log_moment_zero_inflated(s, f, pi0, base, dps=40):
    """An atom pi0 at p = 0, the rest from `base`, a callable (s, f, dps) -> log moment."""

    def atom(s, f, dps):
        return mpf(0) if s == 0 else -mp.inf

    return log_moment_mixture(s, f, [mpf(pi0), 1 - mpf(pi0)], [atom, base], dps)


def log_moment_derivatives(family, s, f, params, dps=40):
    """Value, gradient and Hessian in (log alpha, log beta[, log c]), by central differences.

    Nodes stay where they are while the parameters move; step 1e-20 at 90 digits and more, so both
    truncation and rounding stay far below 20 digits. At c = 1 the steps go above 1: for whole f
    the moment is a polynomial in c there, and so is the rule.
    """
    work = 90 + 2 * int(math.log10(1 + s + f))
    with mp.workdps(work):
        params = [mpf(v) for v in params]
        if family == "beta":
            value = log_moment_beta(s, f, *params, dps=work)

            def rule(*theta):
                return log_moment_beta(s, f, *theta, dps=work)
        else:
            law = family.removeprefix("scaled_")
            c = params[2] if len(params) == 3 else mpf(1)
            value, full = _log_moment_rule(law, s, f, params[0], params[1], c, dps, nudge_c=True)

            def rule(*theta):
                return full(*theta, *([mpf(1)] if len(theta) == 2 else []))

        size, step = len(params), mpf(10) ** -20

        @cache
        def at(*moves):
            with mp.workdps(work):
                return rule(*(v * mp.exp(step * m) for v, m in zip(params, moves, strict=True)))

        def shifted(*pairs):
            moves = [0] * size
            for i, m in pairs:
                moves[i] += m
            return at(*moves)

        centre = shifted()
        gradient = [(shifted((i, 1)) - shifted((i, -1))) / (2 * step) for i in range(size)]
        hessian = [[mpf(0)] * size for _ in range(size)]
        for i in range(size):
            curve = shifted((i, 1)) + shifted((i, -1)) - 2 * centre
            hessian[i][i] = curve / step**2
            for j in range(i):
                cross = shifted((i, 1), (j, 1)) + shifted((i, -1), (j, -1))
                cross -= shifted((i, 1), (j, -1)) + shifted((i, -1), (j, 1))
                hessian[i][j] = hessian[j][i] = cross / (4 * step**2)
        return value, gradient, hessian


# ---------------------------------------------------------------------------------------------
# 2. Log likelihood of counts, in NumPy float64
# ---------------------------------------------------------------------------------------------

PARAMETERS = {
    "beta": ("alpha", "beta"),
    "kumaraswamy": ("alpha", "beta"),
    "scaled_beta": ("alpha", "beta", "c"),
    "scaled_kumaraswamy": ("alpha", "beta", "c"),
    "zero_inflated_beta": ("alpha", "beta", "pi0"),
}
_CUT = 44.0  # nats below a row's top at which its integrand is dropped


class Rows:
    """Distinct (attempts, successes) with multiplicity, and what depends on nothing else."""

    def __init__(self, attempts, successes):
        pairs = np.stack([np.asarray(attempts), np.asarray(successes)], axis=1)
        if np.any(pairs[:, 1] < 0) or np.any(pairs[:, 1] > pairs[:, 0]):
            raise ValueError("successes must lie between 0 and attempts")
        distinct, times = np.unique(pairs, axis=0, return_counts=True)
        self.n, self.s = distinct[:, 0], distinct[:, 1]
        self.times = times.astype(float)
        self.log_choose = np.array([math.log(math.comb(int(n), int(s))) for n, s in distinct], dtype=float)
        # the moments wanted, and s = f = 0 first: the law's own mass, which normalises it
        self.s_all = np.concatenate([[0.0], self.s]).astype(float)
        self.f_all = np.concatenate([[0.0], self.n - self.s]).astype(float)
        self.n_max = max(1.0, float(self.n.max()))
        # Largest n among the rows whose binomial is alive at p: it sets how fine panels must be.
        self.logits = np.linspace(-math.log(self.n_max) - 6, 16, 600)
        log_p, log_q = -np.logaddexp(0, -self.logits), -np.logaddexp(0, self.logits)
        kernel = self.s_all[:, None] * log_p + self.f_all[:, None] * log_q
        alive = kernel > kernel.max(axis=1, keepdims=True) - _CUT - 6
        n_all = self.s_all + self.f_all
        self.n_alive = np.max(np.where(alive, n_all[:, None], 0.0), axis=0)

    def total(self, log_moments):
        return float(self.times @ (self.log_choose + log_moments))


def _float_law(law, w, alpha, beta):
    """log x, log(1-x), unnormalised log density in w, and its slopes in log alpha, log beta."""
    log_x, log_1mx = -np.logaddexp(0, -w), -np.logaddexp(0, w)
    if law == "beta":
        slopes = np.stack([alpha * log_x, beta * log_1mx])
        return log_x, log_1mx, alpha * log_x + beta * log_1mx, slopes
    r = -alpha * log_x
    with np.errstate(over="ignore", divide="ignore"):
        # log(1 - x^alpha); for x near 1 through log(-log x) = -w - exp(-w)/2 + ...
        tail = np.exp(-np.clip(w, 30, None))
        near_one = math.log(alpha) - w - tail / 2 - r / 2
        floored = np.maximum(r, 1e-300)
        log_1mt = np.where(w > 30, near_one, np.log(-np.expm1(-floored)))
        ratio = floored / np.expm1(floored)
    density = -r + (beta - 1) * log_1mt + log_1mx
    slopes = np.stack([-r + (beta - 1) * ratio, beta * log_1mt])
    return log_x, log_1mx, density, slopes


def _float_kernel(c, log_x, log_1mx):
    """log p and log(1-p) at p = c x."""
    if c == 1:
        return log_x, log_1mx
    p = c * np.exp(log_x)
    return math.log(c) + log_x, np.where(
        p < 0.5, np.log1p(-np.minimum(p, 0.5)), np.log((1 - c) + c * np.exp(log_1mx))
    )


def _panel_edges(law, alpha, beta, c, rows, density):
    """Panel edges in w = logit(x), as fine as the narrowest row or the law needs at each place."""
    log_n = math.log(c * rows.n_max)
    if law == "beta":
        knee = math.log(alpha / beta)
    else:
        at_knee = -math.log1p(beta) / alpha  # log x where x^alpha = 1/(1+beta)
        knee = at_knee - math.log(-math.expm1(at_knee))
    s_max = rows.s_all.max()
    high = max(0.0, math.log((s_max + alpha) / beta), math.log(alpha))
    left = min(knee, -log_n, 0.0) - 8 - 1.05 * _CUT / alpha
    right = high + 8 + 1.05 * _CUT / beta
    finest = 0.03 / max(1.0, alpha)  # the law's width about its knee is 1/alpha
    offsets = np.geomspace(finest, right - left, 50 + int(5 * math.log(max(1.0, alpha))))
    centres = np.array([0.0, -log_n, knee, high])
    aux = (centres[:, None] + np.concatenate([-offsets[::-1], [0.0], offsets])).ravel()
    aux = np.concatenate([aux, np.linspace(-max(log_n, 0.0) - 4, min(10.0, right), 160)])
    aux = np.unique(np.clip(aux, left, right))

    log_x, log_1mx, log_law, _ = _float_law(law, aux, alpha, beta)
    log_p, log_q = _float_kernel(c, log_x, log_1mx)
    logs = np.outer(rows.s_all, log_p) + np.outer(rows.f_all, log_q) + log_law
    used = np.flatnonzero(np.any(logs > logs.max(axis=1, keepdims=True) - _CUT, axis=0))
    keep = slice(max(0, used[0] - 1), min(len(aux), used[-1] + 2))
    w, log_p, log_q = aux[keep], log_p[keep], log_q[keep]
    x, y = np.exp(log_x[keep]), np.exp(log_1mx[keep])

    n_here = np.interp(log_p - log_q, rows.logits, rows.n_alive)
    p, jacobian = np.exp(log_p), np.exp(log_1mx[keep] - log_q)
    pressed = max(0.0, float(np.max(rows.s_all - (rows.s_all + rows.f_all) * c)))
    bend = n_here * p * np.exp(log_q) * jacobian**2 + pressed * x * y
    if law == "beta":
        bend = bend + (alpha + beta) * x * y
        rate = alpha * y + beta * x
    else:
        t = np.exp(alpha * log_x[keep])
        with np.errstate(over="ignore"):  # alpha (1-x)/(1-t), which tends to x as x -> 1
            speed = alpha * y / -np.expm1(-np.maximum(-alpha * log_x[keep], 1e-300))
        speed = np.where(w > 30, x, np.minimum(speed, 1e9))
        bend = bend + abs(beta - 1) * t * speed * np.abs(x - speed)
        rate = alpha * y * (1 + np.sqrt(np.minimum(beta * t, 60))) + beta * x * (x > 0.5)
    base = np.zeros_like(w)
    for mark in (0.0, -log_n, knee):
        base += 1 / (2.5 * np.hypot(1.0, (w - mark) / 2))
    fineness = density * (base + 0.4 * np.sqrt(bend) + rate / 7)
    grown = np.concatenate([[0.0], np.cumsum(np.diff(w) * (fineness[1:] + fineness[:-1]) / 2)])
    count = min(max(2, math.ceil(grown[-1])), 5000)  # more is asked only where no row is likely
    return np.interp(np.linspace(0, grown[-1], count + 1), grown, w)


_GL16 = np.polynomial.legendre.leggauss(16)


def _quadrature_log_moments(law, alpha, beta, c, rows, density=1.0):
    """log moments of the rows, and their gradients in (log alpha, log beta, log c)."""
    edges = _panel_edges(law, alpha, beta, c, rows, density)
    half = np.diff(edges) / 2
    w = ((edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * _GL16[0]).ravel()
    log_weight = np.log(half[:, None] * _GL16[1]).ravel()
    log_x, log_1mx, log_law, slopes = _float_law(law, w, alpha, beta)
    log_p, log_q = _float_kernel(c, log_x, log_1mx)
    logs = np.outer(rows.s_all, log_p)
    logs += np.outer(rows.f_all, log_q)
    logs += log_law + log_weight
    top = logs.max(axis=1)
    logs -= top[:, None]
    posterior = np.exp(logs, out=logs)
    mass = posterior.sum(axis=1)
    log_moment = top + np.log(mass)
    odds = np.exp(np.minimum(log_p - log_q, 690.0))
    means = (posterior @ np.stack([*slopes, odds], axis=1)) / mass[:, None]
    gradient = np.column_stack([means[:, :2], rows.s_all - rows.f_all * means[:, 2]])
    return log_moment[1:] - log_moment[0], (gradient - gradient[0])[1:]


def _running_sum(terms):
    """0, t0, t0+t1, ... in long double: they reach 1e5, and only their differences are wanted."""
    return np.concatenate([[0], np.cumsum(terms, dtype=np.longdouble)])


def _beta_log_moments(alpha, beta, rows):
    """Closed form by rising factorials: sums of one sign, no cancellation between gammas.

    B(alpha+s, beta+f)/B(alpha, beta)
      = prod_{j<f} (beta+j)/(alpha+beta+j) * prod_{i<s} (alpha+i)/(alpha+beta+f+i).
    """
    f, s = (rows.n - rows.s), rows.s
    total = alpha + beta
    fall = _running_sum(np.log1p(-alpha / (total + np.arange(f.max()))))
    rise = _running_sum(np.log(alpha + np.arange(s.max())))
    room = _running_sum(np.log1p(np.arange(rows.n.max()) / total))
    value = fall[f] + rise[s] - (room[rows.n] - room[f]) - s * np.log(np.longdouble(total))
    value = value.astype(float)
    both = psi(total + rows.n) - psi(total)
    gradient = np.stack(
        [alpha * (psi(alpha + s) - psi(alpha) - both), beta * (psi(beta + f) - psi(beta) - both)],
        axis=1,
    )
    return value, gradient


def _log_moments(family, params, rows, density=1.0):
    """Log moments of the rows and gradients in (log alpha, log beta[, log c | pi0])."""
    alpha, beta = params[0], params[1]
    if family == "beta":
        return _beta_log_moments(alpha, beta, rows)
    if family == "zero_inflated_beta":
        pi0 = params[2]
        value, slopes = _beta_log_moments(alpha, beta, rows)
        inside = math.log1p(-pi0) + value
        atom = np.where(rows.s == 0, math.log(pi0) if pi0 > 0 else -np.inf, -np.inf)
        mixed = np.logaddexp(inside, atom)
        share = np.exp(inside - mixed)
        gain = -np.expm1(value) * np.exp(np.minimum(-mixed, 700.0))
        zero = np.where(rows.s == 0, gain, -1 / (1 - pi0))
        return mixed, np.column_stack([share[:, None] * slopes, zero])
    law = family.removeprefix("scaled_")
    c = params[2] if family.startswith("scaled_") else 1.0
    value, slopes = _quadrature_log_moments(law, alpha, beta, c, rows, density)
    return value, slopes[:, : len(params)]


def log_likelihood(family, params, attempts, successes):
    """Log likelihood of the counts, log C(n, s) included. `params` in the order of PARAMETERS."""
    rows = Rows(attempts, successes)
    return rows.total(_log_moments(family, tuple(map(float, params)), rows)[0])


# ---------------------------------------------------------------------------------------------
# 3. Maximum likelihood, slowly
# ---------------------------------------------------------------------------------------------


def bounds(family):
    """The box, in natural parameters."""
    beta_top = 1e4 if family.startswith("scaled_") else 1e6
    box = [(1e-3, 100.0), (1e-2, beta_top)]
    if family.startswith("scaled_"):
        box.append((1e-6, 1.0))
    if family == "zero_inflated_beta":
        box.append((0.0, 1 - 1e-9))
    return box


class _Objective:
    """Minus the log likelihood and its gradient in z: logs of the parameters, but pi0 itself."""

    def __init__(self, family, rows, density=1.0):
        self.family, self.rows, self.density = family, rows, density
        self.logged = np.array([name != "pi0" for name in PARAMETERS[family]])
        self.lower, self.upper = self.encode(np.array(bounds(family)).T)
        self.calls = 0

    def encode(self, theta):
        theta = np.asarray(theta, float)
        return np.where(self.logged, np.log(np.where(self.logged, theta, 1.0)), theta)

    def decode(self, z):
        theta = np.where(self.logged, np.exp(np.where(self.logged, z, 0.0)), z)
        low, high = np.array(bounds(self.family)).T
        return tuple(float(v) for v in np.clip(theta, low, high))

    def __call__(self, z):
        self.calls += 1
        value, slopes = _log_moments(self.family, self.decode(z), self.rows, self.density)
        return -self.rows.total(value), -(self.rows.times @ slopes)

    def value(self, z):
        return self(z)[0]

    def clip(self, z):
        return np.clip(z, self.lower, self.upper)


def default_starts(family, rows):
    """Natural-parameter starts: moment-matched, near every edge, and along the known ridges."""
    rate = rows.s / rows.n
    mean = max(float(rows.times @ rate / rows.times.sum()), 1e-9)
    top = float(rate.max())
    beta_top = bounds(family)[1][1]
    starts = []
    if not family.startswith("scaled_"):
        for alpha in (0.02, 0.06, 0.15, 0.3, 0.6, 1.5, 5.0):
            if family == "kumaraswamy":
                matched = [max(mean ** -min(alpha, 1.0), 1.0), 10 * mean ** -min(alpha, 1.0)]
            else:
                matched = [alpha * (1 / mean - 1), 0.1 * alpha / mean]
            for beta in (*matched, 0.3, 3.0, beta_top):
                if family == "zero_inflated_beta":
                    zero = float(rows.times[rows.s == 0].sum() / rows.times.sum())
                    starts += [(alpha, beta, pi0) for pi0 in (0.0, 0.5 * zero, 0.95 * zero)]
                else:
                    starts.append((alpha, beta))
        return starts
    places = {1.0, 0.3, 0.5 * top, 0.98 * top, top, 1.03 * top, 1.3 * top, 3 * top}
    for c in sorted({float(np.clip(v, 2e-6, 1.0)) for v in places}):
        for alpha in (0.08, 0.3, 1.0):
            matched = max(0.1, alpha * (c / mean - 1)) if "beta" in family else mean**-alpha
            starts += [(alpha, matched, c), (alpha, 0.2, c)]
        starts.append((0.2, 30.0, c))
    for alpha in (0.1, 0.3, 1.0):  # beta large with c / beta fixed, and its end in the corner
        ridge = float(np.clip(mean * beta_top / alpha, 1e-5, 1.0))
        starts += [(alpha, beta_top, ridge), (alpha, beta_top / 20, max(1e-6, ridge / 20))]
        starts.append((alpha, beta_top, 1.0))
    return starts


def _active(objective, z, slope):
    """Coordinates resting on a bound that the gradient presses them against."""
    edge = 1e-9 * (1 + np.abs(z))
    return ((z <= objective.lower + edge) & (slope > 0)) | ((z >= objective.upper - edge) & (slope < 0))


def _newton(objective, z, steps=12):
    """Newton in the free coordinates, Hessian by central differences of the gradient."""
    z = objective.clip(z)
    value, slope = objective(z)
    decrement = np.inf
    for _ in range(steps):
        free = np.flatnonzero(~_active(objective, z, slope))
        if len(free) == 0:
            return z, value, 0.0
        hessian = np.zeros((len(free), len(free)))
        for row, i in enumerate(free):
            h = 1e-4 if objective.logged[i] else 1e-4 * max(min(z[i], 1 - z[i]), 1e-3)
            up, down = z.copy(), z.copy()
            up[i], down[i] = min(z[i] + h, objective.upper[i]), max(z[i] - h, objective.lower[i])
            hessian[row] = (objective(up)[1] - objective(down)[1])[free] / (up[i] - down[i])
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        floor = 1e-12 + 1e-9 * np.abs(values).max()
        step = -vectors @ ((vectors.T @ slope[free]) / np.maximum(np.abs(values), floor))
        decrement = float(-slope[free] @ step)
        scale, moved = 1.0, False
        for _ in range(30):
            trial = z.copy()
            trial[free] = np.clip(
                z[free] + scale * np.clip(step, -2, 2),
                objective.lower[free],
                objective.upper[free],
            )
            trial_value, trial_slope = objective(trial)
            if trial_value < value:
                z, value, slope, moved = trial, trial_value, trial_slope, True
                break
            scale /= 2
        if not moved or decrement < 1e-12:
            break
    return z, value, decrement


def best_fit(family, attempts, successes, starts=None):
    """Maximum likelihood over the whole box, by many starts. Slow on purpose.

    L-BFGS-B from every start, again with c = 1, beta at its top, or pi0 = 0 held fixed; the best
    few distinct ends are polished by Nelder-Mead, Powell and Newton. Returns a dict: params,
    log_likelihood, decrement (twice the gain Newton still expected before its last step),
    agreeing (starts that ended within 1e-6 of the best), starts, other_optima, resolution_error
    (the change at the optimum under panels 1.7 times finer), calls.
    """
    rows = Rows(attempts, successes)
    objective = _Objective(family, rows)
    names = PARAMETERS[family]
    starts = list(default_starts(family, rows) if starts is None else starts)
    box = list(zip(objective.lower, objective.upper, strict=True))
    faces = [{}]
    top_edge = {1: objective.upper[1]}
    if "c" in names:
        faces += [{2: 0.0}, top_edge, {2: 0.0, **top_edge}]
    elif "pi0" in names:
        faces += [{2: 0.0}, top_edge]
    else:
        faces += [top_edge]
    ends = []
    for face in faces:
        for start in starts if not face else starts[:: 2 + len(starts) // 12]:
            z = objective.clip(objective.encode(start))
            limits = list(box)
            for i, v in face.items():
                z[i], limits[i] = v, (v, v)
            run = optimize.minimize(
                objective,
                z,
                jac=True,
                method="L-BFGS-B",
                bounds=limits,
                options={"maxiter": 200, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 10},
            )
            ends.append((float(run.fun), run.x))
    ends.sort(key=lambda end: end[0])
    distinct = []
    for value, z in ends:
        if all(np.max(np.abs(z - other)) > 1e-2 for _, other in distinct):
            distinct.append((value, z))
    polished = []
    for value, z in distinct[:3]:
        if value > ends[0][0] + 2:
            break
        z, value, decrement = _newton(objective, z)
        polished.append((value, z, decrement))
    value, z, decrement = min(polished, key=lambda p: p[0])
    for method, options in (
        ("Nelder-Mead", {"maxfev": 250, "xatol": 1e-7, "fatol": 1e-10}),
        ("Powell", {"maxfev": 250, "xtol": 1e-7, "ftol": 1e-13}),
    ):
        run = optimize.minimize(objective.value, z, method=method, bounds=box, options=options)
        if run.fun < value - 1e-9:
            z, value, decrement = _newton(objective, run.x)
    params = objective.decode(z)
    fine = rows.total(_log_moments(family, params, rows, 1.7)[0])
    return {
        "params": dict(zip(names, params, strict=True)),
        "log_likelihood": -value,
        "decrement": decrement,
        "agreeing": sum(end[0] < value + 1e-6 for end in ends),
        "starts": len(ends),
        "other_optima": sorted({round(-v, 6) for v, _, _ in polished if v > value + 1e-6})[::-1],
        "resolution_error": abs(fine + value),
        "calls": objective.calls,
    }
