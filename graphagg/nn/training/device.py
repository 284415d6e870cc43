"""Find a device by name, and limit the number of CPU threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from graphagg.errors import DeviceUnavailable
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.training.data.dataset import GraphData

_SMALL = 30_000  # vertices and edges per step; below this, threads wait longer than they compute


@contextmanager
def few_threads(data: GraphData, training: TrainingConfig) -> Iterator[None]:
    """Use one CPU thread inside the `with` block if the steps on the data are small."""
    steps = 1.0 if data.single else max(1.0, len(data.graphs) / training.batch_size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if data.size / steps < _SMALL else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def find_device(name: str) -> torch.device:
    """Return the device for a name: `auto` (CUDA if available), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises `DeviceUnavailable`, which lists the available devices.
    """
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    devices += ["mps", "cpu"] if torch.backends.mps.is_available() else ["cpu"]
    if name == "auto":
        return torch.device(devices[0] if devices[0].startswith("cuda") else "cpu")
    full_name = "cuda:0" if name == "cuda" else name
    if full_name not in devices:
        raise DeviceUnavailable(
            f"device {name!r} is not available; found: {', '.join(devices)}, or 'auto'"
        )
    return torch.device(full_name)
