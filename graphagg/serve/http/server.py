"""Runs an application with uvicorn on a bound socket.

Uvicorn limits the size of headers, and the number and idle time of connections. It has no time
limit for slow headers or for clients that do not read; a reverse proxy has both (`deploy/`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from graphagg.errors import PortTaken
from graphagg.serve.limits import ServiceLimits

_BACKLOG = 2048
_HEADER_BYTES = 1 << 16
_LAST_SECONDS = 0.5  # after the signal to stop, for requests that are already on their way


class GracefulServer(uvicorn.Server):
    """A uvicorn server that answers open requests before it stops, with exit code 0."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop after open requests at the first signal, immediately at the second."""
        self.force_exit = self.should_exit
        self.should_exit = True
        if self.force_exit:  # from Python 3.12 on asyncio waits for open connections
            for connection in list(self.server_state.connections):
                connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call `ready`."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer open requests and those on their way, then close.

        Responses now have `Connection: close`, so clients disconnect after the next one.
        """
        self._stopping()
        for server in self.servers:
            server.close()
        end = time.monotonic() + _LAST_SECONDS
        while self.server_state.connections and not self.force_exit and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Make a listening socket; raises `PortTaken` if the address is not available."""
    name = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        # asyncio sets TCP_NODELAY only on sockets that are created with this protocol
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PortTaken(
            f"{host}:{port}: {reason}; choose another `port`, or stop the program that uses it"
        ) from None
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the URL of a bound socket for browsers, such as `http://127.0.0.1:8321`."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(
    app: ASGIApp,
    limits: ServiceLimits,
    *,
    ready: Callable[[], None] = lambda: None,
    stopping: Callable[[], None] = lambda: None,
) -> GracefulServer:
    """Create a server; `run([bind(host, port)])` serves until a signal arrives."""
    return GracefulServer(_config(app, limits), ready, stopping)


def run_workers(
    make: Callable[[], ASGIApp], limits: ServiceLimits, listening: socket.socket, workers: int
) -> None:
    """Serve with several processes until a signal arrives; a process that ends is replaced.

    `make` creates the application in each process and must be picklable.
    """
    config = _config(make, limits, factory=True, workers=workers)
    with TemporaryDirectory(prefix="graphagg-") as folder:  # for the metrics of all processes
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        Multiprocess(config, [listening]).run()


def _config(app: Any, limits: ServiceLimits, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=int(limits.answer_seconds + limits.receive_seconds) + 1,
        **more,
    )
