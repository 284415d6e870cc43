"""`graphagg serve`: indices over HTTP, with their page."""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.options import command
from graphagg.cli.serving.options import (
    Host,
    Indices,
    LanguageModel,
    LogOptions,
    Network,
    TokenFile,
    allow_connections,
    prepare_libraries,
)
from graphagg.errors import MissingExtra
from graphagg.serve.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graphagg.rag.models.endpoint import Endpoint
    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Sources

EPILOG = "Example: graphagg serve --passages idx --communities comm --port 8321 --workers 2"

_UNLISTED = {
    *(each.name for each in fields(Limits)),
    "rerank_first", "root_path", "cors_origins", "access_log", "llm_key_env", "llm_seconds",
}  # fmt: skip
"""Options for the file of `--config` rather than the command line."""
_log = logging.getLogger("graphagg.serve")


def _serve(
    indices: Indices,
    network: Network,
    log: LogOptions,
    model: LanguageModel,
    limits: Limits,
    # host and port are no fields: GRAPHAGG_PORT is a variable that Kubernetes sets for a service
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8321,
    token_file: TokenFile = None,
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

    _start_log(log)
    prepare_libraries(indices.lazy)
    allow_connections()
    endpoint = model.endpoint()
    if workers > 1:
        _run_workers(workers, port, (sources, limits, access, endpoint, indices.lazy, log))
    else:
        _run(sources, limits, access, endpoint, indices.lazy, port)


serve = command(_serve, table="serve", unlisted=_UNLISTED, name="serve")


def _start_log(log: LogOptions) -> None:
    from graphagg.serve.observe.log import ACCESS, start_log

    start_log(log.log_level, log.log_format)
    if not log.access_log:
        logging.getLogger(ACCESS).setLevel(logging.WARNING)


def _run(
    sources: Sources, limits: Limits, access: Access, endpoint: Endpoint | None, lazy: bool,
    port: int,
) -> None:  # fmt: skip
    """Serve until a signal comes; raises why the models could not be loaded."""
    from graphagg.serve.http.app import create_app
    from graphagg.serve.http.server import address_of, bind, make_server
    from graphagg.serve.service import Service

    failures: list[Exception] = []
    with bind(access.host, port) as listening:
        service = Service(sources, limits, lazy=lazy)

        def failed(error: Exception) -> None:
            failures.append(error)
            server.should_exit = True

        def ready() -> None:
            _log.info("serving on %s", address_of(listening))

        def stopping() -> None:
            service.stopping = True
            _log.info("stopping: open requests are answered first")

        app = create_app(service, access, endpoint=endpoint, failed=failed)
        server = make_server(app, service.limits, ready=ready, stopping=stopping)
        server.run([listening])
    for error in failures:
        raise error


_Settings = tuple["Sources", Limits, "Access", "Endpoint | None", bool, LogOptions]
"""What a worker process is made of."""


def _run_workers(workers: int, port: int, settings: _Settings) -> None:
    """Serve by several processes until a signal comes."""
    from graphagg.serve.http.server import address_of, bind, run_workers
    from graphagg.serve.service import Service

    sources, limits, access, _, lazy, _ = settings
    with bind(access.host, port) as listening:
        Service(sources, limits, lazy=lazy).close()  # what cannot be opened is said once, and here
        _log.info("serving on %s", address_of(listening))
        run_workers(partial(_worker_app, *settings), limits, listening, workers)
    _log.info("stopped")


def _worker_app(
    sources: Sources, limits: Limits, access: Access, endpoint: Endpoint | None, lazy: bool,
    log: LogOptions,
) -> FastAPI:  # fmt: skip
    """The application of one process; its models load before it answers."""
    from graphagg.serve.http.app import create_app
    from graphagg.serve.service import Service

    _start_log(log)
    prepare_libraries(lazy)
    service = Service(sources, limits, lazy=lazy)
    return create_app(service, access, endpoint=endpoint, failed=None)
