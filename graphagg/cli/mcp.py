"""`graphagg mcp`: indices as tools for language models."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.output.console import err
from graphagg.cli.serving import (
    Communities,
    Embedding,
    Host,
    Lazy,
    Passages,
    RerankerName,
    RerankFirst,
    TokenFile,
    keep_memory_flat,
    reranker_named,
)
from graphagg.errors import GraphAggError, InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Service

EPILOG = "Example: graphagg mcp --passages idx --communities comm"


def mcp(
    passages: Passages = None,
    communities: Communities = None,
    embedding: Embedding = None,
    reranker: RerankerName = None,
    rerank_first: RerankFirst = 50,
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp instead of stdio.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8322,
    token_file: TokenFile = None,
    about: Annotated[
        str, typer.Option(help="What the passages are about, in a sentence for the model.")
    ] = "",
    lazy: Lazy = False,
    answer_seconds: Annotated[
        float, typer.Option(help="Longest time for an answer.", min=1)
    ] = 120.0,
) -> None:
    """Serve indices as MCP tools, over stdio or HTTP; models load at the start."""
    try:
        from graphagg.serve.http.security import Access, read_token
        from graphagg.serve.limits import Limits
        from graphagg.serve.mcp import create_server
        from graphagg.serve.service import Service, Sources
    except ImportError as error:
        raise MissingExtra.of(error, "mcp") from None
    if not http and (token_file is not None or host != "127.0.0.1"):
        raise InvalidParameter("--host and --token-file are of --http; give it, or leave them out")
    access = Access(host, None if token_file is None else read_token(token_file))
    keep_memory_flat()
    limits = Limits(answer_seconds=answer_seconds)
    sources = Sources(
        passages,
        communities,
        embedding,
        reranker=reranker_named(reranker),
        rerank_first=rerank_first,
    )
    if not lazy:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is not here by now is not fetched
    service = Service(sources, limits, lazy=lazy)
    try:
        # beside the handshake, for which clients do not wait long
        threading.Thread(target=_prepare, args=(service,), daemon=True).start()
        server = create_server(service, about)
        if http:
            _over_http(server, service, access, port)
        else:
            server.run("stdio")
    finally:
        service.close()


def _prepare(service: Service) -> None:
    """Load what questions need before one comes: a client does not wait long for an answer."""
    try:
        service.prepare()
    except GraphAggError as error:  # each question will say so too
        err.print(f"{type(error).__name__}: {error}", markup=False)


def _over_http(server: MCPServer, service: Service, access: Access, port: int) -> None:
    from graphagg.serve.http.server import bind, make_server
    from graphagg.serve.mcp import http_app

    with bind(access.host, port) as listening:

        def ready(address: str) -> None:
            err.print(f"serving on {address}/mcp", markup=False)

        app = http_app(server, service, access)
        make_server(app, service.limits, ready=ready).run([listening])
