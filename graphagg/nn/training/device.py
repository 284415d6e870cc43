"""The device that a model is trained on, by its name."""

from __future__ import annotations

import torch

from graphagg.errors import DeviceUnavailable


def available() -> list[str]:
    """The devices that are there, the fastest first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def find_device(name: str) -> torch.device:
    """The device of a name: `auto` (CUDA where it is there), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        DeviceUnavailable: it is not there; names those that are.
    """
    found = available()
    if name == "auto":
        return torch.device(found[0] if found[0].startswith("cuda") else "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise DeviceUnavailable(
            f"device {name!r} is not there; available: {', '.join(found)}, or 'auto'"
        )
    return torch.device(wanted)
