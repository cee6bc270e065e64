"""datasets.py: the example is what its script makes, and its truth is what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lmpower.counts import CountsError
from lmpower.datasets import EXAMPLE_MODELS, example, example_truth

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("model", EXAMPLE_MODELS)
def test_example(model: str) -> None:
    counts = example(model)
    assert len(counts) == 128
    assert set(counts.attempts.tolist()) == {100}
    assert counts.stopping == "fixed"
    assert 0 < (counts.successes == 0).sum() < 128


def test_the_first_model_is_the_default() -> None:
    assert example().successes.tolist() == example("model-a").successes.tolist()


def test_the_script_makes_the_file() -> None:
    spec = importlib.util.spec_from_file_location("make", ROOT / "benchmarks" / "make_example.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PATH.read_text(encoding="utf-8") == script.example_csv()


@pytest.mark.parametrize(("model", "exponent", "mean"), [("model-a", 0.3, 0.036), ("model-b", 0.6, 0.081)])
def test_truth_is_as_documented(model: str, exponent: float, mean: float) -> None:
    truth = example_truth(model)
    assert float(truth.tail().exponent) == pytest.approx(exponent, abs=1e-12)
    assert float(truth.mean()) == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize("model", EXAMPLE_MODELS)
def test_counts_could_come_from_the_truth(model: str) -> None:
    counts, truth = example(model), example_truth(model)
    chance = float(np.exp(truth.log_moment(0.0, 100.0)))
    unsolved = (counts.successes == 0).sum()
    assert abs(unsolved - 128 * chance) < 4 * np.sqrt(128 * chance * (1 - chance))
    # the variance of s/n over problems is at most that of a yes-or-no with the same mean
    mean = float(truth.mean())
    assert abs(counts.rate.mean() - mean) < 4 * np.sqrt(mean * (1 - mean) / 128)


def test_unknown_model() -> None:
    with pytest.raises(CountsError, match="there is no group 'gpt'; the groups are model-a, model-b"):
        example("gpt")
    with pytest.raises(ValueError, match="there is no model 'gpt'; the models are model-a, model-b"):
        example_truth("gpt")
