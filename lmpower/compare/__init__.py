"""Which families the counts prefer, forecasts averaged over them, and whether a family fits at all."""

from lmpower.compare.average import average_forecast
from lmpower.compare.checks import Checks, check_fit
from lmpower.compare.families import FAMILIES, Comparison, compare_families

__all__ = [
    "FAMILIES",
    "Checks",
    "Comparison",
    "average_forecast",
    "check_fit",
    "compare_families",
]
