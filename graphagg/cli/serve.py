"""`graphagg serve`: indices over HTTP, with their page."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.serving import (
    AccessLog,
    AllowedHosts,
    Communities,
    Drain,
    Embedding,
    Form,
    Host,
    Lazy,
    Level,
    LlmKeyEnv,
    LlmModel,
    LlmSeconds,
    LlmUrl,
    LogFormat,
    LogLevel,
    Origins,
    OtlpEndpoint,
    Passages,
    Proxies,
    RerankerName,
    RerankFirst,
    RootPath,
    TokenFile,
    Vectors,
    Workers,
    keep_memory_flat,
    language_model,
    many_connections,
    reranker_named,
)
from graphagg.errors import MissingExtra

if TYPE_CHECKING:
    from graphagg.rag.models.endpoint import Endpoint
    from graphagg.serve.http.security import Access
    from graphagg.serve.limits import Limits
    from graphagg.serve.observe.telemetry import Telemetry
    from graphagg.serve.service import Service, Sources

EPILOG = "Example: graphagg serve --passages idx --communities comm --port 8321 --workers 2"

_log = logging.getLogger("graphagg.serve")


def serve(
    passages: Passages = None,
    communities: Communities = None,
    embedding: Embedding = None,
    reranker: RerankerName = None,
    rerank_first: RerankFirst = 50,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8321,
    token_file: TokenFile = None,
    cors_origins: Origins = None,
    allowed_hosts: AllowedHosts = None,
    root_path: RootPath = "",
    proxies: Proxies = None,
    workers: Workers = 0,
    lazy: Lazy = False,
    log_level: Level = "info",
    log_format: Form = "text",
    access_log: AccessLog = True,
    otlp_endpoint: OtlpEndpoint = None,
    body_bytes: Annotated[int, typer.Option(help="Largest body of a request.")] = 1 << 20,
    answer_seconds: Annotated[float, typer.Option(help="Longest time for an answer.")] = 30.0,
    receive_seconds: Annotated[
        float, typer.Option(help="Longest time for a request's header, and for its body.")
    ] = 10.0,
    drain_seconds: Drain = 0.5,
    waiting: Annotated[int, typer.Option(help="Requests answered or waiting at most.")] = 256,
    question_vectors: Vectors = 4096,
    llm_url: LlmUrl = None,
    llm_model: LlmModel = None,
    llm_key_env: LlmKeyEnv = "OPENAI_API_KEY",
    llm_seconds: LlmSeconds = 60.0,
) -> None:
    """Serve indices over HTTP, with a page to explore them; new versions are picked up."""
    try:
        from graphagg.serve.http.security import Access, read_token
        from graphagg.serve.limits import Limits
        from graphagg.serve.service import Sources
    except ImportError as error:
        raise MissingExtra.of(error, "serve") from None

    _log_to_stderr(log_level, log_format, access_log)
    access = Access(
        host,
        None if token_file is None else read_token(token_file),
        origins=tuple(cors_origins or ()),
        hosts=tuple(allowed_hosts or ()),
        root_path=root_path,
        proxies=tuple(proxies or ()),
    )
    limits = Limits(
        body_bytes=body_bytes,
        receive_seconds=receive_seconds,
        answer_seconds=answer_seconds,
        waiting=waiting,
        vectors=question_vectors,
    )
    sources = Sources(
        passages,
        communities,
        embedding,
        reranker=reranker_named(reranker),
        rerank_first=rerank_first,
    )
    endpoint = language_model(llm_url, llm_model, llm_key_env, llm_seconds)
    telemetry = _telemetry(otlp_endpoint)
    keep_memory_flat()
    many_connections()
    if not lazy:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is not here by now is not fetched
    make = partial(_service, sources, limits, workers, lazy, log_level, log_format)
    _run(make, endpoint, access, port, telemetry, drain_seconds)


def _log_to_stderr(level: LogLevel, form: LogFormat, requests: bool) -> None:
    from graphagg.serve.observe.log import ACCESS, start_log

    start_log(level, form)
    if not requests:
        logging.getLogger(ACCESS).setLevel(logging.WARNING)


def _service(
    sources: Sources,
    limits: Limits,
    workers: int,
    lazy: bool,
    level: LogLevel,
    form: LogFormat,
) -> Service:
    """What answers: this process, or workers."""
    if not workers:
        from graphagg.serve.service import Service

        return Service(sources, limits, lazy=lazy)
    from graphagg.serve.pool.service import pooled_service

    of_workers: LogLevel = "debug" if level == "debug" else "warning"
    return pooled_service(workers, sources, limits, lazy=lazy, level=of_workers, form=form)


def _telemetry(endpoint: str | None) -> Telemetry | None:
    if not endpoint:
        return None
    from graphagg.serve.observe.telemetry import Telemetry

    return Telemetry.to(endpoint)


def _run(
    make: Callable[[], Service],
    endpoint: Endpoint | None,
    access: Access,
    port: int,
    telemetry: Telemetry | None,
    drain_seconds: float,
) -> None:
    """Serve until a signal comes; raises what the models could not be loaded for."""
    from graphagg.serve.chat.answers import Answers
    from graphagg.serve.http.app import create_app
    from graphagg.serve.http.server import bind, make_server

    failures: list[Exception] = []
    with bind(access.host, port) as listening:
        service = make()

        def failed(error: Exception) -> None:
            failures.append(error)
            server.should_exit = True

        def leaving() -> None:
            service.stopping = True
            _log.info("stopping: open requests are answered first")

        exporters = [] if telemetry is None else [telemetry]
        app = create_app(
            service,
            access,
            answers=Answers(service, endpoint),
            exporters=exporters,
            failed=failed,
        )
        server = make_server(
            app,
            service.limits,
            ready=lambda address: _log.info("serving on %s", address),
            leaving=leaving,
            last_call=drain_seconds,
        )
        server.run([listening])
    if telemetry is not None:
        telemetry.close()
    for error in failures:
        raise error
    _leave()


def _leave() -> None:
    """End at once: all is answered and closed, and what libraries tidy up takes a second or two."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
