"""Memory of this process that is its own: not pages of index files, which processes share."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def own_memory() -> int | None:
    """Bytes of anonymous memory; None where the system does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
    return sizes[0] * 1024 if sizes else None
