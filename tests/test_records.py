"""Results as records and aligned tables."""

from __future__ import annotations

import json

from lmpower.records import aligned, as_json, interval, number
from lmpower.records.people import _said


def test_json_has_no_nan() -> None:
    records = [{"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": -float("inf")}, "e": "é"}]
    assert json.loads(as_json(records)) == [{"a": None, "b": [1.5, None], "c": {"d": None}, "e": "é"}]
    assert json.loads(as_json([])) == []


def test_numbers() -> None:
    shown = [number(x) for x in (0.25, 7257.66, 12345.6, 1.0, float("nan"), float("inf"))]
    assert shown == ["0.2500", "7258", "1.235e+04", "1.000", "-", "inf"]
    assert number([0.5, float("nan")]) == "0.5000 -"
    assert interval(0.1, float("inf")) == "0.1000 to inf"
    assert interval(float("nan"), float("nan")) == "-"


def test_what_most_groups_have_in_common_is_said_once() -> None:
    most = {"a": "fine", "b": "fine", "c": "failed", "d": "fine"}
    assert _said("status", most) == ["status: fine, except for", "  c: failed"]
    assert _said("status", {"a": "failed", "b": "fine"}) == ["status:", "  a: failed", "  b: fine"]
    assert _said("status", {"a": "fine", "b": "fine"}) == ["status: fine"]


def test_columns_are_aligned() -> None:
    assert aligned(["name", "two\nlines"], [["a", "1"], ["long one", "23"]], text=(0,)) == (
        "            two\nname      lines\n--------  -----\na             1\nlong one     23"
    )
