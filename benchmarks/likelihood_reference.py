"""Question: what is the highest likelihood each family can reach on the real counts?

Every group of the shared data, whole and thinned, fitted by the slow multi-start optimiser of
tests/oracle/, which shares no code with lmpower. Another fitter is right when it reaches these
values and has found a better optimum when it passes them.

    python benchmarks/likelihood_reference.py OUTPUT.json [DATA_FOLDER]

OUTPUT.json is a list of records, rewritten whole after each fit, so it can be read at any time and a
run that was stopped goes on behind its last record:
  file, group      csv name and its `model` column
  N                "all", 1000, 100, 30 (attempts kept per problem), or for the stopped stream a
                   budget per problem: "all", 960, 120
  rows             [attempts, successes, multiplicity], the very counts that were fitted
  family, log_likelihood (log C(n, s) included), params, and how the search went
A group without a success has log_likelihood null: every family's supremum is degenerate there.
The counts are not part of the project, and neither is the output.

Thinning is hypergeometric, and done only where attempts were fixed in advance; a problem with no
more than N attempts is kept. The best-of-N stream stopped at its first successful batch of 60, so
it is cut instead: a stream longer than the budget had no success within it.
"""

import csv
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle import PARAMETERS, best_fit  # noqa: E402  # the oracle lives with the tests, off the path

FIXED_IN_ADVANCE = ("pythia_math.csv", "code_contests.csv", "pythia_math_checkpoints.csv")
STOPPED = "harmbench_bon_text.csv"
PASSES = ((100, 120), ("all", "all"), (30, None), (1000, 960))  # (N, budget of the stopped stream)
FAMILIES = tuple(PARAMETERS)
NAMES = ("file", "group", "N", "family")  # what tells records apart


def read_groups(folder):
    groups = {}
    for name in (*FIXED_IN_ADVANCE, STOPPED):
        with open(Path(folder) / name, newline="") as lines:
            for row in csv.DictReader(lines):
                pair = (int(row["attempts"]), int(row["successes"]))
                groups.setdefault((name, row["model"]), []).append(pair)
    return {key: np.array(pairs).T for key, pairs in groups.items()}


def thin(attempts, successes, size, key):
    if size == "all":
        return attempts, successes
    seed = int.from_bytes(hashlib.sha256("/".join(key).encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, size])
    kept = np.minimum(attempts, size)
    return kept, rng.hypergeometric(successes, attempts - successes, kept)


def cut(attempts, successes, budget):
    if budget == "all":
        return attempts, successes
    over = attempts > budget
    return np.where(over, budget, attempts), np.where(over, 0, successes)


def compress(attempts, successes):
    rows, times = np.unique(np.stack([attempts, successes], axis=1), axis=0, return_counts=True)
    return [[int(n), int(s), int(m)] for (n, s), m in zip(rows, times, strict=True)]


def write(path, records):
    partial = path.with_suffix(".partial")
    partial.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    os.replace(partial, path)


def main(output, folder):
    groups, begun = read_groups(folder), time.perf_counter()
    records = json.loads(output.read_text()) if output.exists() else []
    had = {tuple(record[name] for name in NAMES) for record in records}
    for size, budget in PASSES:
        for (name, group), (attempts, successes) in groups.items():
            if name == STOPPED:
                if budget is None:
                    continue
                n, s = cut(attempts, successes, budget)
            else:
                n, s = thin(attempts, successes, size, (name, group))
            label = budget if name == STOPPED else size
            shared = {"file": name, "group": group, "N": label, "rows": compress(n, s)}
            for family in FAMILIES:
                if (name, group, label, family) in had:
                    continue
                found = {"log_likelihood": None, "params": None}
                since = time.perf_counter()
                if s.any():
                    found = best_fit(family, n, s)
                records.append({**shared, "family": family, **found})
                records[-1]["seconds"] = round(time.perf_counter() - since, 2)
                write(output, records)
            print(f"{time.perf_counter() - begun:7.0f} s  {name}  {group}  N={label}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ROOT.parent / "shared" / "data")
