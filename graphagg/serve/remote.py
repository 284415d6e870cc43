"""Where questions are answered that this process does not answer itself: `graphagg.serve.pool`."""

from __future__ import annotations

from typing import Any, Protocol


class Remote(Protocol):
    """Other processes over the same indices."""

    @property
    def is_ready(self) -> bool:
        """Whether at least one can answer now."""

    async def start(self) -> None:
        """Start them."""

    def wait_until_ready(self) -> None:
        """Wait, in a thread, until each has loaded its models; raises why one cannot."""

    async def ask(self, call: str, **arguments: Any) -> Any:
        """The answer to a call by name, with JSON values."""

    async def close(self) -> None:
        """End them."""
