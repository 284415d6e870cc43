"""`graphagg serve`: indices over HTTP, with their page."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.options import command
from graphagg.cli.serving.options import (
    Host,
    Indices,
    LanguageModel,
    LogOptions,
    NetworkOptions,
    TokenFileOption,
    allow_connections,
    prepare_libraries,
)
from graphagg.errors import MissingExtra
from graphagg.serve.limits import ServiceLimits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graphagg.rag.models.endpoint import Endpoint
    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Service, Sources

EPILOG = "Example: graphagg serve --passages idx --communities comm --port 8321 --workers 2"

_UNLISTED = {
    *(each.name for each in fields(ServiceLimits)),
    "rerank_first", "root_path", "cors_origins", "access_log", "llm_key_env", "llm_seconds",
}  # fmt: skip
"""Options for the file of `--config` rather than the command line."""
_log = logging.getLogger("graphagg.serve")


def _serve(
    indices: Indices,
    network: NetworkOptions,
    log: LogOptions,
    model: LanguageModel,
    limits: ServiceLimits,
    # host and port are no fields: GRAPHAGG_PORT is a variable that Kubernetes sets for a service
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8321,
    token_file: TokenFileOption = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes that answer, each with its own models."),
    ] = 1,
) -> None:
    """Serve indices over HTTP, with a page to explore them; new versions are picked up."""
    try:
        access = network.access(host, token_file)
        sources = indices.sources()
    except ImportError as error:
        raise MissingExtra.of(error, "serve") from None

    server = _Server(sources, limits, access, model.endpoint(), indices.lazy, log)
    server.prepare()
    allow_connections()
    if workers > 1:
        server.run_workers(workers, port)
    else:
        server.run(port)


serve = command(_serve, table="serve", unlisted=_UNLISTED, name="serve")


@dataclass(frozen=True)
class _Server:
    """What a process that serves is made of; it can be sent to other processes."""

    sources: Sources
    limits: ServiceLimits
    access: Access
    endpoint: Endpoint | None
    lazy: bool
    log: LogOptions

    def prepare(self) -> None:
        """Start the log, and set what libraries read when they load."""
        from graphagg.serve.observe.log import ACCESS, start_log

        start_log(self.log.log_level, self.log.log_format)
        if not self.log.access_log:
            logging.getLogger(ACCESS).setLevel(logging.WARNING)
        prepare_libraries(self.lazy)

    def service(self) -> Service:
        """Open the indices."""
        from graphagg.serve.service import Service

        return Service(self.sources, self.limits, lazy=self.lazy)

    def run(self, port: int) -> None:
        """Serve until a signal comes; raises why the models could not be loaded."""
        from graphagg.serve.http.app import create_app
        from graphagg.serve.http.server import address_of, bind, make_server

        failures: list[Exception] = []
        with bind(self.access.host, port) as listening:
            service = self.service()

            def failed(error: Exception) -> None:
                failures.append(error)
                server.should_exit = True

            def stopping() -> None:
                service.stopping = True
                _log.info("stopping: open requests are answered first")

            app = create_app(service, self.access, endpoint=self.endpoint, failed=failed)
            ready = partial(_log.info, "serving on %s", address_of(listening))
            server = make_server(app, service.limits, ready=ready, stopping=stopping)
            server.run([listening])
        for error in failures:
            raise error

    def run_workers(self, workers: int, port: int) -> None:
        """Serve by several processes until a signal comes."""
        from graphagg.serve.http.server import address_of, bind, run_workers

        with bind(self.access.host, port) as listening:
            self.service().close()  # what cannot be opened is reported once, and here
            _log.info("serving on %s", address_of(listening))
            run_workers(self.worker_app, self.limits, listening, workers)
        _log.info("stopped")

    def worker_app(self) -> FastAPI:
        """The application of one process; its models load before it answers."""
        from graphagg.serve.http.app import create_app

        self.prepare()
        return create_app(self.service(), self.access, endpoint=self.endpoint, failed=None)
