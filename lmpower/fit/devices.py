"""Who computes: the devices that share the work, and the threads that wait for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

T = TypeVar("T")
_CORES = min(os.cpu_count() or 1, 16)


def devices() -> list[jax.Device]:
    """Those that share the chunks: all local ones, or the one that ``jax.default_device`` names."""
    chosen = _default_device()
    return [chosen] if isinstance(chosen, jax.Device) else jax.local_devices(backend=chosen)


def elsewhere(run: Callable[[], T]) -> Callable[[], T]:
    """``run`` for another thread, on the devices that this one takes: JAX's choice is a thread's own."""
    chosen = _default_device()

    def there() -> T:
        with jax.default_device(chosen):
            return run()

    return there


def side_by_side(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What the jobs return, run at the same time: worth it where they compile, on one core each."""
    if len(jobs) < 2:
        return [job() for job in jobs]
    with ThreadPoolExecutor(min(len(jobs), _CORES)) as pool:
        return list(pool.map(lambda job: job(), [elsewhere(job) for job in jobs]))


def workers() -> int:
    """Chunks at a time: on a lone CPU, whose programs here run on one core, one a core.

    Of several CPU devices each takes one, of an accelerator two: one computes while the other is fetched.
    """
    shared = devices()
    if shared[0].platform != "cpu":
        return 2 * len(shared)
    return _CORES if len(shared) == 1 else len(shared)


def _default_device() -> Any:
    return jax.config.jax_default_device  # type: ignore[attr-defined]  # JAX defines it at run time
