"""Times and peak memory of one step, on a GPU or on the CPU."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.measure import Peak

BUDGET_S = 1.5  # of the repetitions of one figure
MOST = 30


def describe(device: str) -> dict[str, Any]:
    """The machine, or why there is none."""
    if device != "cpu" and not torch.cuda.is_available():
        return {
            "error": "no GPU: PyTorch sees no CUDA device; run this on a machine with one (small "
            "shapes on the CPU: python -m benchmarks.gpu --device cpu)"
        }
    import torch_geometric

    card = platform.machine() if device == "cpu" else torch.cuda.get_device_name(device)
    return {
        "device": device,
        "card": card,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "python": platform.python_version(),
    }


def milliseconds(step: Callable[[], object], device: str) -> float:
    """Median wall time of a step after a warm-up; the device is waited for."""
    wait = _waiting(device)
    step()
    step()
    wait()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < MOST and (len(times) < 3 or time.perf_counter() - began < BUDGET_S):
        start = time.perf_counter()
        step()
        wait()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def peak_mib(step: Callable[[], object], device: str) -> float:
    """Peak memory of one step above what is held before it, MiB."""
    if device == "cpu":
        peak = Peak()
        step()
        return peak.growth() / 2**20
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    step()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def figures(forward: Callable[[], torch.Tensor], clear: Callable[[], None], device: str) -> dict:
    """Forward, forward with backward, and the peak of the latter; or the reason why not."""

    def both() -> None:
        clear()
        forward().float().sum().backward()

    def only() -> None:
        with torch.no_grad():
            forward()

    try:
        both()  # loads what is loaded once
        mib = peak_mib(both, device)
        return {
            "forward ms": round(milliseconds(only, device), 3),
            "forward+backward ms": round(milliseconds(both, device), 3),
            "peak MiB": round(mib, 1),
        }
    except Exception as error:  # a peer without memory or without a kernel is a row, not the end
        if device != "cpu":
            torch.cuda.empty_cache()
        return {"no result": f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"}


def _waiting(device: str) -> Callable[[], object]:
    return (lambda: None) if device == "cpu" else (lambda: torch.cuda.synchronize(device))
