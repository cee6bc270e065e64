"""log Beta, and integrals over (0, 1), good to the last digits with gradients and Hessians.

Every integral of this library has the form E_F[g(p)] with p = c x, x in (0, 1), and is taken over
the log-odds w = logit x, where both ends of the interval lie at infinity and every difficulty law
decays exponentially. Two facts make it cheap:

* a function analytic in a strip around the real axis is summed by equally spaced nodes with an
  error exp(-2 pi d / h), d the half-width of the strip and h the spacing (Trefethen & Weideman
  2014, SIAM Review 56, 385): about 100 nodes give 12 digits;
* where the integrand is nothing but the law's own tail, the rest of the mass is known in closed
  form from the cdf, so a tail exponent of .001 costs no more nodes than 1.

Where the nodes lie carries no derivative: the sum does not depend on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

# Stirling's series log Gamma(x) = (x - 1/2) log x - x + log(2 pi)/2 + sum_m B_2m/(2m(2m-1) x^(2m-1))
# (DLMF 5.11.1). From SHIFT on, seven terms are exact to 1e-15.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_SHIFT = 8


def _stirling_tail(x: Array) -> Array:
    """The sum over m of Stirling's series, for x >= SHIFT."""
    return _polynomial(_STIRLING, 1 / (x * x)) / x


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """c_0 + c_1 x + c_2 x^2 + ... by Horner's rule."""
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


_ARTANH = tuple(2 / power for power in range(3, 21, 2))


def _log1p_minus(u: Array) -> Array:
    """log(1 + u) - u for u >= 0, exact to the last digits also where u is small.

    With r = u/(2+u), log(1+u) = 2 artanh r = 2r + 2(r^3/3 + r^5/5 + ...), and 2r - u = -u r.
    """
    small = u < 0.25
    v = jnp.where(small, u, 0.0)
    r = v / (2 + v)
    series = r**3 * _polynomial(_ARTANH, r * r) - v * r
    w = jnp.where(small, 1.0, u)
    return jnp.where(small, series, jnp.log1p(w) - w)


def log_rising(x: Array, a: Array) -> Array:
    """log Gamma(x + a) - log Gamma(x) for x > 0, a >= 0, without the cancellation of the two.

    Both arguments are shifted up by 8, Gamma(x) = Gamma(x + 8) / (x (x+1) ... (x+7)), and Stirling's
    series is subtracted term by term.
    """
    x, a = jnp.broadcast_arrays(*_as_floats(x, a))
    y = x + _SHIFT
    return (
        a * jnp.log(y + a)
        + (y * _log1p_minus(a / y) - 0.5 * jnp.log1p(a / y))
        + (_stirling_tail(y + a) - _stirling_tail(y))
        - _descent(x, a)
    )


def _descent(x: Array, a: Array) -> Array:
    """log prod_j (x+a+j)/(x+j) over j < 8: what shifting both arguments by 8 has added."""
    return jnp.sum(jnp.log1p(a[..., None] / _steps_up(x)), axis=-1)


def _steps_up(x: Array) -> Array:
    """x, x + 1, ..., x + 7 along a new last axis."""
    return x[..., None] + jnp.arange(_SHIFT, dtype=x.dtype)


def _log_rising_drop(b: Array, shift: Array, a: Array) -> Array:
    """log_rising(b, a) - log_rising(b + shift, a) <= 0, exact also where the two nearly agree."""
    y = b + _SHIFT
    z = y + shift
    stirling = (_stirling_tail(y + a) - _stirling_tail(y)) - (_stirling_tail(z + a) - _stirling_tail(z))
    return (
        -a * jnp.log1p(shift / (y + a))
        + (y * _log1p_minus(a / y) - z * _log1p_minus(a / z))
        - 0.5 * (jnp.log1p(a / y) - jnp.log1p(a / z))
        + stirling
        - (_descent(b, a) - _descent(b + shift, a))
    )


def log_beta(a: Array, b: Array) -> Array:
    """log B(a, b) for a, b > 0; symmetric and smooth, also at a = b where derivatives often fail.

    ``jax.scipy.special.betaln`` (JAX 0.10.2, float64) errs by up to 3e-7 and jumps where
    max(a, b) = 8; this one is exact to about 2e-14 of the larger of |log B| and 1.
    """
    a, b = jnp.broadcast_arrays(*_as_floats(a, b))
    A, B = a + _SHIFT, b + _SHIFT
    large = (
        0.5 * (math.log(2 * math.pi) + jnp.log(1 / A + 1 / B))
        - A * jnp.log1p(B / A)
        - B * jnp.log1p(A / B)
        + (_stirling_tail(A) + _stirling_tail(B) - _stirling_tail(A + B))
    )
    # B(a, b) = B(a+8, b+8) (a+b)(a+b+1)...(a+b+15) / [a...(a+7) b...(b+7)]
    descent = jnp.log(_steps_up(a + b) / _steps_up(a) * (_steps_up(a + B) / _steps_up(b)))
    return large + jnp.sum(descent, axis=-1)


def log_beta_ratio(alpha: Array, beta: Array, s: Array, f: Array) -> Array:
    """log [B(alpha + s, beta + f) / B(alpha, beta)] = log E[p^s (1-p)^f] for p ~ Beta(alpha, beta).

    With m = min(s, f) handled last, it is the sum of
        log Gamma(alpha+s)/Gamma(alpha)                                   when s <= f,
        the bracket log [Gamma(beta+f)/Gamma(beta)] / [Gamma(alpha+beta+f)/Gamma(alpha+beta)],
        - log Gamma(alpha+beta+f+s)/Gamma(alpha+beta+f),
    so that no two large terms cancel; the bracket itself is symmetric under alpha <-> f and is
    taken over the smaller of the two. The case f < s is the mirror image.
    """
    alpha, beta, s, f = jnp.broadcast_arrays(*_as_floats(alpha, beta, s, f))
    mirrored = f < s
    a, b = jnp.where(mirrored, beta, alpha), jnp.where(mirrored, alpha, beta)
    few, many = jnp.where(mirrored, f, s), jnp.where(mirrored, s, f)
    step, start = jnp.where(a < many, a, many), jnp.where(a < many, many, a)
    bracket = _log_rising_drop(b, start, step)
    return log_rising(a, few) + bracket - log_rising(a + b + many, few)


def log1mexp(x: Array) -> Array:
    """log(1 - exp(x)) for x <= 0 (Maechler 2012, R package Rmpfr)."""
    near = x > -math.log(2)
    return jnp.where(
        near,
        jnp.log(-jnp.expm1(jnp.where(near, x, -1.0))),
        jnp.log1p(-jnp.exp(jnp.where(near, -1.0, x))),
    )


def log_sides(w: Array) -> tuple[Array, Array]:
    """log x and log(1 - x) of x = 1/(1 + e^-w)."""
    return -jax.nn.softplus(-w), -jax.nn.softplus(w)


def log_sum_exp(terms: Float[Array, "... J"]) -> Float[Array, ...]:
    """log sum exp over the last axis; all terms -inf gives -inf with zero derivatives, not NaN."""
    peak = jax.lax.stop_gradient(jnp.max(terms, axis=-1, keepdims=True))
    peak = jnp.where(jnp.isfinite(peak), peak, 0.0)
    total = jnp.sum(jnp.exp(terms - peak), axis=-1)
    positive = total > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, total, 1.0)) + peak[..., 0], -jnp.inf)


def _as_floats(*numbers: Array) -> tuple[Array, ...]:
    dtype = jnp.result_type(float, *numbers) if not _any_float(numbers) else _float_type(numbers)
    return tuple(jnp.asarray(x, dtype) for x in numbers)


def _any_float(numbers: tuple[Array, ...]) -> bool:
    return any(jnp.issubdtype(jnp.result_type(x), jnp.floating) for x in numbers)


def _float_type(numbers: tuple[Array, ...]) -> jnp.dtype:
    return jnp.result_type(*(x for x in numbers if jnp.issubdtype(jnp.result_type(x), jnp.floating)))


# --- sums over the log-odds -------------------------------------------------------------------

# Nodes of one adaptive integral. The widest windows that occur are about 65 wide, so h <= .34, and
# the narrowest strip of analyticity is pi/2 (a kernel exp(-k e^w)): error exp(-pi^2/h) < 1e-12.
NODES = 192
# Where the integrand has fallen by exp(-DROP) from its peak, the rest is below rounding.
DROP = 34.0
# This far beyond the last feature of kernel and law, one point at the mean carries the rest: the
# neglected second moment is exp(-2 CLOSING). Below, Kumaraswamy's law may still bend, slowly, which
# moves the mean by a fraction; hence the larger distance there.
CLOSING_BELOW, CLOSING_ABOVE = 23.0, 15.0
# No feature of any law or kernel in the certified box lies further out than this in log-odds.
_FAR = 3e5
# Nodes of the nested grids that find an integrand's peak, and its ends to 2 %.
_PEAK_GRID, _END_GRID = 65, 33
# Gregory's end corrections (Abramowitz & Stegun 25.4.16-18), through seventh differences.
_GREGORY = (1 / 12, 1 / 24, 19 / 720, 3 / 160, 863 / 60480, 275 / 24192, 33953 / 3628800)


@functools.cache
def gregory_correction(nodes: int) -> np.ndarray:
    """What Gregory's end correction adds at one end to the weights 1 of equally spaced nodes, [nodes].

    With it the rule is exact for polynomials of degree 7, so a smooth integrand need not have died
    out where the window ends. (One that dies out steeply there is better served by weights 1.)
    """
    correction = np.zeros(nodes)
    correction[0] = -0.5
    for order, coefficient in enumerate(_GREGORY, start=1):
        for j in range(order + 1):
            correction[j] -= coefficient * (-1) ** j * math.comb(order, j)
    return correction


def trapezoid(
    low: Float[Array, ...],
    high: Float[Array, ...],
    open_low: Bool[Array, ...],
    open_high: Bool[Array, ...],
    nodes: int = NODES,
) -> tuple[Float[Array, "... J"], Float[Array, "... J"]]:
    """Equally spaced nodes on [low, high] and the logs of their weights.

    An end is open where the integrand goes on beyond it, and is then corrected after Gregory.
    """
    dtype = jnp.result_type(low)
    step = ((high - low) / (nodes - 1))[..., None]
    w = low[..., None] + step * jnp.arange(nodes, dtype=dtype)
    correction = jnp.asarray(gregory_correction(nodes), dtype)
    weight = 1 + open_low[..., None] * correction + open_high[..., None] * correction[::-1]
    return w, jnp.log(step * weight)


def find_window(
    log_f: Callable[[Array], Array], lower: Float[Array, ...], upper: Float[Array, ...]
) -> tuple[Float[Array, ...], Float[Array, ...]]:
    """The part of [lower, upper] in which a unimodal exp(log_f) lies, to exp(-DROP) of its peak.

    ``log_f`` maps [..., G] to [..., G]. The search is two loops over nested grids, so that ``log_f`` is
    compiled once in each. Grids for the peak are equally spaced in asinh w, since features are of width 1
    near 0 and of width ~|w| far away; grids for the ends in the log of the distance from the peak.
    """
    lower, upper = jnp.asarray(lower)[..., None], jnp.asarray(upper)[..., None]
    lower, upper = jax.lax.stop_gradient((lower, upper))
    dtype = lower.dtype

    def values(w: Array) -> Array:
        return jax.lax.stop_gradient(log_f(w))

    def bracket(near: Array, far: Array, count: int) -> Array:
        return near + (far - near) * jnp.linspace(0.0, 1.0, count, dtype=dtype)

    def pick(grid: Array, index: Array) -> Array:
        return jnp.take_along_axis(grid, jnp.clip(index, 0, grid.shape[-1] - 1), axis=-1)

    def towards_peak(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        grid = bracket(*ends, _PEAK_GRID)
        best = jnp.argmax(values(jnp.clip(jnp.sinh(grid), lower, upper)), axis=-1, keepdims=True)
        return pick(grid, best - 1), pick(grid, best + 1)

    widest = jnp.arcsinh(jnp.asarray(_FAR, dtype))
    whole = tuple(jnp.clip(jnp.arcsinh(end), -widest, widest) for end in (lower, upper))
    left, right = jax.lax.fori_loop(0, 3, towards_peak, whole)
    peak = jnp.clip(jnp.sinh(0.5 * (left + right)), lower, upper)
    floor = values(peak) - DROP

    # the ends below and above, side by side
    sides = jnp.asarray([-1.0, 1.0], dtype)[:, None]
    centre, least, *bounds = (each[..., None, :] for each in (peak, floor, lower, upper))

    def places(log_distance: Array) -> Array:
        return jnp.clip(centre + sides * jnp.exp(log_distance), *bounds)

    def towards_ends(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        grid = bracket(*ends, _END_GRID)
        w = places(grid)
        outside = values(w.reshape(*w.shape[:-2], -1)).reshape(w.shape) < least
        first = jnp.argmax(outside, axis=-1, keepdims=True)
        first = jnp.where(jnp.any(outside, axis=-1, keepdims=True), first, grid.shape[-1] - 1)
        return pick(grid, first - 1), pick(grid, first)

    shape = jnp.broadcast_shapes(centre.shape, sides.shape)
    nearest, furthest = (jnp.full(shape, math.log(end), dtype) for end in (1e-4, 4 * _FAR))
    _, far = jax.lax.fori_loop(0, 2, towards_ends, (nearest, furthest))
    ends = places(far)[..., 0]
    return ends[..., 0], ends[..., 1]


@functools.cache
def _legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (1 + x), np.log(0.5 * weight)


def gauss_legendre(
    low: Float[Array, ...], high: Float[Array, ...], nodes: int = 160
) -> tuple[Float[Array, "... J"], Float[Array, "... J"]]:
    """Nodes on [low, high] and the logs of their weights, for an integrand cut off at an end."""
    x, log_weight = _legendre(nodes)
    dtype = jnp.result_type(low)
    width = (high - low)[..., None]
    return low[..., None] + width * jnp.asarray(x, dtype), (jnp.log(width) + jnp.asarray(log_weight, dtype))
