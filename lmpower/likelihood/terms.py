"""Which derivatives of a law's points there are: those that its program says can be other than zero.

Of the points' nu = (log p, log(1-p), log w) a law moves each part with few of its parameters, a scaled one
log p and log(1-p) with c alone. What moves with what is read off once, and only the products that it leaves
are computed and summed (``sums``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array, Float

from lmpower.difficulty.base import Points
from lmpower.likelihood.sums import Cloud


class Terms(NamedTuple):
    """Which derivatives of the points are not zero, and which products of them a Hessian needs.

    Attributes:
        slopes: (a, d) where part a of nu moves with coordinate d.
        bends: (a, b, d, e), d <= e, a <= b: the coefficient of phi_a phi_b in entry (d, e).
        place: of each entry in the list of those with d <= e, [D, D].
    """

    slopes: tuple[tuple[int, int], ...]
    bends: tuple[tuple[int, int, int, int], ...]
    place: np.ndarray

    @classmethod
    def of(cls, moves: Sequence[set[int]], size: int, curved: bool) -> Self:
        slopes = tuple((a, d) for a in range(3) for d in sorted(moves[a]))
        upper = [(d, e) for d in range(size) for e in range(d, size)]
        bends = {
            (min(a, b), max(a, b), d, e)
            for (a, one), (b, other), (d, e) in itertools.product(slopes, slopes, upper)
            if (one, other) == (d, e)
        }
        bends |= {(a, 2, d, e) for a, (d, e) in itertools.product(range(3), upper) if {d, e} <= moves[a]}
        bends = bends if curved else set()
        place = [[upper.index((min(d, e), max(d, e))) for e in range(size)] for d in range(size)]
        return cls(slopes, tuple(sorted(bends)), np.array(place))

    def features(self, cloud: Callable[..., Points], t: Sequence[Array]) -> Cloud:
        """nu [3, J] and, side by side, 1, its slopes, and what goes with phi_a phi_b in the Hessian."""
        one = jnp.ones_like(t[0])

        def along(function: Callable[..., Points], d: int) -> Callable[..., Points]:
            # coordinate by coordinate, so that a derivative in one costs nothing where only others enter
            def derivative(*t: Array) -> Points:
                return cast(Points, jax.jvp(lambda x: function(*t[:d], x, *t[d + 1 :]), (t[d],), (one,))[1])

            return derivative

        points = cloud(*t)
        first = {d: along(cloud, d)(*t) for _, d in self.slopes}
        second = {(d, e): along(along(cloud, d), e)(*t) for *_, d, e in self.bends}
        columns = [jnp.ones_like(points.log_p), *(first[d][a] for a, d in self.slopes)]
        for a, b, d, e in self.bends:
            column = second[d, e][a] if b == 2 else jnp.zeros_like(points.log_p)
            for one_part, other in {(a, b), (b, a)}:
                if {(one_part, d), (other, e)} <= set(self.slopes):
                    column = column + first[d][one_part] * first[e][other]
            columns.append(column)
        return jnp.stack(points), jnp.stack(columns, axis=-1)

    def derivatives(
        self, phi: Sequence[Array], means: Float[Array, "R F"]
    ) -> tuple[Float[Array, "R D"], Float[Array, "R E"]]:
        """Each row's gradient, and mean of second derivatives for the entries with d <= e."""
        size = len(self.place)
        gradient: list[Any] = [jnp.zeros_like(phi[0])] * size
        entries: list[Any] = [jnp.zeros_like(phi[0])] * (size * (size + 1) // 2)
        for column, (a, d) in enumerate(self.slopes):
            gradient[d] = gradient[d] + phi[a] * means[:, column]
        for column, (a, b, d, e) in enumerate(self.bends, start=len(self.slopes)):
            entries[self.place[d, e]] += phi[a] * phi[b] * means[:, column]
        return jnp.stack(gradient, axis=-1), jnp.stack(entries, axis=-1)


def moved_by(function: Callable[..., Points], args: Sequence[Array]) -> list[set[int]]:
    """For each part of nu, which arguments it may depend on: read off its program."""
    program = jax.make_jaxpr(function)(*args).jaxpr
    reached: dict[Any, set[int]] = {variable: {d} for d, variable in enumerate(program.invars)}

    def behind(variables: Sequence[Any]) -> set[int]:
        known = (reached.get(v, set()) for v in variables if not isinstance(v, Literal))
        return set().union(*known)

    for equation in program.eqns:
        reached |= dict.fromkeys(equation.outvars, behind(equation.invars))
    return [behind([variable]) for variable in program.outvars]
