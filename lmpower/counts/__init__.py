"""Counts: how often each problem was tried and how often it was solved, checked at the door.

All of lmpower rests on two whole numbers per problem, ``attempts`` and ``successes``, and on one
word about how the attempts were chosen, ``stopping``. The likelihood p^s (1-p)^(n-s) does not care
about that word (the likelihood principle); averages of s/n and all estimates built on them do. So
`Counts` carries it, and whatever needs attempts fixed in advance asks `Counts.require_fixed`.

Problems with the same (successes, failures) are interchangeable, so computations run over `Rows`,
the distinct pairs with their multiplicity: 128 problems with 100 attempts are often 30 rows.
"""

from lmpower.counts.counts import STOPPING, Counts
from lmpower.counts.door import LARGEST_COUNT, CountsError, RepeatedProblemError, listed
from lmpower.counts.given import require_counts, rows_given
from lmpower.counts.rows import Rows, rows_of_many, stack_rows, unseen, widened

__all__ = [
    "LARGEST_COUNT",
    "STOPPING",
    "Counts",
    "CountsError",
    "RepeatedProblemError",
    "Rows",
    "listed",
    "require_counts",
    "rows_given",
    "rows_of_many",
    "stack_rows",
    "unseen",
    "widened",
]
