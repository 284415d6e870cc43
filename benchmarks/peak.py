"""The peak of this process's resident memory from a moment on. Linux.

`ru_maxrss` would not do: a process begins with its parent's, and nothing sets it back.
"""

from __future__ import annotations

from pathlib import Path


class Peak:
    """Begins at the size that the process has now."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = resident("VmRSS")

    def growth(self) -> int:
        """Bytes of the peak above the size at the beginning."""
        return resident("VmHWM") - self._before


def resident(field: str) -> int:
    """`VmRSS`, the size now, or `VmHWM`, its peak; bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))
