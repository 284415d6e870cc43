"""`graphagg serve`: indices over HTTP, with their page."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from graphagg.cli.output.console import err
from graphagg.cli.serving import (
    Communities,
    Embedding,
    Host,
    LlmKeyEnv,
    LlmModel,
    LlmSeconds,
    LlmUrl,
    Origins,
    Passages,
    RerankerName,
    RerankFirst,
    TokenFile,
    keep_memory_flat,
    language_model,
    reranker_named,
)
from graphagg.errors import MissingExtra

EPILOG = "Example: graphagg serve --passages idx --communities comm --port 8321"


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
    body_bytes: Annotated[int, typer.Option(help="Largest body of a request.")] = 1 << 20,
    answer_seconds: Annotated[float, typer.Option(help="Longest time for an answer.")] = 30.0,
    receive_seconds: Annotated[
        float, typer.Option(help="Longest time for a request's header, and for its body.")
    ] = 10.0,
    waiting: Annotated[int, typer.Option(help="Requests answered or waiting at most.")] = 256,
    llm_url: LlmUrl = None,
    llm_model: LlmModel = None,
    llm_key_env: LlmKeyEnv = "OPENAI_API_KEY",
    llm_seconds: LlmSeconds = 60.0,
) -> None:
    """Serve indices over HTTP, with a page to explore them; new versions are picked up."""
    try:
        from graphagg.serve.chat.answers import Answers
        from graphagg.serve.http.app import create_app
        from graphagg.serve.http.security import Access, read_token
        from graphagg.serve.http.server import bind, make_server
        from graphagg.serve.service import Service, Sources
    except ImportError as error:
        raise MissingExtra.of(error, "serve") from None
    from graphagg.serve.limits import Limits

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("graphagg.serve").setLevel(logging.INFO)
    token = None if token_file is None else read_token(token_file)
    access = Access(host, token, tuple(cors_origins or ()))
    limits = Limits(
        body_bytes=body_bytes,
        receive_seconds=receive_seconds,
        answer_seconds=answer_seconds,
        waiting=waiting,
    )
    sources = Sources(
        passages,
        communities,
        embedding,
        reranker=reranker_named(reranker),
        rerank_first=rerank_first,
    )
    endpoint = language_model(llm_url, llm_model, llm_key_env, llm_seconds)
    keep_memory_flat()
    with bind(host, port) as listening:
        service = Service(sources, limits)

        def leaving() -> None:
            service.stopping = True
            err.print("stopping: open requests are answered first", markup=False)

        def ready(address: str) -> None:
            err.print(f"serving on {address}", markup=False)

        app = create_app(service, access, answers=Answers(service, endpoint))
        make_server(app, limits, ready=ready, leaving=leaving).run([listening])
