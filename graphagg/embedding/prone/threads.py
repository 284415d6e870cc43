"""Linear algebra on one thread."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from graphagg.errors import MissingExtra


def one_thread() -> Any:
    """Let linear algebra take one thread meanwhile: sums then have one order on any machine."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """The libraries with threads of their own, looked up again after an import: some bring one.

    A look-up takes longer than a small task of Spark.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        raise MissingExtra("threadpoolctl", "embedding") from None
    return ThreadpoolController()
