"""Which draws of several posteriors belong together, and whether all can be believed.

Draws of groups that were sampled together (``posterior.hierarchy``) are joint: the i-th of one goes with
the i-th of the other. All others are independent, and are paired with their order shifted, because
posteriors drawn with the same key may be alike at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmpower.posterior.draws import Posterior


def paired(posteriors: Sequence[Posterior], names: Sequence[str]) -> list[np.ndarray]:
    """Of each posterior, which of its draws make one set with the others', [S] each."""
    for name, one in zip(names, posteriors, strict=True):
        if not isinstance(one, Posterior):
            raise ValueError(f"{name!r} must be a Posterior, not {type(one).__name__}")
        if one.log_likelihood.ndim != 1:
            raise ValueError(
                f"{name!r} must be the posterior of one data set, not a batch: take posterior[i]"
            )
    fewest = min(len(one.log_likelihood) for one in posteriors)
    marks: dict[str | int, int] = {}
    place = [marks.setdefault(one.joint or i, len(marks)) for i, one in enumerate(posteriors)]
    return [
        (np.arange(fewest) + j * fewest // len(marks)) % fewest * len(one.log_likelihood) // fewest
        for j, one in zip(place, posteriors, strict=True)
    ]


def trust_in_all(posteriors: Sequence[Posterior], names: Sequence[str]) -> tuple[bool, str]:
    """Whether all can be believed, and what is to be said of those that cannot, or not in all."""
    said = [
        f"{name}: {one.sentence}" for name, one in zip(names, posteriors, strict=True) if int(one.trust)
    ]
    return all(bool(one.ok) for one in posteriors), "; ".join(said) or "all posteriors have mixed"
