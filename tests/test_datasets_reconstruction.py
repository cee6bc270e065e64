"""The autoencoder's trials: the shipped files, how they are read, and the script that makes them."""

from __future__ import annotations

import csv
import gzip
import importlib
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from lmpower.datasets import reconstruction, reconstruction_chains, reconstruction_margins
from lmpower.fit import fit_difficulty
from lmpower.passk import pass_at_k

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "benchmarks" / "datasets"
DATA = ROOT / "lmpower" / "data"
SMALL = (
    "--epsilons .05 .08 --temperatures 1 2 --correlations 0 .9 --problems 5 --attempts 1200 --chains 3 "
    "--length 1100 --pilots 50 --steps 30"
)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a script of benchmarks/datasets as a module."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def images_file(folder: Path) -> Path:
    """Forty random images of 4 x 4 pixels, as MNIST's files have them."""
    pixels = np.random.default_rng(3).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    path = folder / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"\x00\x00\x08\x03" + struct.pack(">3I", 40, 4, 4) + pixels.tobytes()))
    return path


# ---- what ships


def test_independent_trials() -> None:
    groups = reconstruction()
    assert list(groups) == ["1 / 0.008", "1 / 0.01", "2 / 0.008", "2 / 0.01", "3 / 0.008", "3 / 0.01"]
    labels = next(iter(groups.values())).problem
    for counts in groups.values():
        assert counts.problem is not None
        assert counts.problem.tolist() == labels.tolist()
        assert len(counts) == 128
        assert set(counts.attempts.tolist()) == {100_000}
        assert counts.stopping == "fixed"
    # both thresholds judge the same trials
    for temperature in "123":
        strict, lax = groups[f"{temperature} / 0.008"], groups[f"{temperature} / 0.01"]
        assert (strict.successes <= lax.successes).all()
        assert strict.successes.sum() < lax.successes.sum()


def test_images_without_a_margin_are_never_solved() -> None:
    margins, groups = reconstruction_margins(), reconstruction()
    assert list(margins) == list(groups)
    for name, counts in groups.items():
        assert (counts.successes[margins[name] < 0] == 0).all()
    # the least error is the image's own, whatever the temperature
    np.testing.assert_array_equal(margins["1 / 0.01"], margins["3 / 0.01"])
    np.testing.assert_allclose(margins["1 / 0.01"] - margins["1 / 0.008"], 0.002, atol=1e-12)


def test_the_fitted_ceiling_is_the_computed_one() -> None:
    """Levi's ceiling, one minus the share never solved: descent and fit know nothing of each other."""
    name = "2 / 0.01"
    ceiling = (reconstruction_margins()[name] >= 0).mean()
    fit = fit_difficulty(reconstruction()[name], "zero-inflated-beta")
    pi0 = float(fit.difficulty.pi0)
    assert abs(1 - pi0 - ceiling) < 3 * np.sqrt(ceiling * (1 - ceiling) / 128)


@pytest.mark.parametrize("name", ["0.9", "0.99"])
def test_a_single_trial_of_a_chain_is_as_likely_to_succeed_as_an_independent_one(name: str) -> None:
    chains, counts = reconstruction_chains()[name], reconstruction()["2 / 0.01"]
    assert chains.correlation == float(name)
    assert counts.problem is not None
    assert list(chains.problem) == counts.problem.tolist()
    rate = chains.successes[chains.length].sum(axis=1) / (chains.length * chains.first.shape[1])
    assert chains.length == 10_000
    # a chain of correlation rho is worth at least (1-rho)/(1+rho) as many independent trials
    worth = chains.length * chains.first.shape[1] * (1 - chains.correlation) / (1 + chains.correlation)
    p = counts.rate
    assert (abs(rate - p) < 5 * np.sqrt(p * (1 - p) / worth) + 5 / worth).all()


@pytest.mark.parametrize("name", ["0.9", "0.99"])
def test_first_success_and_successes_agree(name: str) -> None:
    chains = reconstruction_chains()[name]
    assert chains.first.shape == (128, 16)
    assert (chains.first >= 0).all()
    assert (chains.first <= chains.length).all()
    fewer = np.zeros_like(chains.first)
    for pilot, successes in chains.successes.items():
        solved = (chains.first > 0) & (chains.first <= pilot)
        np.testing.assert_array_equal(successes > 0, solved)
        assert (successes <= np.where(solved, pilot - chains.first + 1, 0)).all()
        assert (successes >= fewer).all()
        fewer = successes


@pytest.mark.parametrize("name", ["0.9", "0.99"])
def test_correlated_trials_solve_less(name: str) -> None:
    """By far more than chance; and the unbiased pass@k of independent trials is no estimate of theirs."""
    chains, independent = reconstruction_chains()[name], reconstruction()["2 / 0.01"]
    at_ten = pass_at_k(independent, 10).estimate[0]
    assert chains.pass_at_k(10)[0] < 0.65 * at_ten
    read_off = np.mean([pass_at_k(chains.pilot(100, chain), 10).estimate[0] for chain in range(16)])
    assert read_off > 1.5 * chains.pass_at_k(10)[0]
    # what a pilot is right about: its own length
    assert np.mean([pass_at_k(chains.pilot(100, chain), 100).estimate[0] for chain in range(16)]) == (
        pytest.approx(chains.pass_at_k(100)[0], abs=1e-12)
    )


def test_what_chains_refuse() -> None:
    chains = reconstruction_chains()["0.9"]
    with pytest.raises(ValueError, match=r"among the first 100, 1,000, 10,000 trials, not 50"):
        chains.pilot(50)
    with pytest.raises(ValueError, match="chain must be from 0 to 15; got 16"):
        chains.pilot(100, 16)
    with pytest.raises(ValueError, match="the chains have 10,000 trials; got k = 10,001"):
        chains.pass_at_k([1, 10_001])
    with pytest.raises(ValueError, match=r"whole number.*got 0"):
        chains.pass_at_k(0)


def test_the_files_are_small() -> None:
    sizes = [(DATA / name).stat().st_size for name in ("reconstruction.csv", "reconstruction_chains.csv")]
    assert sum(sizes) < 150_000


# ---- how they were made


@pytest.mark.slow
def test_the_script_reproduces_itself_whatever_the_batch(scripts: Any, tmp_path: Path) -> None:
    make, images = scripts("make_reconstruction"), images_file(tmp_path)
    found = {}
    for name, more in {"one": ["--batch", "1"], "all": ["--batch", "5"], "two": ["--seed", "1"]}.items():
        out = tmp_path / f"{name}.csv"
        assert make.main(["--out", str(out), "--images", str(images), *SMALL.split(), *more]) == 0
        found[name] = out.read_bytes(), out.with_stem(f"{name}_chains").read_bytes()
    assert found["one"] == found["all"]
    assert found["one"][0] != found["two"][0]
    assert found["one"][1] != found["two"][1]
    rows = list(csv.DictReader(found["one"][0].decode().splitlines()))
    assert len(rows) == 2 * 2 * 5
    assert {row["attempts"] for row in rows} == {"1200"}
    assert any(0 < int(row["successes"]) < 1200 for row in rows)
    rows = list(csv.DictReader(found["one"][1].decode().splitlines()))
    assert len(rows) == 2 * 5 * 3
    assert list(rows[0])[-2:] == ["successes_50", "successes_1100"]
    assert {row["temperature"] for row in rows} == {"2"}


@pytest.fixture
def small_model(scripts: Any) -> Any:
    """The module, a model trained a little, and one of its images."""
    autoencoder = scripts("autoencoder")
    images = jax.random.uniform(jax.random.key(0), (20, 16))
    return autoencoder, autoencoder.train(images, jax.random.key(1), 50), images[3]


def test_trials_do_not_depend_on_how_many_follow(small_model: Any) -> None:
    module, model, image = small_model
    key, thresholds = jax.random.key(2), np.array([0.07, 0.09], dtype=np.float32)
    short, long = (
        module.correlated_outcomes(model, image, key, 1.0, 0.08, 0.5, 2, n) for n in (700, 2_300)
    )
    np.testing.assert_array_equal(short, long[:700])
    few, many = (
        np.asarray(module.independent_successes(model, image, key, 1.0, thresholds, n))
        for n in (700, 2_300)
    )
    assert (few <= many).all()
    assert (many - few <= 1_600).all()


def test_chains_have_the_correlation_they_say(small_model: Any) -> None:
    """By a decoder that shows its first latent: then a success is a normal variable above a threshold."""
    module, model, image = small_model
    rho = 0.8
    # an identity decoder's error is |sigmoid(z) - x|^2, increasing in z when x = 0 and there is one pixel
    (inner, _), *_ = model["decoder"]
    eye = {**model, "decoder": [(np.eye(inner.shape[0], 1, dtype=np.float32), np.zeros(1, np.float32))]}
    mean, spread = module.encode(eye, image)
    at_median = float(1 / (1 + np.exp(-mean[0]))) ** 2
    outcomes = _outcomes_at_zero_target(module, eye, image, at_median, rho)
    assert float(spread[0]) > 0
    # two standard normals of correlation rho are on the same side of 0 with chance 1/2 + asin(rho)/pi
    for lag in (1, 3):
        same = (outcomes[lag:] == outcomes[:-lag]).mean()
        assert same == pytest.approx(0.5 + np.arcsin(rho**lag) / np.pi, abs=0.01)
    assert outcomes.mean() == pytest.approx(0.5, abs=0.02)
    apart = outcomes[:, 0] == outcomes[:, 1]
    assert apart.mean() == pytest.approx(0.5, abs=0.05)


def _outcomes_at_zero_target(module: Any, model: Any, image: Any, epsilon: float, rho: float) -> np.ndarray:
    """Outcomes where the target is black, though the latents are those of ``image``."""
    mean, spread = module.encode(model, image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "encode", lambda *_: (mean, spread))
        black = np.zeros(1, np.float32)
        found = module.correlated_outcomes(model, black, jax.random.key(5), 1.0, epsilon, rho, 8, 20_000)
    return np.asarray(found)


def test_no_trial_beats_the_least_error(small_model: Any) -> None:
    module, model, image = small_model
    least = float(module.least_error(model, image, jax.random.key(6)))
    mean, spread = module.encode(model, image)
    noise = jax.random.normal(jax.random.key(7), (20_000, module.LATENTS))
    assert 0 < least <= float(module.error(model, mean + 2 * spread * noise, image).min())


def test_training_learns(scripts: Any) -> None:
    """Images between two of black and white pixels are reconstructed better than by their mean."""
    module = scripts("autoencoder")
    direction = jax.random.bernoulli(jax.random.key(8), shape=(2, 64)).astype(float)
    share = jax.random.uniform(jax.random.key(9), (200, 1))
    images = share * direction[0] + (1 - share) * direction[1]
    model = module.train(images, jax.random.key(10), 1_000)
    mean, _ = module.encode(model, images)
    errors = np.asarray([module.error(model, mean[i], images[i]) for i in range(50)])
    assert errors.mean() < 0.2 * float(images.var(axis=0).mean())


def test_images_of_both_formats(scripts: Any, tmp_path: Path) -> None:
    pictures = scripts("pictures")
    idx = pictures.read_images(images_file(tmp_path))
    assert idx.shape == (40, 16)
    assert 0 <= idx.min() < idx.max() <= 1
    np.savez(tmp_path / "same.npz", images=(idx * 255).round().astype(np.uint8).reshape(40, 4, 4))
    np.testing.assert_array_equal(pictures.read_images(tmp_path / "same.npz"), idx)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("none.gz", None, "cannot read"),
    ("cut.gz", gzip.compress(bytes(range(256)), mtime=0)[:60], "cannot read"),
    ("short.idx", b"\x00\x00\x08\x01\x00\x00\x00\x05ab", "says it holds [5] bytes, but has 2"),
    ("text.csv", b"a,b\n1,2\n", "is neither an .npz nor an IDX file"),
    ("flat.idx", b"\x00\x00\x08\x01\x00\x00\x00\x02ab", "it holds uint8 of shape [2]"),
    ("empty.idx", b"", "is neither an .npz nor an IDX file"),
    ("text.npz", b"PK no", "is not an .npz of arrays"),
    ("zip.npz", b"PK\x03\x04 no", "cannot read"),
])  # fmt: skip
def test_files_that_hold_no_images(
    scripts: Any, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r".+") as caught:
        scripts("pictures").read_images(path)
    assert message in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(("arrays", "message"), [
    ({"other": np.zeros((2, 3), np.uint8)}, "has no array called images or x_train or arr_0; it has other"),
    ({"images": np.zeros((2, 3))}, "it holds float64 of shape [2, 3]"),
    ({"images": np.array([{}], dtype=object)}, "array images"),
])  # fmt: skip
def test_arrays_that_are_no_images(
    scripts: Any, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r".+") as caught:
        scripts("pictures").read_images(path)
    assert message in str(caught.value)


def test_digits_need_scikit_learn(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'lmpower\[bench\]', or give --images FILE"):
        scripts("pictures").digits()


@pytest.mark.parametrize(("arguments", "message"), [
    ("", "--images needs --epsilons"),
    ("--epsilons 0", "--epsilons must be above 0 and finite; got [0.0]"),
    ("--epsilons 1 --temperatures nan", "--temperatures must be above 0 and finite; got [nan]"),
    ("--epsilons 1 --correlations 1", "--correlations must be at least 0 and below 1; got [1.0]"),
    ("--epsilons 1 --problems 41", "--problems must be at most 40, all images; got 41"),
    ("--epsilons 1 --chains 0", "--chains must be at least 1; got 0"),
    ("--epsilons 1 --length 10 --pilots 11", "--pilots must be from 1 to --length 10; got [11]"),
    ("--epsilons 1 --seed -1", "--seed must be from 0 to 4294967295; got -1"),
])  # fmt: skip
def test_bad_arguments_are_one_line_and_no_file(
    scripts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    images = images_file(tmp_path)
    out = ["--out", str(tmp_path / "out.csv"), "--images", str(images), "--problems", "5"]
    assert scripts("make_reconstruction").main([*out, *arguments.split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said
    assert list(tmp_path.iterdir()) == [images]


def test_a_folder_that_is_not_there_is_noticed_before_the_work(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPTS / "make_reconstruction.py", "--out", "missing/out.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot write missing/out.csv" in done.stderr
