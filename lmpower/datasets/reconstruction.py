"""An autoencoder reconstructs 128 of its training images again and again, with a temperature.

It succeeds where the error is at most epsilon: real trials of a real model, so small that its ceiling can
be computed. ``benchmarks/datasets/make_reconstruction.py`` made them, and says how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpower.datasets.shipped import columns, shipped

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64, Int64
    from numpy.typing import ArrayLike

    from lmpower.counts import Counts


def reconstruction() -> dict[str, Counts]:
    """Independent trials of an autoencoder: 128 images, 100,000 trials each, in six groups.

    The groups are named "temperature / epsilon": three temperatures, "1", "2" and "3", by two thresholds of
    the mean squared error a pixel, "0.008" and "0.01". All groups have the same images, and both thresholds
    of a temperature judge the same trials.
    """
    from lmpower.tables import read_counts

    with shipped("reconstruction.csv") as path:
        return read_counts(path, by=["temperature", "epsilon"], stopping="fixed")


def reconstruction_margins() -> dict[str, Float64[np.ndarray, " P"]]:
    """How far below epsilon the least error of each image lies, group by group as in `reconstruction`.

    Only images with a margin of at least 0 can ever be solved: their share is the ceiling of pass@k.
    """
    import numpy as np

    cells = columns("reconstruction.csv")
    margin = np.array(cells["epsilon"], dtype=float) - np.array(cells["least_error"], dtype=float)
    names = [" / ".join(pair) for pair in zip(cells["temperature"], cells["epsilon"], strict=True)]
    return {name: margin[np.array(names) == name] for name in dict.fromkeys(names)}


@dataclass(frozen=True, eq=False)
class Chains:
    """Trials that are not independent given the problem: C chains for each of P problems, order kept.

    Attributes:
        correlation: rho, of the noise of one trial with that of the next in its chain.
        problem: one label a problem.
        first: the trial of each chain's first success, from 1; 0 where there is none.
        successes: among so many first trials of each chain; the largest number is all of them.
    """

    correlation: float
    problem: tuple[str, ...]
    first: Int64[np.ndarray, "P C"]
    successes: dict[int, Int64[np.ndarray, "P C"]]

    @property
    def length(self) -> int:
        """Trials in each chain."""
        return max(self.successes)

    def pilot(self, attempts: int, chain: int = 0) -> Counts:
        """What the first trials of one chain a problem would be taken for: plain counts.

        Raises:
            ValueError: for numbers of trials or a chain other than those there are.
        """
        import numpy as np

        from lmpower.counts import Counts

        if attempts not in self.successes:
            there = ", ".join(f"{n:,}" for n in self.successes)
            raise ValueError(f"successes were counted among the first {there} trials, not {attempts!r}")
        chains = self.first.shape[1]
        if not 0 <= chain < chains:
            raise ValueError(f"chain must be from 0 to {chains - 1}; got {chain!r}")
        successes = self.successes[attempts][:, chain]
        return Counts(np.full_like(successes, attempts), successes, np.array(self.problem))

    def pass_at_k(self, ks: ArrayLike) -> Float64[np.ndarray, " K"]:
        """The share of all chains with a success among their first k trials, whatever k up to `length`.

        Raises:
            ValueError: for a k that is no whole number from 1 to `length`.
        """
        from lmpower.passk import check_ks

        k = check_ks(ks)
        if k.max() > self.length:
            raise ValueError(f"the chains have {self.length:,} trials; got k = {k.max():,}")
        solved = (self.first > 0) & (self.first <= k[:, None, None])
        return solved.mean(axis=(1, 2))


def reconstruction_chains() -> dict[str, Chains]:
    """Correlated trials of the autoencoder at temperature 2 and epsilon .01, named by their correlation.

    The images are those of `reconstruction`, whose group "2 / 0.01" is the same at correlation 0.
    """
    import numpy as np

    cells = columns("reconstruction_chains.csv")
    correlation, problem = np.array(cells["correlation"]), np.array(cells["problem"])
    first = np.array([int(cell or 0) for cell in cells["first"]])
    among = {
        int(name.removeprefix("successes_")): np.array(column, dtype=np.int64)
        for name, column in cells.items()
        if name.startswith("successes_")
    }
    groups = {}
    for rho in dict.fromkeys(correlation.tolist()):
        rows = correlation == rho
        labels = tuple(dict.fromkeys(problem[rows].tolist()))
        shape = len(labels), -1
        groups[rho] = Chains(
            float(rho),
            labels,
            first[rows].reshape(shape),
            {n: successes[rows].reshape(shape) for n, successes in among.items()},
        )
    return groups
