"""The difficulty under which the counts are most probable, for one data set or thousands.

A fit (``maximum``) climbs many lanes side by side (``lanes``, run in ``chunks`` on ``devices``) over one
compiled surface (``surface``). How far off it may be is read from the surface at its maximum
(``uncertainty``), along it (``profile``), or from fits to counts that might as well have been seen
(``bootstrap``).
"""

from lmpower.fit.bootstrap import bootstrap_fit
from lmpower.fit.maximum import Fit, Status, fit_difficulty
from lmpower.fit.profile import profile_interval
from lmpower.fit.uncertainty import influence, sandwich, standard_error

__all__ = [
    "Fit",
    "Status",
    "bootstrap_fit",
    "fit_difficulty",
    "influence",
    "profile_interval",
    "sandwich",
    "standard_error",
]
