"""If attempts had stopped at N, how wrong would the forecast have been?"""

from lmpower.backtest.budget import POLICIES, Budgeted, spend
from lmpower.backtest.limit import exponent_bound, line_bias
from lmpower.backtest.plan import Plan, Real, Synthetic, run_backtest
from lmpower.backtest.results import read_results, write_csv
from lmpower.backtest.scores import score

__all__ = [
    "POLICIES",
    "Budgeted",
    "Plan",
    "Real",
    "Synthetic",
    "exponent_bound",
    "line_bias",
    "read_results",
    "run_backtest",
    "score",
    "spend",
    "write_csv",
]
