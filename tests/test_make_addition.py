"""make_addition.py: real samples of a real model, with the chances that it really has."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

pytest.importorskip("optax")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks" / "datasets"))

import make_addition as script
from attempts import attempt, exact_p, solved_and_tokens
from sums import ALPHABET, DIGITS, END, LENGTH, ROOM, Texts, split_pairs
from transformer import forward, init_params

sys.path.pop(0)

TINY: dict[str, Any] = {
    "checkpoints": (2, 5), "temperatures": (0.5,), "problems": 4, "attempts": 300, "training": 64,
    "batch": 8, "width": 8, "heads": 2, "layers": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> str:
    return str(script.addition_csv(3, script.Recipe(**TINY)))


@pytest.fixture(scope="module")
def params() -> Any:
    """Of a model that has learnt nothing, and is not indifferent."""
    return init_params(jax.random.key(0), tokens=len(ALPHABET), length=LENGTH, width=8, heads=2, layers=2)


def chances(params: Any, text: str, temperature: float) -> np.ndarray:
    """Of every token after each prefix of a text, [prefix, token]: one float64 pass over all of it."""
    tokens = np.array([ALPHABET.index(letter) for letter in text.ljust(LENGTH, "0")])
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float64), params)
        heights = np.asarray(jax.jit(forward)(exact, tokens)[0]) / temperature
    weights = np.exp(heights - heights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def chance_of(params: Any, prompt: str, answer: str, temperature: float) -> float:
    table = chances(params, prompt + answer, temperature)
    return float(np.prod([table[len(prompt) - 1 + i, ALPHABET.index(a)] for i, a in enumerate(answer)]))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file_however_batched(tiny: str) -> None:
    assert script.addition_csv(3, script.Recipe(**TINY, block=7)) == tiny
    assert script.addition_csv(4, script.Recipe(**TINY)) != tiny


def test_the_file_has_every_condition_and_problem(tiny: str) -> None:
    rows = list(csv.DictReader(io.StringIO(tiny)))
    problems = [row["problem"] for row in rows[:4]]
    conditions = [("2", "1"), ("5", "1"), ("5", "0.5")]
    there = [(row["checkpoint"], row["temperature"], row["problem"]) for row in rows]
    assert there == [(*condition, problem) for condition in conditions for problem in problems]
    assert {row["attempts"] for row in rows} == {"300"}
    assert all(300 <= int(row["tokens"]) <= 300 * 7 for row in rows)


def test_problems_asked_are_never_learnt() -> None:
    asked, learnt = split_pairs(jax.random.key(1), problems=50, training=2000)
    assert len(set(asked)) == 50
    assert len(set(learnt)) == 2000
    assert not {frozenset(pair) for pair in asked} & {frozenset(pair) for pair in learnt}
    lengths = {len(str(number)) for pair in asked for number in pair}
    assert lengths == set(range(1, DIGITS + 1))


def test_texts() -> None:
    texts = Texts.of([(47, 985), (99999, 99999)])
    read = ["".join(ALPHABET[token] for token in text) for text in texts.tokens]
    assert read == ["47+985=1032$$$$$$$$", "99999+99999=199998$"]
    assert texts.asked.tolist() == [7, 12]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_exact_chances_are_products_of_the_right_tokens(params: Any, temperature: float) -> None:
    texts = Texts.of([(47, 985), (3, 40), (99999, 99999)])
    found = exact_p(params, texts, temperature)
    wanted = [
        chance_of(params, prompt, answer, temperature)
        for prompt, answer in [("47+985=", "1032$"), ("3+40=", "43$"), ("99999+99999=", "199998$")]
    ]
    assert found.dtype == np.float64
    assert found == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("temperature", [0.8, 2.0])
def test_frequencies_agree_with_chances(params: Any, temperature: float) -> None:
    """Of all that the first two tokens can be, by chi-square."""
    prompt, attempts = "8+5=", 20_000
    tokens = np.array([ALPHABET.index(letter) for letter in prompt])
    written = attempt(
        params, tokens, jax.random.key(5), attempts=attempts, temperature=temperature, block=64
    )
    first = chances(params, prompt, temperature)[len(prompt) - 1]
    then = [chances(params, prompt + a, temperature)[len(prompt)] for a in ALPHABET[:-1]]
    both = np.append(first[:-1, None] * then, first[-1])  # the end stands alone
    seen = np.minimum(written[:, 0] * len(first) + written[:, 1], len(both) - 1)
    seen[written[:, 0] == END] = len(both) - 1
    observed, expected = np.bincount(seen, minlength=len(both)), attempts * both
    many = expected > 5
    if not many.all():
        observed = np.append(observed[many], observed[~many].sum())
        expected = np.append(expected[many], expected[~many].sum())
    assert len(expected) > 30
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_attempts_are_what_one_token_after_another_would_be(params: Any) -> None:
    """Without memory, without prefixes in common: each attempt's own text through the model."""
    prompt = np.array([ALPHABET.index(letter) for letter in "12+9="])
    key, attempts = jax.random.key(8), 40
    found = attempt(params, prompt, key, attempts=attempts, temperature=1.5, block=16)
    texts = np.tile(prompt, (attempts, 1))
    run = jax.jit(jax.vmap(forward, (None, 0)))
    for i in range(ROOM):
        logits = run(params, texts)[0][:, -1]
        drawn = np.asarray(jax.random.categorical(jax.random.fold_in(key, i), logits / 1.5))
        ended = (texts[:, len(prompt) :] == END).any(axis=1)
        texts = np.column_stack([texts, np.where(ended, END, drawn)])
    assert np.array_equal(found, texts[:, len(prompt) :])
    assert len(np.unique(found, axis=0)) > 20


def test_what_solves_a_problem_and_what_it_costs() -> None:
    answer = np.array([1, 3])
    written = np.array([
        [1, 3, END, END, END, END, END],  # solved, three tokens
        [1, 3, 0, END, END, END, END],  # goes on
        [1, END, END, END, END, END, END],  # too short
        [1, 3, 1, 3, 1, 3, 1],  # never ends: all the room there is
        [END, END, END, END, END, END, END],  # nothing but the end
    ])  # fmt: skip
    assert solved_and_tokens(written, answer) == (1, 3 + 4 + 2 + 7 + 1)


def test_the_command_writes_the_file_or_says_why_not(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = script.Recipe(**TINY)
    monkeypatch.setattr(script, "Recipe", lambda: recipe)
    out = tmp_path / "sums.csv"
    assert script.main(["--seed", "3", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == tiny
    assert capsys.readouterr().out == f"wrote {out}\n"
    assert script.main(["--out", str(tmp_path / "none" / "sums.csv")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot write" in said
    with pytest.raises(SystemExit, match="2"):
        script.main(["--seed", "x", "--out", str(out)])
    assert "invalid int value: 'x'" in capsys.readouterr().err
    assert script.main(["--seed", str(2**80), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert out.read_text(encoding="utf-8") == tiny
