"""plot: every picture can be drawn, says what it shows, and leaves matplotlib as it was."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from lmpower.baseline import fit_line
from lmpower.counts import Counts, CountsError
from lmpower.datasets import addition, example
from lmpower.difficulty import Beta, Difficulty, Discrete, Scaled, ZeroInflated
from lmpower.fit import fit_difficulty
from lmpower.passk import pass_at_k
from lmpower.plot import (
    plot_decay,
    plot_difficulty,
    plot_errors,
    plot_forecast,
    plot_held_out,
    plot_line_bias,
    plot_tails,
    save_figure,
)
from lmpower.plot.paper import COLOURS, INK, WIDTH, caption, spread, whole_ks
from lmpower.scaling import window_slope
from lmpower.study import Curve

LAW = Beta(np.float64(0.3), np.float64(8.0))
KS = np.unique(np.rint(np.geomspace(1, 10_000, 30)).astype(np.int64))


def curve(problems: str = "same", law: Difficulty = LAW, ks: np.ndarray = KS) -> Curve:
    p = np.asarray(law.pass_at_k(ks))
    return Curve(ks, p, p**1.1, p**0.9, 0.9, problems)


def fitted(law: Difficulty = LAW, ok: bool = True) -> Any:
    exponent = float(law.tail().exponent)
    return SimpleNamespace(difficulty=law, tail_exponent=exponent, ok=ok)


def no_curve() -> Curve:
    none = np.full(len(KS), np.nan)
    return Curve(KS, none, none, none, 0.9, "same")


def stopped() -> Counts:
    return Counts([60, 120, 600, 600], [2, 1, 0, 1], stopping="on_success")


def words(figure: Figure) -> list[str]:
    """All text in a figure."""
    artists = figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in artists if text.get_visible() and text.get_text()]


def dots(figure: Figure, panel: int) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for line in figure.axes[panel].lines if line.get_marker() == "o"]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_a_picture_is_written_whole(tmp_path: Path, suffix: str) -> None:
    counts = example()
    figure = plot_forecast(curve(), counts, fitted(), fit_line(counts))
    path = tmp_path / f"picture{suffix}"
    save_figure(figure, path)
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    if suffix != ".svg":  # whose ids are random
        again = plot_forecast(curve(), counts, fitted(), fit_line(counts))
        save_figure(again, tmp_path / f"again{suffix}")
        assert (tmp_path / f"again{suffix}").read_bytes() == path.read_bytes()


def test_a_failed_picture_leaves_nothing(tmp_path: Path) -> None:
    figure = plot_forecast(curve())
    with pytest.raises(ValueError, match="cannot write"):
        save_figure(figure, tmp_path / "missing" / "picture.png")
    with pytest.raises(ValueError, match="tiffy"):
        save_figure(figure, tmp_path / "picture.tiffy")
    assert not list(tmp_path.iterdir())


def test_one_group() -> None:
    counts = example()
    figure = plot_forecast(curve(), counts, fitted(), fit_line(counts))
    assert figure.get_size_inches()[0] == WIDTH
    said = words(figure)
    for text in ("pass@k", "\N{MINUS SIGN}log pass@k", "attempts k", "tail exponent 0.30"):
        assert text in said
    legend = ("measured", "forecast, same problems", "90% interval", "straight line")
    assert {*legend, "pilot: 100 attempts"} <= set(said)


def test_measured_points_are_the_unbiased_pass_at_k() -> None:
    counts = Counts([4] * 3, [0, 1, 4])
    points, negative_logs = (dots(plot_forecast(curve(), counts), panel)[0] for panel in (0, 1))
    np.testing.assert_array_equal(points[:, 0], [1, 2, 4])
    np.testing.assert_allclose(points[:, 1], [(0 + 1 / 4 + 1) / 3, (0 + 1 / 2 + 1) / 3, 2 / 3])
    np.testing.assert_allclose(negative_logs[:, 1], -np.log(points[:, 1]))


@pytest.mark.parametrize(
    ("problems", "given", "expected"),
    [("same", None, False), ("new", None, True), ("same", True, True), ("new", False, False)],
)
def test_standard_errors_go_with_new_problems(problems: str, given: bool | None, expected: bool) -> None:
    figure = plot_forecast(curve(problems), example(), standard_errors=given)
    bars = [each for each in figure.axes[0].collections if hasattr(each, "get_segments")]
    assert bool(bars) is expected
    assert any("standard error" in text for text in words(figure)) is expected


def test_where_sampling_stopped_nothing_is_measured() -> None:
    figure = plot_forecast(curve(), stopped())
    assert not dots(figure, 0)
    assert "measured" not in words(figure)
    assert "pilot: up to 600 attempts" in words(figure)


def test_unequal_attempts_are_measured_to_the_fewest() -> None:
    figure = plot_forecast(curve(), Counts([10, 40], [1, 3]))
    assert dots(figure, 0)[0][-1, 0] == 10
    assert "pilot: at least 10 attempts" in words(figure)


def test_several_groups_have_a_colour_each() -> None:
    curves = {
        "one": curve(),
        "two": curve(law=Beta(np.float64(0.5), np.float64(3.0))),
        "none": no_curve(),
    }
    counts = {"one": example(), "two": example("model-b"), "none": Counts([100], [0])}
    figure = plot_forecast(curves, counts, {name: fitted() for name in curves})
    assert len(figure.axes) == 2
    labels = {text.get_text(): text for text in figure.axes[1].texts}
    assert labels["one\ntail exponent 0.30"].get_color() == COLOURS[0]
    assert labels["two\ntail exponent 0.30"].get_color() == COLOURS[1]
    assert labels["none\nno forecast"].get_color() == COLOURS[2]


def test_many_groups_have_a_panel_each() -> None:
    curves = {f"group {g}": curve() for g in range(5)} | {"none": no_curve()}
    counts = {name: Counts([10 + g, 20], [1, 2]) for g, name in enumerate(curves)}
    figure = plot_forecast(curves, counts)
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == list(curves)
    assert "no forecast" in words(figure)
    assert "end of a pilot" in words(figure)


@pytest.mark.parametrize(
    "law",
    [
        Beta(np.float64(0.02), np.float64(0.5)),  # hardly falls
        Beta(np.float64(5.0), np.float64(1.0)),  # is 1 to the last digit soon
        Beta(np.float64(0.5), np.float64(1e6)),  # is tiny
        Discrete(np.array([0.5, 1.0]), np.array([0.5, 0.5])),
    ],
)
def test_extreme_forecasts_stay_in_the_picture(tmp_path: Path, law: Difficulty) -> None:
    seen = curve(law=law, ks=np.array([1, 10**3, 10**6, 10**9]))
    figure = plot_forecast(seen)
    save_figure(figure, tmp_path / "picture.png")
    for axes in figure.axes:
        assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
    low, high = figure.axes[1].get_ylim()
    assert 1 < high / low < 1e7


def test_nothing_to_forecast(tmp_path: Path) -> None:
    save_figure(plot_forecast(no_curve(), Counts([10, 10], [0, 0])), tmp_path / "picture.png")


def test_matplotlib_is_left_as_it_was(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "black"}):
        figure = plot_forecast(curve(), example())
        save_figure(figure, tmp_path / "picture.png")
        assert matplotlib.rcParams["font.size"] == 31.0
        assert figure.axes[0].get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert figure.axes[0].xaxis.label.get_fontsize() == 8.0
    assert dict(matplotlib.rcParams) == before


# ---- the difficulty


def test_areas_of_the_histogram_are_shares_of_problems() -> None:
    counts = example()
    figure = plot_difficulty(fitted(), counts)
    zero, *bars = figure.axes[0].patches
    unsolved = (counts.successes == 0).mean()
    assert zero.get_height() * zero.get_width() == pytest.approx(unsolved)
    areas = sum(bar.get_height() * bar.get_width() for bar in bars)
    assert areas == pytest.approx(1 - unsolved)


def test_area_under_the_curve_is_the_law_s() -> None:
    axes = plot_difficulty(fitted(), example()).axes[0]
    points = np.concatenate([line.get_xydata() for line in axes.lines if len(line.get_xdata()) > 2])
    x, first = np.unique(points[:, 0], return_index=True)
    density = points[first, 1]
    area = density.sum() * (x[1] - x[0])
    assert area == pytest.approx(1 - float(LAW.cdf(10 ** (x[0] - 0.025))), rel=1e-6)


def test_unsolved_shares_seen_and_fitted() -> None:
    counts = example()
    fit = float(np.exp(LAW.log_moment(0.0, 100.0)))
    said = words(plot_difficulty(fitted(), counts))
    assert f"{(counts.successes == 0).mean():.0%} seen" in said
    assert f"{fit:.0%} fit" in said


def test_stopped_counts_have_no_histogram() -> None:
    figure = plot_difficulty(fitted(), stopped())
    (zero,) = figure.axes[0].patches
    assert zero.get_height() == 0.25
    fit = float(np.exp(LAW.log_moment(0.0, 600.0)))  # each problem would have had 600
    said = words(figure)
    assert f"{fit:.0%} fit" in said
    assert any("stopping is on_success" in text for text in said)
    adaptive = plot_difficulty(fitted(), replace(stopped(), stopping="adaptive"))
    assert not any(re.fullmatch(r"\d+% fit", text) for text in words(adaptive))


def test_difficulties_of_many_groups(tmp_path: Path) -> None:
    points = Discrete(np.array([0.0, 0.01, 0.3]), np.array([0.2, 0.5, 0.3]))
    fits = {f"group {g}": fitted() for g in range(4)}
    fits |= {"points": fitted(points), "none": fitted(ok=False)}
    counts = {name: example() for name in fits} | {"none": Counts([10, 10], [0, 0])}
    figure = plot_difficulty(fits, counts)
    save_figure(figure, tmp_path / "picture.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(fits)
    assert {"no fit", "100% seen"} <= set(words(figure))


# ---- each problem and their average


def lines_of(axes: Any, colour: str, points: int | None = None) -> list[np.ndarray]:
    """Data of the lines in one colour, with so many points."""
    drawn = [np.asarray(line.get_xydata()) for line in axes.lines if line.get_color() == colour]
    return [each for each in drawn if points is None or len(each) == points]


def test_each_problem_and_their_average_are_the_unbiased_pass_at_k(tmp_path: Path) -> None:
    counts = Counts([40] * 4, [0, 3, 1, 30])
    figure = plot_decay(counts, fitted())
    save_figure(figure, tmp_path / "picture.png")
    axes, ks = figure.axes[0], whole_ks(40)
    measured = pass_at_k(counts, ks)
    curves = axes.collections[0].get_segments()
    assert len(curves) == 3  # the easiest at the bottom of the pile; one was never solved
    for curve, problem in zip(curves, (3, 1, 2), strict=True):
        np.testing.assert_array_equal(curve[:, 0], ks)
        p = measured.per_problem[problem]
        np.testing.assert_allclose(curve[:, 1], np.maximum(-np.log(p), 1e-15), rtol=1e-12)
    np.testing.assert_array_equal(axes.collections[0].get_array(), [30 / 40, 3 / 40, 1 / 40])
    (average,) = lines_of(axes, INK)
    np.testing.assert_allclose(average, np.column_stack([ks, -np.log(measured.estimate)]), rtol=1e-12)
    assert "1 of 4 never solved" in words(figure)


def test_both_exponents_are_drawn_as_they_are_labelled() -> None:
    figure = plot_decay(example(), fitted())
    axes, slope = figure.axes[0], float(window_slope(LAW, 1, 100))
    (window,) = lines_of(axes, COLOURS[1])
    np.testing.assert_allclose(-np.diff(np.log(window[:, 1])) / np.diff(np.log(window[:, 0])), slope)
    curve, asymptote = lines_of(axes, COLOURS[0])
    np.testing.assert_allclose(curve[:, 1], -np.log(np.asarray(LAW.pass_at_k(curve[:, 0]))), rtol=1e-9)
    np.testing.assert_allclose(-np.diff(np.log(asymptote[:, 1])) / np.diff(np.log(asymptote[:, 0])), 0.3)
    prefactor = -np.log(float(LAW.pass_at_k(1e14))) * 1e14**0.3
    np.testing.assert_allclose(asymptote[:, 1] * asymptote[:, 0] ** 0.3, prefactor, rtol=1e-3)
    said = words(figure)
    assert "tail exponent 0.300  (k \N{RIGHTWARDS ARROW} \N{INFINITY})" in said
    assert f"window slope {slope:.3f}  (k = 1 to 100)" in said


def test_a_law_without_a_power_law_has_no_asymptote(tmp_path: Path) -> None:
    laws = [Discrete(np.array([0.01, 0.3]), np.array([0.5, 0.5])), ZeroInflated(LAW, np.float64(0.2))]
    for law in laws:
        figure = plot_decay(example(), fitted(law))
        assert "no power law as k grows" in words(figure)
        assert len(lines_of(figure.axes[0], COLOURS[0])) == 1
    figure = plot_decay({"a": example(), "b": Counts([9, 9], [0, 0])}, {"a": fitted(ok=False)})
    save_figure(figure, tmp_path / "picture.png")
    assert "no fit" in words(figure)
    with pytest.raises(CountsError, match="stopping='on_success'"):
        plot_decay(stopped(), fitted())


# ---- tails


def test_tails_are_the_laws_own(tmp_path: Path) -> None:
    point = Discrete(np.array([0.01]), np.array([1.0]))
    scaled = Scaled(LAW, np.float64(0.1))
    figure = plot_tails({"law": LAW, "scaled": scaled, "point": point}, least_p=1e-6, largest_k=1e5)
    save_figure(figure, tmp_path / "picture.png")
    densities, curves = figure.axes
    for colour, law in ((COLOURS[0], LAW), (COLOURS[1], scaled)):
        (density,) = lines_of(densities, colour)
        step = np.diff(np.log10(density[:, 0]))[0]
        ends = 10 ** (np.log10(density[0, 0]) + step * np.array([-0.5, 0.5]))
        share = np.diff(np.asarray(law.cdf(ends)))[0]
        np.testing.assert_allclose(density[0, 1] * step, share, rtol=1e-9)
        np.testing.assert_allclose(np.diff(np.log10(density[:2, 1])) / step, 0.3, rtol=1e-3)
        (curve,) = lines_of(curves, colour)
        np.testing.assert_allclose(curve[:, 1], -np.log(np.asarray(law.pass_at_k(curve[:, 0]))), rtol=1e-9)
    stem, tip = lines_of(densities, COLOURS[2])
    np.testing.assert_array_equal(stem[:, 0], 0.01)
    np.testing.assert_array_equal(tip, [[0.01, 1.0]])
    assert {"law\ntail exponent 0.3", "point\nno power law"} <= set(words(figure))


def test_bad_tails() -> None:
    with pytest.raises(ValueError, match="takes 1 to 6 laws, not 0"):
        plot_tails({})
    with pytest.raises(ValueError, match=r"least_p must lie in \(0, 1\) .* got 2 and 10"):
        plot_tails({"law": LAW}, least_p=2, largest_k=10)


# ---- errors and bias


def scores(truths: tuple[str, ...] = ("t", "u"), high: float = 0.5) -> list[dict[str, Any]]:
    return [
        {
            "truth": truth,
            "estimator": name,
            "attempts": n,
            "relative_error": error,
            "relative_error_se": 0.1,
        }
        for truth in truths
        for name, error in (("line", high), ("beta", 0.2))
        for n in (1000, 100)
    ]


def test_errors_are_the_records(tmp_path: Path) -> None:
    floor, published = {"t": {100: 0.05, 1000: 0.04}}, {("u", "line"): {100: 0.6, 464: 0.5}}
    figure = plot_errors(scores(), ["beta", "line"], floor=floor, published=published)
    save_figure(figure, tmp_path / "picture.png")
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["t", "u"]
    (line,) = lines_of(first, COLOURS[1], 2)
    np.testing.assert_array_equal(line, [[100, 0.5], [1000, 0.5]])
    line, hollow = lines_of(second, COLOURS[1], 2)
    np.testing.assert_array_equal(hollow, [[100, 0.6], [464, 0.5]])
    grey, *bars = first.collections
    assert {tuple(point) for point in grey.get_paths()[0].vertices} >= {(100.0, 0.05), (1000.0, 0.04)}
    np.testing.assert_allclose(bars[1].get_segments()[0], [[100, 0.4], [100, 0.6]])
    assert {"beta", "line", "published", "bound"} <= set(words(figure))
    assert "above the axis" not in words(figure)


def test_errors_above_the_axis_are_marked(tmp_path: Path) -> None:
    figure = plot_errors(scores(("t",), high=40.0), ["line"])
    save_figure(figure, tmp_path / "picture.png")
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    np.testing.assert_array_equal(marks.get_xdata(), [100, 1000])
    np.testing.assert_array_equal(marks.get_ydata(), figure.axes[0].get_ylim()[1])
    assert "above the axis" in words(figure)


def test_a_long_label_of_errors_fits_beside_one_row(tmp_path: Path) -> None:
    """It ran into the legend and out of the picture."""
    long = "relative error of the tail exponent, P = 128 problems"
    figure = plot_errors(scores(), ["line"], label=long)
    save_figure(figure, tmp_path / "picture.png")
    said = next(text for text in figure.texts if text.get_text().replace("\n", " ") == long)
    place, legend = said.get_window_extent(), figure.legends[0].get_window_extent()
    assert place.y0 >= 0
    assert place.y1 <= legend.y0


def test_an_estimator_may_be_missing_from_a_truth(tmp_path: Path) -> None:
    records = [each for each in scores() if (each["truth"], each["estimator"]) != ("u", "beta")]
    figure = plot_errors(records, ["line", "beta"])
    save_figure(figure, tmp_path / "picture.png")
    assert len(lines_of(figure.axes[0], COLOURS[1], 2)) == 1
    assert not lines_of(figure.axes[1], COLOURS[1], 2)


def test_bad_errors() -> None:
    with pytest.raises(ValueError, match="estimator must be one of line, beta; not 'nobody'"):
        plot_errors(scores(), ["nobody"])
    with pytest.raises(ValueError, match="takes 1 to 6 estimators, not 0"):
        plot_errors(scores(), [])
    with pytest.raises(ValueError, match="two records for line at t and 1,000 attempts"):
        plot_errors(scores() * 2, ["line"])


def test_bias_is_drawn_as_given(tmp_path: Path) -> None:
    bias = {"one": {"a": [0.1, 0.2, 0.3], "b": [0, -0.1, -0.2]}, "two": {"a": [0.5, 0.4, 0.3]}}
    figure = plot_line_bias([10, 100, 1000], bias)
    save_figure(figure, tmp_path / "picture.png")
    solid, dashed = lines_of(figure.axes[0], COLOURS[0])
    np.testing.assert_array_equal(solid, [[10, 0.1], [100, 0.2], [1000, 0.3]])
    np.testing.assert_array_equal(dashed[:, 1], [0, -0.1, -0.2])
    (other,) = lines_of(figure.axes[1], COLOURS[0])
    np.testing.assert_array_equal(other[:, 1], [0.5, 0.4, 0.3])
    assert {"one", "two", "a", "b", "+20%", "\N{MINUS SIGN}20%", "0"} <= set(words(figure))
    with pytest.raises(ValueError, match=r"one, a: a bias for each of 2 numbers .* got shape \(1,\)"):
        plot_line_bias([10, 100], {"one": {"a": [0.1]}})
    with pytest.raises(ValueError, match="no bias to draw"):
        plot_line_bias([10], {})


# ---- held-out attempts


def test_held_out_attempts_are_measured_with_all(tmp_path: Path) -> None:
    counts = example()
    forecasts = {("a", 10): curve(ks=whole_ks(100, 20)), ("a", 50): curve(ks=whole_ks(100, 20))}
    lines = {("a", 10): fit_line(counts)}
    figure = plot_held_out({"a": counts}, forecasts, lines)
    save_figure(figure, tmp_path / "picture.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a, N = 10", "a, N = 50"]
    measured = pass_at_k(counts, whole_ks(100, 13))
    for panel in (0, 1):
        (points,) = dots(figure, panel)
        np.testing.assert_allclose(points, np.column_stack([measured.k, -measured.log_estimate]))
        (ahead,) = lines_of(figure.axes[panel], COLOURS[0])
        np.testing.assert_allclose(ahead[:, 1], -np.log(forecasts["a", 10].pass_at_k))
    (straight,) = lines_of(figure.axes[0], COLOURS[1])
    line = lines["a", 10]
    np.testing.assert_allclose(straight[:, 1], line.a * straight[:, 0] ** -line.b)
    assert not lines_of(figure.axes[1], COLOURS[1])
    truth = -measured.log_estimate[-1]
    miss = round(100 * (-np.log(forecasts["a", 10].pass_at_k[-1]) / truth - 1))
    assert f"{miss:+d}%".replace("-", "\N{MINUS SIGN}") in words(figure)
    assert "90% interval" in words(figure)


def test_held_out_attempts_side_by_side_from_the_same_pilot() -> None:
    """Uprights alone at the same k once made limits of no width, and Matplotlib warned."""
    counts = {name: sampled.counts for name, sampled in addition(temperature=1.0).items()}
    forecasts = {(name, 100): curve(ks=whole_ks(10_000, 20)) for name in list(counts)[:3]}
    figure = plot_held_out(counts, forecasts)
    assert len(figure.axes) == 3
    assert {axes.get_xlim() for axes in figure.axes} == {(0.8, 14_000)}


def test_bad_held_out_attempts() -> None:
    with pytest.raises(ValueError, match="no forecast to draw"):
        plot_held_out({"a": example()}, {})
    with pytest.raises(ValueError, match="'b' has none"):
        plot_held_out({"a": example()}, {("b", 10): curve()})
    with pytest.raises(CountsError, match="stopping='on_success'"):
        plot_held_out({"a": stopped()}, {("a", 10): curve()})


def test_labels_are_spread_apart_within_bounds() -> None:
    places = spread([0.5, 0.49, 0.02, 0.9], 0.2, 0.05, 0.95)
    assert np.diff(np.sort(places)).min() > 0.2 - 1e-6
    assert np.argsort(places).tolist() == [2, 1, 0, 3]
    assert min(places) >= 0.05
    assert max(places) <= 0.95


# ---- names


def test_a_name_is_no_formula_and_not_too_long(tmp_path: Path) -> None:
    names = [r"$\foo$", "US$5 and $_{x$", "x" * 120]
    counts = {name: example() for name in names}
    fits = {name: fit_difficulty(each, "beta") for name, each in counts.items()}
    figure = plot_difficulty(fits, counts)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes][:3]
    assert titles == [r"\$\foo\$", r"US\$5 and \$_{x\$", "x" * 19 + "..." + "x" * 6]
    save_figure(figure, tmp_path / "names.png")
    assert caption("model-a") == "model-a"
