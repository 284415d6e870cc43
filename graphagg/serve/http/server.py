"""The process: a uvicorn server that drops slow clients and answers open requests first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from graphagg.errors import PortTaken
from graphagg.serve.http.protocol import TimedProtocol
from graphagg.serve.limits import Limits

LAST_CALL_SECONDS = 0.5
"""How long open connections may still bring a request after the signal to stop."""
_IDLE_SECONDS = 30.0
_TICK = 0.01
_BACKLOG = 2048


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
            address = self.servers[0].sockets[0].getsockname()
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            self._ready(f"http://{host}:{address[1]}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, answer what open ones still bring for a moment, then close.

        The moment ends with the last connection: clients leave with their next answer.
        """
        self._leaving()
        await asyncio.sleep(_TICK)  # takes in whom the system has connected already
        for server in self.servers:
            server.close()
        end = asyncio.get_running_loop().time() + self._last_call
        while self.server_state.connections and not self.force_exit:
            if asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(_TICK)
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
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def make_server(
    app: ASGIApp,
    limits: Limits,
    *,
    ready: Callable[[str], None] = lambda address: None,
    leaving: Callable[[], None] = lambda: None,
    last_call: float = LAST_CALL_SECONDS,
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
        backlog=_BACKLOG,
        timeout_graceful_shutdown=int(limits.answer_seconds + limits.receive_seconds) + 1,
    )
    return Server(config, ready, leaving, last_call)
