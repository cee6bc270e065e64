"""A real language model, if a small one, attempts 128 sums 10,000 times.

At several points of its training and at several temperatures. No law made its problems; but such a model
can say exactly how likely it is to write each sum, so that every forecast can be held against what happens
in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpower.datasets.shipped import shipped

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64, Int64

    from lmpower.counts import Counts
    from lmpower.difficulty import Discrete

ADDITION_CHECKPOINTS = (100, 200, 400, 800, 1600)  # training steps
ADDITION_TEMPERATURES = (0.6, 0.8, 1.0, 1.2, 1.5)  # at the last of them; at the others 1.0


@dataclass(frozen=True, eq=False)
class Sampled:
    """Repeated samples of a model whose chances are known.

    Attributes:
        counts: attempts and successes of P problems.
        p: the chance that one attempt solves each problem, to seven digits.
        tokens: how many tokens all attempts at each problem wrote: the cost.
    """

    counts: Counts
    p: Float64[np.ndarray, " P"]
    tokens: Int64[np.ndarray, " P"]

    @property
    def law(self) -> Discrete:
        """These very problems as a difficulty: its ``pass_at_k`` is what no number of attempts can mend."""
        import numpy as np

        from lmpower.difficulty import Discrete

        return Discrete(self.p, np.full(len(self.p), 1 / len(self.p)))


def addition(checkpoint: int | None = None, temperature: float | None = None) -> dict[str, Sampled]:
    """A small transformer adds numbers: 128 problems, 10,000 attempts each, and the exact chance of each.

    A decoder-only transformer of 101,504 parameters (two layers of width 64) learnt from 50,000 texts such
    as ``47+985=1032$``, a token a character, numbers of one to five digits; none of the 128 problems was
    among them. An attempt writes token after token, and succeeds if it has written the sum and the end.
    Every number in the file comes out of a seed:

        python benchmarks/datasets/make_addition.py --seed 0 --out lmpower/data/addition.csv

    takes some four minutes on two cores.

    Args:
        checkpoint: only after so many training steps, one of `ADDITION_CHECKPOINTS`.
        temperature: only at this one of `ADDITION_TEMPERATURES`; only 1.0 before the last checkpoint.

    Returns:
        By name, as ``lmpower fit addition.csv --by checkpoint,temperature`` has it: "1600 / 0.6".

    Raises:
        ValueError: where there are none, listing what there is.
    """
    import numpy as np

    from lmpower.tables import read_counts
    from lmpower.tables.table import open_table

    columns = ("checkpoint", "temperature", "p", "tokens")
    known: dict[tuple[str, str], tuple[list[float], list[int]]] = {}
    with shipped("addition.csv") as path:
        counts = read_counts(path, by=columns[:2], stopping="fixed")
        for steps, heat, p, tokens in open_table(path).read(columns):
            chances, costs = known.setdefault((steps, heat), ([], []))
            chances.append(float(p))
            costs.append(int(tokens))
    found = {
        f"{steps} / {heat}": Sampled(counts[f"{steps} / {heat}"], np.array(chances), np.array(costs))
        for (steps, heat), (chances, costs) in known.items()
        if checkpoint in (None, int(steps)) and temperature in (None, float(heat))
    }
    if not found:
        there = ", ".join(repr(name) for name in counts)
        raise ValueError(
            f"there are no attempts of checkpoint={checkpoint!r}, temperature={temperature!r}; "
            f"those of checkpoint / temperature are {there}"
        )
    return found
