"""`graphagg serve`: serve indices over HTTP, with a web page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from graphagg.cli.options import FLAT, ConfigFile
from graphagg.cli.serving.options import (
    Indices,
    LogOptions,
    NetworkOptions,
    Port,
    allow_connections,
    prepare_libraries,
)
from graphagg.serve.limits import ServiceLimits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Service, Sources

_log = logging.getLogger("graphagg.serve")


def serve(
    *,
    indices: Annotated[Indices, FLAT] = Indices(),
    network: Annotated[NetworkOptions, FLAT] = NetworkOptions(),
    log: Annotated[LogOptions, FLAT] = LogOptions(),
    limits: Annotated[ServiceLimits, Parameter(name="*", show=False)] = ServiceLimits(),
    # not dataclass fields: Kubernetes sets GRAPHAGG_PORT for a service named graphagg
    host: str = "127.0.0.1",
    port: Port = 8321,
    token_file: Path | None = None,
    workers: PositiveInt = 1,
    config: ConfigFile = None,
) -> None:
    """Serve indices over HTTP, with a web page. New versions are loaded automatically.

    Example: graphagg serve --passages idx --communities comm --port 8321 --workers 2

    Args:
        host: address to bind. Any address but loopback requires a token.
        token_file: file with the access token, or with hashes of tokens.
        workers: number of processes, each with its own models.
    """
    access = network.access(host, token_file)
    sources = indices.sources()
    server = _Server(sources, limits, access, indices.lazy, log)
    server.prepare()
    allow_connections()
    if workers > 1:
        server.run_workers(workers, port)
    else:
        server.run(port)


@dataclass(frozen=True)
class _Server:
    """Settings of a serving process; can be pickled for worker processes."""

    sources: Sources
    limits: ServiceLimits
    access: Access
    lazy: bool
    log: LogOptions

    def prepare(self) -> None:
        """Configure logging and libraries."""
        least = getattr(logging, self.log.log_level.upper())
        logging.basicConfig(format="%(message)s", level=max(least, logging.WARNING), force=True)
        for name, logs in (("graphagg.serve", True), ("graphagg.access", self.log.access_log)):
            logging.getLogger(name).setLevel(least if logs else max(least, logging.WARNING))
        prepare_libraries(self.lazy)

    def service(self) -> Service:
        """Open the indices."""
        from graphagg.serve.service import Service

        return Service(self.sources, self.limits, lazy=self.lazy)

    def run(self, port: int) -> None:
        """Serve until a signal arrives; raises an error if models cannot be loaded."""
        from graphagg.serve.http.app import create_app
        from graphagg.serve.http.server import address_of, bind, make_server

        failures: list[Exception] = []
        with bind(self.access.host, port) as listening:
            service = self.service()

            def on_failure(error: Exception) -> None:
                failures.append(error)
                server.should_exit = True

            def stopping() -> None:
                service.stopping = True
                _log.info("stopping: open requests are answered first")

            app = create_app(service, self.access, failed=on_failure)
            ready = partial(_log.info, "serving on %s", address_of(listening))
            server = make_server(app, service.limits, ready=ready, stopping=stopping)
            server.run([listening])
        for error in failures:
            raise error

    def run_workers(self, workers: int, port: int) -> None:
        """Serve with several processes until a signal arrives."""
        from graphagg.serve.http.server import address_of, bind, run_workers

        with bind(self.access.host, port) as listening:
            self.service().close()  # if opening fails, report the error only once
            _log.info("serving on %s", address_of(listening))
            run_workers(self.worker_app, self.limits, listening, workers)
        _log.info("stopped")

    def worker_app(self) -> FastAPI:
        """Return the application of a worker process, which loads its models before it answers."""
        from graphagg.serve.http.app import create_app

        self.prepare()
        return create_app(self.service(), self.access, failed=None)
