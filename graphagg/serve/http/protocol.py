"""Time limits on connections, in uvicorn's own protocol class: uvicorn has none for a header.

This is the only module that relies on parts of uvicorn which its documentation does not promise;
`tests/unit/serve/test_uvicorn.py` states each of them:

- `H11Protocol.cycle` is the request being answered, None before the first one, and a new object
  once a whole header was read; `cycle.response_complete` says whether its answer is sent.
- `H11Protocol` has `loop` and `transport`, and overrides asyncio's `connection_made`,
  `data_received`, `pause_writing`, `resume_writing` and `connection_lost`; `handle_events` reads
  what has arrived.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from graphagg.serve.limits import Limits


class TimedProtocol(H11Protocol):
    """Ends connections whose header does not come, or whose answer is not read."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._header: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, limits: Limits) -> type[TimedProtocol]:
        """The protocol with these limits."""
        return type("LimitedProtocol", (cls,), {"limits": limits})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first header."""
        super().connection_made(transport)
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        """Wait for the next header: the first bytes after an answer begin it."""
        between = self.cycle is not None and self.cycle.response_complete
        if between and self._header is None:
            self._expect_header()
        super().data_received(data)

    def handle_events(self) -> None:
        """Stop waiting for the header once it is read: then there is a new cycle."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            _stop(self._header)
            self._header = None

    def pause_writing(self) -> None:
        """Wait for the client, which does not read its answer."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: the client reads again."""
        super().resume_writing()
        _stop(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting: the connection is gone."""
        _stop(self._header)
        _stop(self._stall)
        super().connection_lost(exc)

    def _expect_header(self) -> None:
        seconds = self.limits.receive_seconds
        self._header = self.loop.call_later(seconds, self.transport.abort)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
