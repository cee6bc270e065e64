"""Results as records for programs (``programs``) and as aligned tables for people (``people``, ``scores``).

Numbers that do not exist (no power law, no interval, no line) are NaN here, ``null`` in JSON and "-" in
tables; the reason is always told in a sentence.
"""

from lmpower.records.layout import aligned, interval, number
from lmpower.records.people import (
    beliefs_text,
    counts_table,
    fit_table,
    forecast_table,
    forecast_title,
    posterior_table,
    summaries_text,
)
from lmpower.records.programs import (
    ESTIMATES,
    Record,
    as_json,
    finite,
    fit_records,
    forecast_records,
    posterior_records,
)
from lmpower.records.scores import score_table

__all__ = [
    "ESTIMATES",
    "Record",
    "aligned",
    "as_json",
    "beliefs_text",
    "counts_table",
    "finite",
    "fit_records",
    "fit_table",
    "forecast_records",
    "forecast_table",
    "forecast_title",
    "interval",
    "number",
    "posterior_records",
    "posterior_table",
    "score_table",
    "summaries_text",
]
