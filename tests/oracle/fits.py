"""Maximum likelihood, slowly: many starts, several methods, over the whole box."""

import numpy as np
from scipy import optimize

from .likelihood import PARAMETERS, Rows, log_moments


def bounds(family):
    """The box, in natural parameters."""
    beta_top = 1e4 if family.startswith("scaled_") else 1e6
    box = [(1e-3, 100.0), (1e-2, beta_top)]
    if family.startswith("scaled_"):
        box.append((1e-6, 1.0))
    if family == "zero_inflated_beta":
        box.append((0.0, 1 - 1e-9))
    return box


class Objective:
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
        value, slopes = log_moments(self.family, self.decode(z), self.rows, self.density)
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
    objective = Objective(family, rows)
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
    fine = rows.total(log_moments(family, params, rows, 1.7)[0])
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
