"""Make lmpower/data/addition.csv: a small language model learns to add, and is asked again and again.

    python benchmarks/datasets/make_addition.py --seed 0 --out lmpower/data/addition.csv

A transformer of 100,000 parameters is trained on texts such as ``47+985=1032$``, a token a character,
numbers of one to five digits. At several checkpoints of the training and at several temperatures it
attempts each of 128 problems that it was never trained on 10,000 times: it writes token after token, each
drawn from its distribution, until it writes the end ``$`` or has no room. An attempt solves the problem if
it has written the sum and the end, and nothing else.

A model this small can tell the truth, too: the chance ``p`` that an attempt solves a problem is the product
of the chances of the right tokens, and stands in float64 beside the counts.

The same seed gives the same file on the same machine with the same JAX. Elsewhere the last bits of sums may
differ, training makes them grow, and it gives another model of the same kind.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from attempts import answer_log_p, attempt, exact_p, solved_and_tokens
from jaxtyping import Array, Float, Int
from sums import ALPHABET, END, LENGTH, Texts, split_pairs
from tqdm import tqdm
from transformer import Params, init_params

from lmpower.files.whole import require_writable, write_text_atomically

COLUMNS = ("checkpoint", "temperature", "problem", "attempts", "successes", "p", "tokens")


@dataclass(frozen=True)
class Recipe:
    """What decides the data besides the seed; ``block`` only how many prefixes are run together.

    Attributes:
        checkpoints: training steps after which the model is asked at temperature 1.
        temperatures: at which it is asked besides, after the last of them.
        training, problems: texts to learn from, and held-out problems.
        batch: texts a step.
        rate: the highest learning rate; it rises over ``warmup`` steps, then falls as a cosine to 0.
    """

    checkpoints: tuple[int, ...] = (100, 200, 400, 800, 1600)
    temperatures: tuple[float, ...] = (0.6, 0.8, 1.2, 1.5)
    problems: int = 128
    attempts: int = 10_000
    training: int = 50_000
    batch: int = 256
    rate: float = 2e-3
    warmup: int = 100
    width: int = 64
    heads: int = 4
    layers: int = 2
    block: int = 256


# ---- training


def trained(texts: Texts, recipe: Recipe, start: jax.Array, order: jax.Array) -> Iterator[Params]:
    """The parameters at each checkpoint."""
    steps = recipe.checkpoints[-1]
    schedule = optax.warmup_cosine_decay_schedule(0.0, recipe.rate, min(recipe.warmup, steps // 2), steps)
    optimiser = optax.adamw(schedule)
    tokens, asked = jnp.asarray(texts.tokens), jnp.asarray(texts.asked)

    def loss(params: Params, chosen: Int[Array, " batch"]) -> Float[Array, ""]:
        return -jnp.mean(jax.vmap(answer_log_p, (None, 0, 0))(params, tokens[chosen], asked[chosen]))

    @jax.jit
    def improved(
        params: Params, state: optax.OptState, step: Int[Array, ""]
    ) -> tuple[Params, optax.OptState, Float[Array, ""]]:
        chosen = jax.random.randint(jax.random.fold_in(order, step), (recipe.batch,), 0, len(tokens))
        value, slope = jax.value_and_grad(loss)(params, chosen)
        change, state = optimiser.update(slope, state, params)
        return optax.apply_updates(params, change), state, value

    params = init_params(
        start, tokens=len(ALPHABET), length=LENGTH,
        width=recipe.width, heads=recipe.heads, layers=recipe.layers,
    )  # fmt: skip
    state = optimiser.init(params)
    with tqdm(total=steps, desc="training", disable=None) as bar:
        for step in range(steps):
            params, state, value = improved(params, state, jnp.asarray(step))
            bar.update()
            if step + 1 in recipe.checkpoints:
                bar.set_postfix(loss=f"{float(value):.3f}")
                yield params


# ---- the file


def conditions(recipe: Recipe, models: Iterator[Params]) -> Iterator[tuple[int, float, Params]]:
    """Checkpoint, temperature and parameters of each group of attempts."""
    for checkpoint, params in zip(recipe.checkpoints, models, strict=True):
        yield checkpoint, 1.0, params
    for temperature in recipe.temperatures:
        yield checkpoint, temperature, params


def addition_csv(seed: int, recipe: Recipe) -> str:
    """The whole file."""
    split, start, order, asking = jax.random.split(jax.random.key(seed), 4)
    asked, learnt = (Texts.of(pairs) for pairs in split_pairs(split, recipe.problems, recipe.training))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    models = trained(learnt, recipe, start, order)
    for number, (checkpoint, temperature, params) in enumerate(conditions(recipe, models)):
        key = jax.random.fold_in(asking, number)
        truths = exact_p(params, asked, temperature)
        said = f"{checkpoint} steps, temperature {temperature:g}"
        for i, problem in enumerate(tqdm(asked.problems, desc=said, disable=None)):
            prompt, answer = np.split(asked.tokens[i], asked.asked[i : i + 1])
            written = attempt(params, prompt, jax.random.fold_in(key, i),
                attempts=recipe.attempts, temperature=temperature, block=recipe.block)  # fmt: skip
            successes, tokens = solved_and_tokens(written, answer[answer != END])
            row = checkpoint, f"{temperature:g}", problem, recipe.attempts, successes
            writer.writerow([*row, f"{truths[i]:.7g}", tokens])
    return text.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="from which all randomness comes (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, whole or not at all")
    options = parser.parse_args(argv)
    try:
        require_writable(options.out)
        write_text_atomically(options.out, addition_csv(options.seed, Recipe()))
    except (ValueError, OSError, OverflowError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
