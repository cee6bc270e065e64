"""Results as records for programs: plain numbers under fixed names, and JSON of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lmpower.study import Beliefs, Curve, Fits, Study

Record = dict[str, Any]

ESTIMATES = (
    "tail_exponent", "tail_exponent_lower", "tail_exponent_upper", "window_slope", "log_likelihood",
)  # fmt: skip


def fit_records(study: Fits) -> list[Record]:
    """One record a group: its parameters, both exponents, and the straight line."""
    lower, upper = study.exponent_interval
    exponents = np.asarray(study.fit.tail_exponent)
    records = []
    for g, (name, line) in enumerate(study.lines.items()):
        fit = study.fit[g]
        record: Record = {
            "group": name,
            "family": study.family,
            "params": {k: np.asarray(v).tolist() for k, v in fit.difficulty.parameters().items()},
            "tail_exponent": float(exponents[g]),
            "tail_exponent_lower": float(lower[g]),
            "tail_exponent_upper": float(upper[g]),
            "window_slope": float(study.window_slope[g]),
            "window": list(study.window),
            "log_likelihood": float(fit.log_likelihood),
            "line": None if isinstance(line, str) else {"a": line.a, "b": line.b},
            "status": fit.sentence,
        }
        if not fit.ok:  # where an ascent broke off there are numbers too, but no estimates
            record["params"] = dict.fromkeys(record["params"], math.nan)
            record |= dict.fromkeys(ESTIMATES, math.nan)
        records.append(record)
    return records


def posterior_records(study: Beliefs, curves: Mapping[str, Curve]) -> list[Record]:
    """One record a group: the exponent, the parameters, pass@k, and whether to believe them."""
    records = []
    for g, (name, curve) in enumerate(curves.items()):
        found = study.posterior[g].to_dict(study.level)
        ahead = zip(curve.k, curve.pass_at_k, curve.lower, curve.upper, strict=True)
        records.append(
            {
                "group": name,
                "family": study.family,
                "tail_exponent": found.pop("tail_exponent"),
                "params": found.pop("params"),
                "pass_at_k": [
                    {"k": int(k), "mean": float(mean), "lower": float(low), "upper": float(high)}
                    for k, mean, low, high in ahead
                ],
                "problems": curve.problems,
                **found,
            }
        )
    return records


def forecast_records(study: Study, curves: Mapping[str, Curve]) -> list[Record]:
    """One record a group and k."""
    return [
        {
            "group": name,
            "k": int(k),
            "pass_at_k": float(mean),
            "lower": float(low),
            "upper": float(high),
            "level": curve.level,
            "problems": curve.problems,
            "family": study.family,
        }
        for name, curve in curves.items()
        for k, mean, low, high in zip(curve.k, curve.pass_at_k, curve.lower, curve.upper, strict=True)
    ]


def as_json(records: Sequence[Record]) -> str:
    """One JSON array, a record a line; what is not a finite number becomes null."""
    lines = [json.dumps(finite(record), ensure_ascii=False, allow_nan=False) for record in records]
    return "[" + ",\n ".join(lines) + "]"


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
