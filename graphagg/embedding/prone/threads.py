"""Linear algebra on one thread."""

from __future__ import annotations

from typing import Any

from graphagg.errors import MissingExtra


def one_thread() -> Any:
    """Let linear algebra take one thread meanwhile: sums then have one order on any machine."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise MissingExtra("threadpoolctl", "embedding") from None
    return threadpool_limits(limits=1)
