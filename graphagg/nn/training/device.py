"""The devices that a model is trained on, by their names."""

from __future__ import annotations

import torch

from graphagg.errors import DeviceUnavailable, InvalidParameter


def available() -> list[str]:
    """The devices that are there, the fastest first."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def find_device(name: str) -> torch.device:
    """The device of a name: `auto` (CUDA where it is there), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        DeviceUnavailable: it is not there; names those that are.
    """
    devices = available()
    if name == "auto":
        return torch.device(devices[0] if devices[0].startswith("cuda") else "cpu")
    full_name = "cuda:0" if name == "cuda" else name
    if full_name not in devices:
        raise DeviceUnavailable(
            f"device {name!r} is not there; available: {', '.join(devices)}, or 'auto'"
        )
    return torch.device(full_name)


def find_devices(name: str) -> tuple[torch.device, ...]:
    """The devices of a list such as `cuda:0,1` or `cpu,cpu`; one name is a list of one.

    A number alone is one more device of the kind before it. A CPU named twice is two processes.

    Raises:
        DeviceUnavailable: one is not there; names it, and those that are.
        InvalidParameter: a device twice, or devices of two kinds.
    """
    devices: list[torch.device] = []
    for item in name.split(","):
        item = item.strip()
        full_name = f"{devices[-1].type}:{item}" if devices and item.isdecimal() else item
        devices.append(find_device(full_name))
    kinds = sorted({device.type for device in devices})
    if len(kinds) > 1:
        raise InvalidParameter(
            f"device is {name!r}: {' and '.join(kinds)} together; wanted devices of one kind"
        )
    twice = [str(d) for d in dict.fromkeys(devices) if devices.count(d) > 1 and d.type != "cpu"]
    if twice:
        raise InvalidParameter(f"device is {name!r}, which names {twice[0]} twice; wanted it once")
    return tuple(devices)
