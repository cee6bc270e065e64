"""log E_F[p^s (1-p)^f] to 20 digits and more, in mpmath, with gradients and Hessians."""

import math
from functools import cache

from mpmath import mp, mpf

from .quadrature import log_sum, quadrature


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

        if s == 0 and log_sum(*quadrature(pass_term, marks, 16)) < -mp.log(2):
            points, top = quadrature(pass_term, marks, dps + 10)
            value = mp.log1p(-mp.exp(log_sum(points, top)))

            def rule(alpha, beta, c):
                law_ = _ScaledLaw(law, alpha, beta, c)
                terms = (wt * mp.exp(law_.log_pass_term(f, w) - top) for w, wt, _ in points)
                return mp.log1p(-mp.exp(top) * mp.fsum(terms))
        else:
            if nudge_c and base.c == 1 and f:
                points, top = quadrature(wide_term, marks, dps + 10)
                points = [(w, wt, term(w)) for w, wt, _ in points]
            else:
                points, top = quadrature(term, marks, dps + 10)
            value = log_sum(points, top)

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
            return log_sum(*quadrature(term, marks, dps + 10, lo, hi)) - log_width

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
