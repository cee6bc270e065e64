"""The same results on one device or several, in one process or two, in a batch of any size."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

from lmpower.fit.devices import devices, elsewhere

HERE = Path(__file__).parent

FIT = """
import sys
import jax, numpy as np
from lmpower.counts import rows_of_many
from lmpower.estimators import estimate_all
from lmpower.difficulty.named import family_named
from lmpower.fit.maximum import fit_rows

out, devices, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
assert jax.local_device_count() == devices, jax.local_devices()
rng = np.random.default_rng(7)
successes = rng.binomial(60, 0.6 * rng.beta(0.4, 3.0, (40, 32)))
rows = rows_of_many(np.asarray(60), successes[:size])
fit = fit_rows(rows, family_named("kumaraswamy"))
(estimate,) = estimate_all(["kumaraswamy"], rows, np.array([100.0, 1000.0]))
np.savez(out, theta=fit.theta, value=fit.log_likelihood, hessian=fit.hessian, status=fit.status,
         numbers=estimate.numbers, quantiles=estimate.quantiles)
"""


def environment(devices: int = 1) -> dict[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """The same 40 datasets on 1 and on 4 devices, and the first 20 of them alone."""
    out = tmp_path_factory.mktemp("devices")
    kinds = {"one": (1, 40), "four": (4, 40), "fewer": (1, 20)}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", FIT, str(out / f"{name}.npz"), str(devices), str(size)],
            env=environment(devices),
            stderr=subprocess.PIPE,
        )
        for name, (devices, size) in kinds.items()
    }
    for process in running.values():
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    return {name: dict(np.load(out / f"{name}.npz")) for name in kinds}


def test_four_devices_give_the_bits_of_one(fits):
    for name, numbers in fits["one"].items():
        np.testing.assert_array_equal(fits["four"][name], numbers, err_msg=name)


def test_a_dataset_s_bits_do_not_depend_on_how_many_others_there_are(fits):
    for name, numbers in fits["fewer"].items():
        np.testing.assert_array_equal(fits["one"][name][:20], numbers, err_msg=name)


RUN = """
import sys
import jax
address, process, processes = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if processes > 1:
    jax.distributed.initialize(address, processes, process)
    assert jax.process_count() == processes
sys.path.insert(0, sys.argv[5])
from pathlib import Path
from lmpower.backtest import run_backtest
import test_backtest
print(run_backtest(test_backtest.plan(), Path(sys.argv[1]), progress=False))
"""


def run(out: Path, address: str, process: int, processes: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, str(out), address, str(process), str(processes), str(HERE)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment(), **pipes)


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = [run(tmp_path / "two", address, process, 2) for process in range(2)]
    alone = run(tmp_path / "one", address, 0, 1)
    for process in (*both, alone):
        said, complaint = process.communicate(timeout=300)
        assert process.returncode == 0, complaint.decode()
        assert said
    written = (tmp_path / "two" / "results.parquet").read_bytes()
    assert written == (tmp_path / "one" / "results.parquet").read_bytes()


def test_another_thread_takes_the_same_devices():
    """JAX's choice of a device is a thread's own, and points of the prior are weighed in one aside."""
    with jax.default_device(jax.devices("cpu")[0]), ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere(devices)).result() == devices() == [jax.devices("cpu")[0]]
        assert pool.submit(elsewhere(lambda: jax.config.jax_default_device)).result() is not None
