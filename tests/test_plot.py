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
from lmpower.counts import Counts
from lmpower.datasets import example
from lmpower.difficulty import Beta, Difficulty, Discrete
from lmpower.plot import plot_difficulty, plot_forecast, save_figure
from lmpower.plot.paper import COLOURS, WIDTH, spread
from lmpower.report import Curve

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


def test_labels_are_spread_apart_within_bounds() -> None:
    places = spread([0.5, 0.49, 0.02, 0.9], 0.2, 0.05, 0.95)
    assert np.diff(np.sort(places)).min() > 0.2 - 1e-6
    assert np.argsort(places).tolist() == [2, 1, 0, 3]
    assert min(places) >= 0.05
    assert max(places) <= 0.95
