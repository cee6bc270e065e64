"""Log likelihood of counts and its gradient, in NumPy float64 on panels of its own."""

import math

import numpy as np
from scipy.special import psi

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


def log_moments(family, params, rows, density=1.0):
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
    return rows.total(log_moments(family, tuple(map(float, params)), rows)[0])
