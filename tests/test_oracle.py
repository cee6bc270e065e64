"""The oracles against one another: nothing here touches lmpower, so a failure is the oracle's."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import oracle
import pytest
from mpmath import mp, mpf
from scipy import optimize

DIGITS_25 = mpf(10) ** -25
CORNERS = list(itertools.product((1e-3, 0.3, 50.0), (1e-2, 5.0, 1e3)))
COUNTS = ((0, 1), (0, 10**9), (1, 0), (3, 97), (700_000, 300_000), (10**6 - 1, 1))
DPS = 28  # enough for agreement to 25 digits, and quicker than the default 40


def agree(got, want, tolerance=DIGITS_25):
    with mp.workdps(60):
        assert abs(got - want) <= tolerance * abs(want), mp.nstr(got - want, 5)


@pytest.mark.parametrize("corner", range(9))
def test_quadrature_meets_the_closed_form_of_the_beta(corner):
    alpha, beta = CORNERS[corner]
    for s, f in COUNTS[corner % 3 :: 3]:
        quadrature = oracle.log_moment_scaled_beta(s, f, alpha, beta, 1, DPS)
        agree(quadrature, oracle.log_moment_beta(s, f, alpha, beta))


@pytest.mark.parametrize(("shape", "k"), [(1e-2, 1), (1e-2, 10**9), (0.7, 1000), (50.0, 10**9)])
def test_kumaraswamy_is_a_beta_when_either_shape_is_one(shape, k):
    for s, theta in ((0, (shape, 1)), (0, (1, shape)), (7, (shape, 1))):
        got = oracle.log_moment_kumaraswamy(s, k, *theta, DPS)
        agree(got, oracle.log_moment_beta(s, k, *theta))


def binomial_sum(law, s, f, alpha, beta, c):
    """E[p^s (1-p)^f] = sum_j C(f,j) (-1)^j E[p^(s+j)], each term in closed form."""
    with mp.workdps(250):
        alpha, beta, c = mpf(alpha), mpf(beta), mpf(c)
        total = mpf(0)
        for j in range(f + 1):
            m = s + j
            if law == "beta":
                moment = mp.beta(alpha + m, beta) / mp.beta(alpha, beta)
            else:
                moment = beta * mp.beta(1 + m / alpha, beta)
            total += (-1) ** j * math.comb(f, j) * c**m * moment
        return mp.log(total)


@pytest.mark.parametrize("corner", range(9))
def test_small_counts_by_the_binomial_theorem(corner):
    alpha, beta = CORNERS[corner]
    c = (1e-6, 0.3, 1.0)[(corner + corner // 3) % 3]
    for s, f in ((0, 1), (2, 12)):
        for law in ("beta", "kumaraswamy"):
            want = binomial_sum(law, s, f, alpha, beta, c)
            if abs(want) > mpf(10) ** -150:  # below, 250 digits do not carry the sum
                moment = getattr(oracle, f"log_moment_scaled_{law}")
                agree(moment(s, f, alpha, beta, c, DPS), want)


@pytest.mark.parametrize(("beta", "k"), [(0.05, 30), (3.0, 10**6), (200.0, 10**9)])
def test_kumaraswamy_of_shape_two_in_closed_form(beta, k):
    with mp.workdps(60):
        b = mpf(beta)
        tail = mp.hyp2f1(1 - b, 2, 2 + b + k, -1)
        want = mp.log(2 * b) + oracle.mp_log_beta(mpf(2), b + k) + mp.log(tail)
    agree(oracle.log_moment_kumaraswamy(0, k, 2, beta, DPS), want)


@pytest.mark.parametrize(
    ("alpha", "beta", "c", "s", "f"),
    [(0.15, 3.5, 1e-4, 0, 200), (0.4, 5.0, 0.2, 12, 88), (2.0, 0.3, 0.95, 3, 60)],
)
def test_scaled_beta_by_the_hypergeometric_function(alpha, beta, c, s, f):
    with mp.workdps(80):
        a, b, scale = mpf(alpha), mpf(beta), mpf(c)
        front = s * mp.log(scale) + oracle.mp_log_beta(s + a, b) - oracle.mp_log_beta(a, b)
        want = front + mp.log(mp.hyp2f1(-f, s + a, s + a + b, scale))
    agree(oracle.log_moment_scaled_beta(s, f, alpha, beta, c, DPS), want)


@pytest.mark.parametrize(
    ("alpha", "beta", "c", "s", "f"),
    [(0.15, 3.5, 0.1, 0, 1000), (0.4, 0.6, 0.8, 5, 95), (3.0, 20.0, 1.0, 2, 5000)],
)
def test_scaled_kumaraswamy_by_another_substitution(alpha, beta, c, s, f):
    """q = (1-x^alpha)^beta is uniform; tanh-sinh in log x^alpha = log(1 - q^(1/beta))."""
    with mp.workdps(45):
        a, b, scale = mpf(alpha), mpf(beta), mpf(c)

        def integrand(v):  # v = log(x^alpha) < 0
            x = mp.exp(v / a)
            density = b * mp.exp(v) * (-mp.expm1(v)) ** (b - 1)
            return density * (scale * x) ** s * (1 - scale * x) ** f

        centre = a * mp.log((s + a) / (scale * (f + 1)))
        marks = sorted({mpf(-110), centre - 4 * a, centre, centre + 2 * a, mpf(-1), mpf(0)})
        want = mp.log(mp.quad(integrand, [m for m in marks if m <= 0], maxdegree=10))
    agree(oracle.log_moment_scaled_kumaraswamy(s, f, alpha, beta, c, DPS), want, mpf(10) ** -22)


def test_more_digits_leave_the_digits_alone():
    for moment, s, f, theta in (
        (oracle.log_moment_scaled_kumaraswamy, 0, 10**7, (0.02, 0.4, 0.03)),
        (oracle.log_moment_scaled_beta, 41, 10**6, (7.0, 300.0, 1e-3)),
    ):
        agree(moment(s, f, *theta), moment(s, f, *theta, dps=55), mpf(10) ** -38)


def test_the_other_families():
    """By mpmath's own Gauss-Legendre in p (its tanh-sinh stops at an absolute error)."""
    with mp.workdps(40):
        for s, f in ((0, 1), (3, 50), (8, 0)):

            def mean(density, grid, s=s, f=f):
                top, mass = (
                    mp.quad(lambda p, g=g: g(p) * density(p), grid, method="gauss-legendre")
                    for g in (lambda p: p**s * (1 - p) ** f, lambda p: 1)
                )
                return mp.log(top / mass)

            want = mean(lambda p: 1, [0, mpf(0.3) / 2, mpf(0.3)])
            agree(oracle.log_moment_uniform(s, f, 0.3, DPS), want)
            for lam in (0.02, 0.5, 0.9):
                ell = mp.log(1 / mpf(lam) - 1)
                want = mean(lambda p, ell=ell: mp.exp(-ell * p), [0, 0.5, 1])
                agree(oracle.log_moment_continuous_bernoulli(s, f, lam), want)
            lo, hi = mpf(1e-3), mpf(0.4)
            want = mean(lambda p: 1 / p, [lo * (hi / lo) ** (mpf(i) / 4) for i in range(5)])
            agree(oracle.log_moment_reciprocal(s, f, 1e-3, 0.4, DPS), want)

        far = oracle.log_moment_continuous_bernoulli(0, 10**6, 0.02)
        agree(far, oracle.log_moment_continuous_bernoulli(0, 10**6, 0.02, dps=60))
        assert abs(oracle.log_moment_uniform(0, 10**9, 1.0) + mp.log(10**9 + 1)) < DIGITS_25


def test_discrete_zero_inflated_and_mixture():
    """The worked sums of the notes, and laws with atoms at 0 and 1."""
    points, equal = [0.5, 0.1, 0.01, 0.001, 0.0001], [1] * 5
    for k, want in ((10, 0.6486), (1000, 0.2545), (10_000, 0.0736)):
        assert abs(mp.exp(oracle.log_moment_discrete(0, k, points, equal)) - want) < 5e-5
    assert oracle.log_moment_discrete(2, 3, [0, 1], [1, 1]) == -mp.inf
    with mp.workdps(40):
        agree(oracle.log_moment_discrete(0, 9, [0, 1], [1, 3]), -mp.log(4))
        agree(oracle.log_moment_discrete(9, 0, [0, 1], [1, 3]), mp.log(mpf(3) / 4))

    def base(s, f, dps):
        return oracle.log_moment_beta(s, f, 0.3, 6.0, dps)

    def point(s, f, dps):
        return oracle.log_moment_discrete(s, f, [0.2], [1], dps)

    with mp.workdps(40):
        pi0 = mpf(0.25)
        want = mp.log(pi0 + (1 - pi0) * mp.exp(base(0, 40, 60)))
        agree(oracle.log_moment_zero_inflated(0, 40, 0.25, base), want)
        want = mp.log(1 - pi0) + base(2, 40, 60)
        agree(oracle.log_moment_zero_inflated(2, 40, 0.25, base), want)
        want = mp.log((mp.exp(base(1, 9, 60)) + 3 * mp.exp(point(1, 9, 60))) / 4)
        agree(oracle.log_moment_mixture(1, 9, [1, 3], [base, point]), want)


@pytest.mark.parametrize(("s", "f"), [(0, 3), (1, 1)])
def test_derivatives_against_closed_forms(s, f):
    """Beta: digammas. In log c at c = 1: neighbouring moments, for the moment is a polynomial."""
    alpha, beta = 0.3, 0.4
    _, gradient, hessian = oracle.log_moment_derivatives("scaled_beta", s, f, (alpha, beta, 1.0), DPS)
    _, closed, curved = oracle.log_moment_derivatives("beta", s, f, (alpha, beta))
    with mp.workdps(60):
        a, b, n = mpf(alpha), mpf(beta), s + f
        both = mp.psi(0, a + b + n) - mp.psi(0, a + b)
        digammas = [
            a * (mp.psi(0, a + s) - mp.psi(0, a) - both),
            b * (mp.psi(0, b + f) - mp.psi(0, b) - both),
        ]
        base = oracle.log_moment_beta(s, f, a, b, 60)
        first = f * mp.exp(oracle.log_moment_beta(s + 1, f - 1, a, b, 60) - base)
        second = mpf(0)
        if f > 1:
            second = f * (f - 1) * mp.exp(oracle.log_moment_beta(s + 2, f - 2, a, b, 60) - base)
        slope = s - first
        curve = s * s - (2 * s + 1) * first + second - slope**2
        for i in (0, 1):
            agree(closed[i], digammas[i])
            agree(gradient[i], digammas[i])
            for j in (0, 1):
                agree(hessian[i][j], curved[i][j])
        agree(gradient[2], slope)
        agree(hessian[2][2], curve)


# -- float64 likelihood and fits ---------------------------------------------------------------


def counts(n, problems, seed):
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(problems) < 0.2, 0.0, rng.beta(0.25, 3, problems))
    return np.full(problems, n), rng.binomial(n, p)


LAWS = {
    "beta": (0.2, 5.0),
    "kumaraswamy": (0.05, 1.7),
    "scaled_beta": (0.3, 0.4, 0.7),
    "scaled_kumaraswamy": (1.5, 30.0, 1.0),
    "zero_inflated_beta": (0.4, 9.0, 0.15),
}


def exact_total(family, theta, attempts, successes):
    total = mpf(0)
    with mp.workdps(30):
        pairs, times = np.unique([attempts, successes], axis=1, return_counts=True)
        for (n, s), m in zip(pairs.T.tolist(), times.tolist(), strict=True):
            if family == "zero_inflated_beta":

                def base(s, f, dps, theta=theta):
                    return oracle.log_moment_beta(s, f, *theta[:2], dps)

                moment = oracle.log_moment_zero_inflated(s, n - s, theta[2], base, 16)
            else:
                moment = getattr(oracle, f"log_moment_{family}")(s, n - s, *theta, dps=16)
            total += m * (mp.log(math.comb(n, s)) + moment)
    return total


@pytest.mark.parametrize("family", LAWS)
def test_float_likelihood_is_good_to_1e9th_of_a_nat(family):
    attempts, successes = counts(10_000, 12, seed=3)
    got = oracle.log_likelihood(family, LAWS[family], attempts, successes)
    assert abs(got - exact_total(family, LAWS[family], attempts, successes)) < 1e-9 * 12 / 160


@pytest.mark.parametrize("family", LAWS)
def test_float_likelihood_at_hard_corners(family):
    """Few rows, hard laws: tiny shapes, beta at its top, c below the successes seen."""
    attempts, successes = np.array([3000, 100]), np.array([0, 60])
    for corner in ((1e-3, 1e3, 0.02), (50.0, 1e-2, 0.02), (0.3, 1e4, 0.9)):
        theta = corner[: len(oracle.PARAMETERS[family])]
        got = oracle.log_likelihood(family, theta, attempts, successes)
        want = exact_total(family, theta, attempts, successes)
        assert abs(got - want) < 1e-10 + 1e-14 * abs(want)


@pytest.mark.parametrize("family", LAWS)
def test_float_gradient_by_differences(family):
    rows = oracle.Rows(*counts(300, 60, seed=5))
    theta = LAWS[family]
    if family == "scaled_kumaraswamy":
        theta = (1.5, 30.0, 0.8)
    objective = oracle.fits.Objective(family, rows)
    z = objective.encode(theta)
    _, slope = objective(z)
    for i in range(len(z)):
        move = np.eye(len(z))[i] * 1e-5
        difference = (objective.value(z + move) - objective.value(z - move)) / 2e-5
        assert difference == pytest.approx(slope[i], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("family", LAWS)
def test_best_fit_is_not_beaten_by_differential_evolution(family):
    attempts, successes = counts(30, 40, seed=11)
    fit = oracle.best_fit(family, attempts, successes)
    assert fit["decrement"] < 1e-8
    assert fit["resolution_error"] < 1e-9
    params = tuple(fit["params"].values())
    again = oracle.log_likelihood(family, params, attempts, successes)
    assert again == pytest.approx(fit["log_likelihood"], abs=1e-9)
    objective = oracle.fits.Objective(family, oracle.Rows(attempts, successes))
    box = list(zip(objective.lower, objective.upper, strict=True))
    rival = optimize.differential_evolution(
        objective.value, box, seed=1, maxiter=25, popsize=12, polish=False, tol=0
    )
    assert -rival.fun < fit["log_likelihood"] + 1e-9
    assert -rival.fun > fit["log_likelihood"] - 1.0  # and it does get close


# -- the committed reference -------------------------------------------------------------------

REFERENCE = json.loads((Path(__file__).parent / "reference" / "log_moment.json").read_text())


def test_reference_covers_the_box():
    points = REFERENCE["points"]
    families = {point["family"] for point in points}
    assert families == {"beta", "kumaraswamy", "scaled_beta", "scaled_kumaraswamy"}
    assert sum("hessian" in point for point in points) >= 100
    for point in points:
        assert mpf(point["log_moment"]) < 0
        if "hessian" in point:
            hessian = point["hessian"]
            assert hessian == [list(column) for column in zip(*hessian, strict=True)]


def test_reference_is_what_the_oracle_says():
    """A sample of points, at more digits than the file was made with."""
    for point in REFERENCE["points"][5::60]:
        theta = [point[name] for name in ("alpha", "beta", "c") if name in point]
        moment = getattr(oracle, f"log_moment_{point['family']}")
        with mp.workdps(48):
            agree(moment(point["s"], point["f"], *theta, dps=48), mpf(point["log_moment"]), 1e-24)
