"""The device of a name."""

from __future__ import annotations

import torch

from graphagg.errors import DeviceUnavailable


def find_device(name: str) -> torch.device:
    """The device of a name: `auto` (CUDA if available), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises `DeviceUnavailable`, which lists the available ones.
    """
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    devices += ["mps", "cpu"] if torch.backends.mps.is_available() else ["cpu"]
    if name == "auto":
        return torch.device(devices[0] if devices[0].startswith("cuda") else "cpu")
    full_name = "cuda:0" if name == "cuda" else name
    if full_name not in devices:
        raise DeviceUnavailable(
            f"device {name!r} is not there; available: {', '.join(devices)}, or 'auto'"
        )
    return torch.device(full_name)
