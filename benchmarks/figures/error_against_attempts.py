"""How does the error of each estimator fall with attempts, on all sixteen truths of the published backtest?

Four panels were published (first row: hollow circles); the other twelve stand beside them. Mean relative
error of the tail exponent over seeds, with its standard error, from the results of
``benchmarks/published_backtest.py`` or of ``lmpower backtest synthetic``. The grey floor is the
Cramer-Rao bound, all parameters of the truth unknown, times sqrt(2/pi): the mean absolute error of a
normal, unbiased estimator that reaches it. A biased one may go below.

    python benchmarks/figures/error_against_attempts.py FILE OUT.png [--problems 128]

FILE is a results.parquet.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from command import arguments, draw_to_file
from matplotlib.figure import Figure
from published_backtest import ATTEMPTS, PUBLISHED

from lmpower.backtest import exponent_bound, read_results, score
from lmpower.difficulty.named import law_named
from lmpower.plot import plot_errors

ESTIMATORS = ("scaled-beta", "line", "discretized-beta", "discretized-kumaraswamy", "scaled-kumaraswamy")
ORDER = {"beta": 0, "kumaraswamy": 1}


def draw(options: argparse.Namespace) -> Figure:
    records = _records(options.file, options.problems)
    texts = dict.fromkeys(record["truth"] for record in records)
    truths = {text: law_named(text) for text in sorted(texts, key=_order)}
    names = {text: _name(text) for text in truths}
    attempts = sorted({record["attempts"] for record in records})
    records = [
        {**record, "truth": names[record["truth"]]}
        for record in sorted(records, key=lambda record: _order(record["truth"]))
    ]
    drawn = [record for record in records if record["estimator"] in options.estimators]
    missing, tried = (sum(record[what] for record in drawn) for what in ("missing", "trials"))
    print(f"{missing:,} of {missing + tried:,} trials ended without an estimate; means are over the others")
    mean_size = math.sqrt(2 / math.pi)  # of a standard normal error
    floor = {}
    for text, law in truths.items():
        exponent = float(law.tail().exponent)
        floor[names[text]] = {
            n: mean_size * exponent_bound(law, options.problems, n) / exponent for n in attempts
        }
    published = {
        (names[text], estimator): dict(zip(ATTEMPTS, numbers, strict=True))
        for (text, estimator), numbers in PUBLISHED.items()
        if text in names and options.problems == 128 and estimator in options.estimators
    }
    return plot_errors(
        records,
        options.estimators,
        floor=floor,
        published=published,
        label=f"relative error of the tail exponent, P = {options.problems:,} problems",
        floor_label="Cram\u00e9r-Rao bound, unbiased",
    )


def _records(path: str, problems: int) -> list[dict[str, Any]]:
    """Scores of the tail exponent at one number of problems."""
    try:
        table = read_results(path)
        kept = (table["quantity"] == "tail_exponent") & (table["problems"] == problems)
        records = score({name: column[kept] for name, column in table.items()})
    except KeyError as error:
        raise ValueError(f"{path} holds no results of a backtest: it has no column {error}") from None
    if not records:
        there = ", ".join(f"{p:,}" for p in sorted(set(table["problems"].tolist())))
        raise ValueError(f"{path} has no tail exponents of {problems} problems, only of {there or 'none'}")
    return records


def _order(text: str) -> tuple[int, float, float, float]:
    family, numbers = text.split(":")
    a, b, *c = (float(number) for number in numbers.split(","))
    return ORDER.get(family, 2), a, c[0] if c else 1.0, b


def _name(text: str) -> str:
    """beta:0.15,3.5,0.1 as Beta(.15, 3.5), c = .1."""
    family, numbers = text.split(":")
    a, b, *c = (number.removeprefix("0") for number in numbers.split(","))
    short = {"kumaraswamy": "Kum."}.get(family, family.capitalize())
    return f"{short}({a}, {b}){', c = ' + c[0] if c else ''}"


def main() -> int:
    parser = arguments(__doc__, "results.parquet of a synthetic backtest")
    parser.add_argument("--problems", type=int, default=128, metavar="P")
    parser.add_argument("--estimators", nargs="+", default=list(ESTIMATORS), metavar="NAME")
    return draw_to_file(parser, draw)


if __name__ == "__main__":
    sys.exit(main())
