"""Do the published straight lines come out, and what should stand beside those of stopped samples?

-log pass@k = a k^-b for Pythia on 128 MATH problems and for Best-of-N jailbreaking (Schaeffer et al. 2025,
arXiv 2502.17578, Tables 1 and 2), by least squares through the published 101 values of k.

    python benchmarks/published_lines.py FILE ... [--by model] [--family beta]

Where the attempts were fixed in advance, the line goes through unbiased pass@k. Where each problem was
tried in batches until one had a success, what reproduces the table is the same formula as if the attempts
had been fixed, a problem counting as solved wherever k exceeds its failures. That is biased: s/n is too
large where a problem was stopped by a lucky success. Two answers without that bias stand beside it:

* unbiased: nothing in the batches before the last, 1 - C(B-s, r)/C(B, r) for r attempts of the last batch
  of B, whose order is all that chance has left open; no model, right for each k up to the limit;
* the law fitted by its likelihood, which stopping does not change, and the line through its curve.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from lmpower.baseline import PUBLISHED_KS, fit_line
from lmpower.counts import Counts
from lmpower.fit import fit_difficulty
from lmpower.passk import log_fail_at_k, stopped_pass_at_k
from lmpower.records import aligned
from lmpower.scaling import line_through
from lmpower.tables import read_counts

KS = np.array(PUBLISHED_KS)
# group: (a, b) as printed; of Llama 3 8B IT no power law is claimed
PUBLISHED = {
    "Pythia 160M": (6.591, 0.280),
    "Pythia 410M": (5.524, 0.286),
    "Pythia 2.8B": (4.104, 0.336),
    "Pythia 12B": (4.113, 0.370),
    "Claude 3.5 Opus": (2.630, 0.448),
    "GPT4o": (3.639, 0.395),
    "Gemini 1.5 Flash": (6.158, 0.303),
}


def as_if_fixed(counts: Counts) -> np.ndarray:
    """pass@k at the published k by the formula for fixed attempts; 1 where k exceeds the failures."""
    n, s = counts.attempts[:, None], counts.successes[:, None]
    return np.asarray(-np.expm1(log_fail_at_k(n, s, KS)).mean(axis=0))


def line_of(pass_at: np.ndarray) -> tuple[float, float]:
    """(a, b) by least squares through log(-log pass@k) where that is finite."""
    used = (pass_at > 0) & (pass_at < 1)
    slope, log_a = np.polyfit(np.log(KS[used]), np.log(-np.log(pass_at[used])), 1)
    return float(np.exp(log_a)), float(-slope)


def row(name: str, counts: Counts, family: str) -> list[str]:
    """One line of the table."""
    fixed = counts.stopping == "fixed"
    if fixed:
        line = fit_line(counts, KS)
        ours = line.a, line.b
    else:
        ours = line_of(as_if_fixed(counts))
    unbiased = ours if fixed else line_of(stopped_pass_at_k(counts, KS))
    fit = fit_difficulty(counts, family)
    a, b = line_through(fit.difficulty, KS)
    published = PUBLISHED.get(name)
    stated = ["none", "", "", ""]
    if published is not None:
        stated = [f"{number:.3f}" for number in published]
        stated += [f"{mine - number:+.4f}" for mine, number in zip(ours, published, strict=True)]
    return [
        name,
        counts.stopping,
        *(f"{number:.4f}" for number in ours),
        *stated,
        *(f"{number:.3f}" for number in unbiased),
        *(f"{float(number):.3f}" for number in (a, b, fit.tail_exponent)),
    ]


def table(groups: dict[str, Counts], family: str) -> str:
    """Lines of all groups, and a warning where outcomes decided the attempts."""
    rows = [row(name, counts, family) for name, counts in groups.items()]
    columns = ("ours", "published", "ours -\npublished", "unbiased", f"{family}\nlaw")
    heads = [f"{column}\n{letter}" for column in columns for letter in "ab"]
    text = aligned(["group", "stopping", *heads, "its tail\nexponent"], rows, text=(0, 1))
    stopped = [name for name, counts in groups.items() if counts.stopping != "fixed"]
    if stopped:
        text += (
            f"\nWarning: in {', '.join(stopped)} outcomes decided the number of attempts; the line as "
            "published treats them as fixed and is biased. Use the unbiased line or the law."
        )
    return text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="counts of attempts and successes")
    parser.add_argument("--by", default="model", help="the column of group names (default: model)")
    parser.add_argument("--family", default="beta", help="the law fitted (default: beta)")
    options = parser.parse_args(argv)
    try:
        for file in options.files:
            print(f"{table(read_counts(file, by=options.by), options.family)}\n")
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
