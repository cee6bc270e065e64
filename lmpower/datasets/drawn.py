"""Made-up models on problems whose difficulty is drawn from a stated law.

Two of them attempt 128 problems each, 100 times, so that a fit can be held against what it should find:

* "model-a": p ~ Beta(0.3, 8), tail exponent 0.3, mean p = 0.036;
* "model-b": p = 0.5 x, x ~ Kumaraswamy(0.6, 2.5), tail exponent 0.6, mean p = 0.081.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmpower.datasets.shipped import shipped

if TYPE_CHECKING:
    from lmpower.counts import Counts
    from lmpower.difficulty import Difficulty

EXAMPLE_MODELS = ("model-a", "model-b")


def example(model: str = "model-a") -> Counts:
    """128 problems with 100 attempts each by one of `EXAMPLE_MODELS`.

    ``benchmarks/datasets/make_example.py`` made them.

    Raises:
        CountsError: for another model, listing those there are.
    """
    from lmpower.tables import choose_group, read_counts

    with shipped("example.csv") as path:
        return choose_group(read_counts(path, by="model"), model)


def example_truth(model: str = "model-a") -> Difficulty:
    """The law from which the problems of `example` were drawn.

    Raises:
        ValueError: for another model, listing those there are.
    """
    import numpy as np

    from lmpower.difficulty import Beta, Kumaraswamy, Scaled

    number: Any = np.float64
    truths: dict[str, Difficulty] = {
        "model-a": Beta(number(0.3), number(8.0)),
        "model-b": Scaled(Kumaraswamy(number(0.6), number(2.5)), number(0.5)),
    }
    if model not in truths:
        raise ValueError(f"there is no model {model!r}; the models are {', '.join(truths)}")
    return truths[model]
