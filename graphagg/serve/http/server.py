"""The process: a uvicorn server that drops slow clients and leaves without dropping requests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from graphagg.errors import PortTaken
from graphagg.serve.limits import Limits

_LAST_CALL_SECONDS = 1.0
"""How long open connections may still bring a request after the signal to stop."""
_IDLE_SECONDS = 30.0


class TimedProtocol(H11Protocol):
    """Ends connections whose header does not come, or whose answer is not read.

    uvicorn itself bounds only the pause between two requests.
    """

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
        """A header should follow."""
        super().connection_made(transport)
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        """The first bytes after an answer begin the next header."""
        between = self.cycle is not None and self.cycle.response_complete
        if between and self._header is None:
            self._expect_header()
        super().data_received(data)

    def handle_events(self) -> None:
        """A new cycle means a whole header."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            _stop(self._header)
            self._header = None

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        _stop(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        _stop(self._header)
        _stop(self._stall)
        super().connection_lost(exc)

    def _expect_header(self) -> None:
        seconds = self.limits.receive_seconds
        self._header = self.loop.call_later(seconds, self.transport.abort)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Server(uvicorn.Server):
    """A server that answers what is open before it ends.

    Args:
        config: of uvicorn.
        ready: called with the addresses once it listens.
        leaving: called when it is told to stop, before it stops.
        last_call: seconds in which open connections may still bring a request after that.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[str], None],
        leaving: Callable[[], None],
        last_call: float,
    ) -> None:
        super().__init__(config)
        self._ready, self._leaving, self._last_call = ready, leaving, last_call

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops it gently, the second at once; its exit code is then 0."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            found = self.servers[0].sockets[0].getsockname()
            host = f"[{found[0]}]" if ":" in found[0] else found[0]
            self._ready(f"http://{host}:{found[1]}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, answer what open ones still bring for a moment, then close."""
        self._leaving()
        for server in self.servers:
            server.close()
        await asyncio.sleep(self._last_call)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `PortTaken` where the address cannot be had."""
    name = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        # asyncio switches Nagle's delay off only for sockets that name their protocol
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PortTaken(
            f"{host}:{port}: {reason}; choose another --port, or stop what listens there"
        ) from None
    listening.listen(2048)
    listening.setblocking(False)
    return listening


def make_server(
    app: ASGIApp,
    limits: Limits,
    *,
    ready: Callable[[str], None] = lambda address: None,
    leaving: Callable[[], None] = lambda: None,
    last_call: float = _LAST_CALL_SECONDS,
) -> Server:
    """A server of an application; `run([bind(host, port)])` answers until it is told to stop.

    Args:
        app: what answers.
        limits: seconds that clients and answers may take.
        ready: called with the address once it listens.
        leaving: called when it is told to stop, before it stops.
        last_call: seconds in which open connections may still bring a request after that.
    """
    config = uvicorn.Config(
        app,
        http=TimedProtocol.within(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(_IDLE_SECONDS),
        timeout_graceful_shutdown=int(limits.answer_seconds + limits.receive_seconds) + 1,
    )
    return Server(config, ready, leaving, last_call)
