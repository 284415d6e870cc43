"""`graphagg serve`: indices over HTTP, with their page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.options import command
from graphagg.cli.serving import (
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
    from graphagg.serve.http.security import Access
    from graphagg.serve.http.telemetry import Telemetry
    from graphagg.serve.observe.log import LogLevel
    from graphagg.serve.service import Service, Sources

EPILOG = "Example: graphagg serve --passages idx --communities comm --port 8321 --workers 2"

_UNLISTED = {
    *(each.name for each in fields(Limits)),
    "rerank_first", "root_path", "cors_origins", "access_log", "otlp_endpoint", "llm_key_env",
    "llm_seconds",
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
        typer.Option(
            min=0, help="Processes that answer, each with its own models; 0: the one that serves."
        ),
    ] = 0,
) -> None:
    """Serve indices over HTTP, with a page to explore them; new versions are picked up."""
    try:
        access = network.access(host, token_file)
        sources = indices.sources()
    except ImportError as error:
        raise MissingExtra.of(error, "serve") from None

    _start_log(log)
    telemetry = _telemetry(log.otlp_endpoint)
    prepare_libraries(indices.lazy)
    allow_connections()
    make = partial(_service, sources, limits, workers, indices.lazy, log)
    _run(make, model, access, port, telemetry)


serve = command(_serve, table="serve", unlisted=_UNLISTED, name="serve")


def _start_log(log: LogOptions) -> None:
    from graphagg.serve.observe.log import ACCESS, start_log

    start_log(log.log_level, log.log_format)
    if not log.access_log:
        logging.getLogger(ACCESS).setLevel(logging.WARNING)


def _service(
    sources: Sources, limits: Limits, workers: int, lazy: bool, log: LogOptions
) -> Service:
    """The service that answers, in this process or in workers."""
    if not workers:
        from graphagg.serve.service import Service

        return Service(sources, limits, lazy=lazy)
    from graphagg.serve.pool.pool import pooled_service
    from graphagg.serve.pool.worker import Job

    level: LogLevel = "debug" if log.log_level == "debug" else "warning"
    return pooled_service(workers, Job(sources, limits, lazy, level=level, form=log.log_format))


def _telemetry(endpoint: str | None) -> Telemetry | None:
    if not endpoint:
        return None
    from graphagg.serve.http.telemetry import Telemetry

    return Telemetry.to(endpoint)


def _run(
    make: Callable[[], Service],
    model: LanguageModel,
    access: Access,
    port: int,
    telemetry: Telemetry | None,
) -> None:
    """Serve until a signal comes; raises why the models could not be loaded."""
    from graphagg.serve.chat import Answers
    from graphagg.serve.http.app import create_app
    from graphagg.serve.http.server import address_of, bind, make_server

    failures: list[Exception] = []
    with bind(access.host, port) as listening:
        service = make()

        def failed(error: Exception) -> None:
            failures.append(error)
            server.should_exit = True

        def ready() -> None:
            _log.info("serving on %s", address_of(listening))

        def stopping() -> None:
            service.stopping = True
            _log.info("stopping: open requests are answered first")

        app = create_app(
            service,
            access,
            answers=Answers(service, model.endpoint()),
            telemetry=telemetry,
            failed=failed,
        )
        server = make_server(app, service.limits, ready=ready, stopping=stopping)
        server.run([listening])
    if telemetry is not None:
        telemetry.close()
    for error in failures:
        raise error
