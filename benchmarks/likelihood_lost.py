"""Is every fit the best there is? Log-likelihood lost against a slow multi-start optimiser, in nats.

    python benchmarks/likelihood_reference.py REFERENCE.json     # once, slowly, on the real counts
    python benchmarks/likelihood_lost.py REFERENCE.json [--starts 1 3]

The reference holds the very counts it fitted and shares no code with lmpower. Groups without a success, of
which no family has a maximum, are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from lmpower import Counts, fit_difficulty

ASKED = 1e-6  # nats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--starts", type=int, nargs="+", default=[1, 3])
    options = parser.parse_args()
    records = [each for each in json.loads(options.reference.read_text()) if each["params"] is not None]
    print(f"starts  family              within {ASKED:g}     worst    better by   seconds")
    for starts in options.starts:
        for family in dict.fromkeys(record["family"] for record in records):
            begin = time.perf_counter()
            mine = [record for record in records if record["family"] == family]
            lost = np.array([lost_on(record, starts) for record in mine])
            within = f"{np.sum(lost <= ASKED)} of {lost.size}"
            seconds = time.perf_counter() - begin
            worst, better = lost.max(), max(-lost.min(), 0)
            print(f"{starts:6}  {family:18}{within:>14}{worst:10.1e}{better:13.1e}{seconds:10.1f}")


def lost_on(record: dict[str, Any], starts: int) -> float:
    """The reference's log-likelihood less that of our fit to the same counts."""
    attempts, successes, times = np.array(record["rows"]).T
    # (how sampling stopped does not matter to a likelihood)
    counts = Counts(np.repeat(attempts, times), np.repeat(successes, times), stopping="adaptive")
    fit = fit_difficulty(counts, record["family"].replace("_", "-"), starts=starts)
    return float(record["log_likelihood"] - fit.log_likelihood)


if __name__ == "__main__":
    main()
