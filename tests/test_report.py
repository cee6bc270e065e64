"""report: its numbers are the library's, its page is whole, safe and readable, its words are right."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmpower
import lmpower.report
from lmpower.baseline import fit_line
from lmpower.cli import main
from lmpower.compare import average_forecast, check_fit, compare_families
from lmpower.counts import Counts
from lmpower.datasets import example
from lmpower.forecast import forecast_pass_at_k
from lmpower.passk import pass_at_k, stopped_pass_at_k
from lmpower.posterior import Trust, sample_posterior
from lmpower.report import Findings, find_out, report_page, write_report
from lmpower.report.cautions import FAR, FEW_PROBLEMS, cautions_of
from lmpower.report.charts import Axis, apart
from lmpower.report.markup import Markup, data_block, tag
from lmpower.report.shown import KINDS, Shown, chance
from lmpower.scaling import window_slope

EXAMPLE = Path(lmpower.__file__).parent / "data" / "example.csv"
FAMILIES = ("beta", "kumaraswamy")
HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=\"alert('2')\"> & \u2028 \ud800"
KEY = jax.random.key(0)
VOID = {"meta", "link", "input"}


@pytest.fixture(scope="module")
def groups() -> dict[str, Counts]:
    return {name: example(name) for name in ("model-a", "model-b")}


@pytest.fixture(scope="module")
def findings(groups: dict[str, Counts]) -> Findings:
    return find_out(groups, "beta", compare=FAMILIES, key=KEY)


@pytest.fixture(scope="module")
def stopped() -> Findings:
    """Problems tried until their first success, at most 50 times."""
    tries = np.random.default_rng(0).geometric(np.random.default_rng(1).beta(0.4, 3, 80))
    counts = Counts(np.minimum(tries, 50), tries <= 50, stopping="on_success")
    return find_out({"stopped": counts}, "beta", compare=(), key=KEY, stopping_detected=True)


class Page(HTMLParser):
    """A page as elements: refuses end tags that end nothing, gathers attributes, text and the JSON."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len(dict(attributes)) == len(attributes), f"an attribute of {name} comes twice"
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        self.words[inside] = self.words.get(inside, "") + data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.elements if each == name]


def embedded(page: str) -> Any:
    return json.loads(re.search(r'<script type="application/json" id="findings">(.*?)</script>', page)[1])


# ---- the numbers are the library's


def test_forecasts_and_exponents_are_the_library_s(findings: Findings, groups: dict[str, Counts]) -> None:
    posterior = sample_posterior(list(groups.values()), "beta", key=KEY)
    ks = list(findings.ks)
    assert set(findings.asked_ks) == {1, 10, 100, 1_000, 10_000} < set(ks)
    for g, (found, counts) in enumerate(zip(findings.groups, groups.values(), strict=True)):
        seen = forecast_pass_at_k(posterior[g], ks, counts, level=findings.level, key=KEY)
        np.testing.assert_array_equal(found.forecast.pass_at_k, seen.pass_at_k)
        np.testing.assert_array_equal(found.forecast.lower, seen.lower)
        np.testing.assert_array_equal(found.forecast.upper, seen.upper)
        assert found.posterior == posterior[g].to_dict(findings.level)
        slope = posterior[g].estimate(window_slope(posterior[g].difficulty, 1, 10_000), 0.9)
        assert found.window_slope == {name: float(v) for name, v in slope._asdict().items()}
        chances = np.asarray(found.problems.chance)[found.problems.row]
        np.testing.assert_array_equal(chances, seen.per_problem)
        np.testing.assert_array_equal(
            np.asarray(found.problems.successes)[found.problems.row], counts.successes
        )
        assert list(found.problems.name) == counts.problem.tolist()


def test_what_is_measured_is_the_library_s(findings: Findings, groups: dict[str, Counts]) -> None:
    for found, counts in zip(findings.groups, groups.values(), strict=True):
        unbiased, line = pass_at_k(counts, found.measured.k), fit_line(counts)
        assert found.measured.k[-1] == counts.attempts.min() == 100
        np.testing.assert_array_equal(found.measured.estimate, unbiased.estimate)
        np.testing.assert_array_equal(found.measured.standard_error, unbiased.standard_error)
        assert (found.line.a, found.line.b, found.line.lowest_k, found.line.highest_k) == (
            line.a, line.b, line.ks.min(), line.ks.max(),
        )  # fmt: skip
        np.testing.assert_array_equal(found.line.pass_at_k, line.pass_at_k(findings.ks))
        assert found.counted.attempts == counts.attempts.sum()
        assert found.counted.unsolved == (counts.successes == 0).sum()


def test_comparison_and_checks_are_the_library_s(findings: Findings, groups: dict[str, Counts]) -> None:
    found, counts = findings.groups[0], groups["model-a"]  # whose posterior is the first of a batch
    comparison = compare_families(counts, FAMILIES, key=KEY)
    assert found.comparison == comparison.to_dict()
    each = {
        family: forecast_pass_at_k(posterior, findings.ks, counts, key=KEY)
        for family, posterior in comparison.posteriors.items()
    }
    averaged = average_forecast(each, comparison.weights)
    np.testing.assert_array_equal(found.averaged.pass_at_k, averaged.pass_at_k)
    np.testing.assert_array_equal(found.averaged.upper, averaged.upper)
    assert [other.family for other in found.others] == list(FAMILIES)
    np.testing.assert_array_equal(found.others[1].forecast.pass_at_k, each["kumaraswamy"].pass_at_k)
    checks = check_fit(comparison.posteriors["beta"], counts, key=KEY)
    assert found.checks == checks.to_dict()


def test_the_picture_s_areas_are_shares_of_all_problems(findings: Findings) -> None:
    for found in findings.groups:
        picture = found.picture
        observed = np.sum(picture.observed * np.diff(picture.edges))
        assert observed + picture.unsolved["observed"] == pytest.approx(1)
        # the law has some of its mass below what is shown, and the band holds the mean
        assert 0.5 < np.sum(picture.mean * np.diff(picture.p)) < 1
        assert np.all((picture.lower <= picture.mean) & (picture.mean <= picture.upper))
        assert picture.unsolved["lower"] < picture.unsolved["observed"] < picture.unsolved["upper"]


def test_attempts_that_stopped_at_a_success(stopped: Findings) -> None:
    (found,) = stopped.groups
    assert stopped.asked_ks == (1, 10, 100, 1_000, 5_000)  # a hundred times the most attempts
    assert found.why_no_checks is not None
    assert "stopping='on_success'" in found.why_no_checks
    assert (found.line, found.checks, found.picture.edges) == (None, None, None)
    assert found.measured.k[-1] == 50
    assert found.measured.standard_error is None
    counts = Counts(
        np.asarray(found.problems.attempts)[found.problems.row],
        np.asarray(found.problems.successes)[found.problems.row],
        stopping="on_success",
    )
    np.testing.assert_array_equal(found.measured.estimate, stopped_pass_at_k(counts, found.measured.k))
    assert [c.title for c in stopped.cautions] == ["Outcomes decided how many attempts a problem got"]
    assert "--stopping fixed" in stopped.cautions[0].advice
    Page(report_page(stopped))


@pytest.mark.parametrize(
    ("attempts", "successes", "said"),
    [([20] * 6, [0] * 6, "No problem was ever solved"), ([20] * 6, [20] * 6, "Every attempt succeeded"),
     ([7], [3], "Only 1 problem")],
)  # fmt: skip
def test_counts_that_say_little(attempts: list[int], successes: list[int], said: str) -> None:
    found = find_out(Counts(attempts, successes), "beta", compare=(), key=KEY)
    assert said in [caution.title for caution in found.cautions]
    assert found.groups[0].name == "counts"
    page = Page(report_page(found))
    json.dumps(found.to_dict(), allow_nan=False)
    assert page.of("h1")


def test_a_family_without_a_power_law() -> None:
    counts = Counts([50] * 40, [1, 2, 3, 25] * 10)
    found = find_out(counts, "Discrete_2", compare=(), ks=[1, 100], key=KEY)
    assert found.family == "discrete-2"
    assert found.to_dict()["groups"][0]["posterior"]["tail_exponent"]["median"] is None
    assert "No power law" in [caution.title for caution in found.cautions]
    page = report_page(found)
    Page(page)
    assert "nan" not in page.lower().replace("lmpower.nan", "")


def test_more_kinds_of_wrong_input(groups: dict[str, Counts]) -> None:
    with pytest.raises(ValueError, match="nothing to report on"):
        find_out({}, key=KEY)
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        find_out(groups, level=1.0, key=KEY)
    with pytest.raises(ValueError, match="window must have"):
        find_out(groups, window=(10, 10), key=KEY)
    with pytest.raises(ValueError, match="unknown family 'gamma'"):
        find_out(groups, compare=("gamma",), key=KEY)
    with pytest.raises(ValueError, match="k must be a whole number"):
        find_out(groups, ks=[0], key=KEY)


# ---- the page


def test_every_number_shown_is_one_of_the_findings(findings: Findings) -> None:
    page = report_page(findings)
    record = embedded(page)
    assert record == json.loads(json.dumps(findings.to_dict()))
    shown = Shown(record)
    numbers = re.findall(r'<data value="([^"]*)" data-at="([^"]*)" data-kind="(\w+)"[^>]*>([^<]*)<', page)
    assert len(numbers) > 300
    for value, place, kind, text in numbers:
        number = shown.at(place)
        assert value == ("" if number is None else repr(number))
        assert text.replace("&gt;", ">") == KINDS[kind](number)
    places = {place for _, place, _, _ in numbers}
    last = len(record["ks"]) - 1
    assert {f"groups.1.forecast.pass_at_k.{last}", "groups.0.posterior.tail_exponent.upper"} <= places


def test_the_page_needs_nothing_but_itself(findings: Findings) -> None:
    page = Page(report_page(findings))
    for name, attributes in page.elements:
        for key in ("src", "srcset", "data", "action", "poster", "background"):
            assert key not in attributes, f"{name} loads {attributes[key]}"
        link = attributes.get("href")
        assert link is None or name == "a" or link == "data:,"
    style = page.words["style"]
    assert "@import" not in style
    assert not re.search(r"url\((?!#)", style)
    assert "default-src 'none'" in next(m["content"] for m in page.of("meta") if "http-equiv" in m)
    assert "http" not in page.words["script"].replace(json.dumps(findings.to_dict()), "")


def test_the_page_is_one_that_readers_of_screens_can_use(findings: Findings) -> None:
    page = Page(report_page(findings))
    headings = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    names = [name for name, _ in page.elements]
    assert names.count("caption") == names.count("table") > 4
    for svg in page.of("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert all(head["scope"] in ("col", "row", "rowgroup") for head in page.of("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_hostile_names_stay_names(findings: Findings) -> None:
    hostile = dataclasses.replace(
        findings,
        remarks=(HOSTILE,),
        groups=tuple(
            dataclasses.replace(
                group,
                name=HOSTILE,
                problems=dataclasses.replace(group.problems, name=[HOSTILE] * len(group.problems.name)),
                why_no_checks=HOSTILE,
                checks=None,
            )
            for group in findings.groups
        ),
    )
    text = report_page(hostile)
    text.encode("utf-8")
    page, plain = Page(text), Page(report_page(findings))
    assert len(page.of("script")) == len(plain.of("script")) == 2
    assert not page.of("img")
    assert "alert(1)" not in text.replace("&lt;script&gt;alert(1)", "").replace(
        "\\u003cscript\\u003ealert(1)", ""
    )
    assert embedded(text)["groups"][0]["name"] == HOSTILE


@given(st.text())
def test_any_text_survives_the_page(text: str) -> None:
    held = Page(tag("p", text, title=text))
    block = data_block({"text": text}, "findings")
    assert (held.words.get("p", ""), held.of("p")[0]["title"]) == (text, text)
    assert embedded(block) == {"text": text}
    assert block.count("<") == block.count(">") == 2
    assert tag("p", Markup("<b>")) == "<p><b></p>"


COLOURS = ("ink", "soft", "link", "c0", "c1", "c2", "c3", "c4", "c5")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_accessible_pages() -> None:
    style = (Path(lmpower.__file__).parent / "report" / "page.css").read_text(encoding="utf-8")
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in style.split(":root {")[1:]]
    assert len(schemes) == 2
    for scheme in schemes:
        pairs = [(name, paper) for name in COLOURS for paper in ("paper", "raised")]
        for name, paper in [*pairs, ("warn", "warn-paper"), ("ink", "warn-paper"), ("ink", "bar")]:
            light, dark = sorted((luminance(scheme[name]), luminance(scheme[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, paper)


# ---- words and marks


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, "–"), (0.0, "0"), (1.0, "1"), (0.8534, "0.853"), (0.0625, "0.063"), (0.99874, "0.9987"),
     (0.00123, "0.0012"), (0.00009, "9.0e-5"), (3.14e-7, "3.1e-7"), (0.99995, ">0.9999"), (0.01, "0.010")],
)  # fmt: skip
def test_chances_in_figures(p: float | None, text: str) -> None:
    assert chance(p) == text


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e9), st.booleans())
def test_ticks_lie_on_the_axis(low: float, ratio: float, log: bool) -> None:
    axis = Axis(low, low * ratio, 0, 100, log=log)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(-1e-6 <= axis.at(tick) <= 100 + 1e-6 for tick in ticks)
    assert ticks == sorted(set(ticks))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_names_stand_apart(wanted: list[float]) -> None:
    places = apart(wanted, 15, 0, 100)
    assert all(after - before >= 15 - 1e-9 for before, after in pairwise(sorted(places)))
    assert min(places) >= -1e-9
    assert max(places) <= 100 + 1e-9


def test_cautions_say_what_to_do(findings: Findings) -> None:
    (group, *_), ks = findings.groups, findings.ks
    name = {"detected": False, "apart": False}

    def said(**changes: Any) -> list[str]:
        return [c.title for c in cautions_of([dataclasses.replace(group, **changes)], "beta", ks, **name)]

    counted = dataclasses.replace
    assert said(counted=counted(group.counted, problems=FEW_PROBLEMS - 1)) == ["Only 29 problems"]
    assert said(told_by_prior=0.9) == ["The counts say little of the tail exponent"]
    near = ks[-1] / FAR - 1
    assert said(counted=counted(group.counted, reach=near))[0].startswith("Forecasts reach 101")
    doubtful = {**group.posterior, "status": Trust.HEAVY_WEIGHTS.sentence}
    assert said(believed=False, posterior=doubtful)[0].startswith("No forecast")
    checks = {**group.checks, "failed": ["largest s/n"], "words": ["the largest s/n is .4: too hard"]}
    assert said(checks=checks) == ["The family beta does not fit in all respects"]
    comparison = {**group.comparison, "best": "kumaraswamy", "clearly_behind": ["beta"]}
    assert said(comparison=comparison)[0] == "kumaraswamy predicts problems better than beta"
    weighty = [{**one, "weight": 0.5} for one in group.comparison["families"]]
    low = dataclasses.replace(group.others[1].forecast, pass_at_k=np.full(len(ks), 0.1))
    others = (group.others[0], dataclasses.replace(group.others[1], forecast=low))
    disagreeing = said(comparison={**group.comparison, "families": weighty}, others=others)
    assert disagreeing == ["Families disagree about pass@10,000"]
    apart_ = cautions_of([group, group], "beta", ks, detected=False, apart=True)
    assert apart_[0].title == "The groups were tried on different problems"
    for caution in [*findings.cautions, *apart_]:
        assert caution.text.endswith(".")
        assert caution.advice.endswith(".")


def test_problems_of_other_names_are_noticed(groups: dict[str, Counts]) -> None:
    other = dataclasses.replace(groups["model-b"], problem=[f"other-{i}" for i in range(128)])
    found = find_out({"a": groups["model-a"], "b": other}, compare=(), key=KEY)
    assert found.cautions[0].title == "The groups were tried on different problems"


# ---- files and the shell


def test_a_page_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "it's a report.html"
    argv = ["report", str(EXAMPLE), "--by", "model", "--group", "model-a", "-o", str(out),
            "--compare", "none", "--k", "1,500", "--level", ".8", "--window", "1,50", "--json"]  # fmt: skip
    assert main(argv) == 0
    said = capsys.readouterr()
    record = embedded(out.read_text(encoding="utf-8"))
    assert json.loads(said.out) == record
    assert said.err == ""
    assert [group["name"] for group in record["groups"]] == ["model-a"]
    assert (record["asked_ks"], record["level"], record["window"]) == ([1, 500], 0.8, [1, 50])
    assert record["families"] == ["beta"]
    assert shlex.split(record["made"]["command"]) == ["lmpower", *argv]
    assert record["made"]["files"][0]["sha256"] == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    assert {"lmpower", "jax", "numpy", "numpyro", "Python"} <= set(record["made"]["versions"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "report.pdf"], "the suffix of a page must be one of .html, .htm"),
        (["-o", "nowhere/report.html"], "cannot write nowhere/report.html: No such file or directory"),
        (["-o", "report.html", "--compare", "gamma"], "unknown family 'gamma'"),
        (["-o", "report.html", "--family", "gamma"], "unknown family 'gamma'"),
        (["-o", "report.html", "--group", "x"], "--group needs --by"),
        (["-o", "report.html", "--k", "0"], "must be whole numbers"),
        ([], "the following arguments are required: -o/--out"),
    ],
)
def test_what_the_shell_refuses(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(EXAMPLE), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_half_written(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    out.write_text("what was there", encoding="utf-8")

    def broken(findings: Findings) -> str:
        raise ValueError("no page today")

    monkeypatch.setattr(lmpower.report, "find_out", lambda *args, **named: findings)
    monkeypatch.setattr(lmpower.report, "report_page", broken)
    with pytest.raises(ValueError, match="no page today"):
        write_report({}, out, key=KEY)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert out.read_text(encoding="utf-8") == "what was there"
    monkeypatch.setattr(lmpower.report, "report_page", report_page)
    assert write_report({}, out, key=KEY) is findings
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
