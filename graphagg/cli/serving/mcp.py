"""`graphagg mcp`: serve indices as tools for language models."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from graphagg.cli.options import FLAT
from graphagg.cli.output.console import err
from graphagg.cli.serving.options import Indices, NetworkOptions, Port, prepare_libraries
from graphagg.errors import GraphAggError, InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Service


def mcp(
    *,
    indices: Annotated[Indices, FLAT] = Indices(),
    http: bool = False,
    host: str = "127.0.0.1",
    port: Port = 8322,
    token_file: Path | None = None,
    about: str = "",
    answer_seconds: Annotated[float, Parameter(validator=Number(gte=1))] = 120.0,
) -> None:
    """Serve indices as MCP tools over stdio or HTTP. Models are loaded at startup.

    Example: graphagg mcp --passages idx --communities comm

    Args:
        http: serve streamable HTTP at /mcp instead of stdio.
        host: address to bind. Any address but loopback requires a token.
        token_file: file with the access token, or with hashes of tokens.
        about: one sentence that tells the model what the passages are about.
        answer_seconds: time limit for an answer, in seconds.
    """
    try:
        from graphagg.serve.limits import ServiceLimits
        from graphagg.serve.mcp import create_server
        from graphagg.serve.service import Service

        if not http and (token_file is not None or host != "127.0.0.1"):
            raise InvalidParameter(
                "--host and --token-file need --http; add --http, or leave them out"
            )
        access = NetworkOptions().access(host, token_file)
    except ImportError as error:
        raise MissingExtra.of(error, "mcp") from None
    prepare_libraries(indices.lazy)
    sources, limits = indices.sources(), ServiceLimits(answer_seconds=answer_seconds)
    service = Service(sources, limits, lazy=indices.lazy)
    try:
        # load models in a thread, because clients do not wait long for the handshake
        threading.Thread(target=_prepare, args=(service,), daemon=True).start()
        server = create_server(service, about)
        if http:
            _over_http(server, service, access, port)
        else:
            _over_stdio(server)
    finally:
        service.close()


def _prepare(service: Service) -> None:
    """Load the models before the first question."""
    try:
        service.prepare()
    except GraphAggError as error:  # every question will fail with this error too
        err.print(f"{type(error).__name__}: {error}", markup=False)


def _over_stdio(server: MCPServer) -> None:
    try:
        server.run("stdio")
    except* BrokenPipeError:  # the client has closed its end
        sys.stdout = open(os.devnull, "w")  # else Python reports the error again on flush


def _over_http(server: MCPServer, service: Service, access: Access, port: int) -> None:
    from graphagg.serve.http.server import address_of, bind, make_server
    from graphagg.serve.mcp import http_app

    with bind(access.host, port) as listening:

        def ready() -> None:
            err.print(f"serving on {address_of(listening)}/mcp", markup=False)

        app = http_app(server, service, access)
        make_server(app, service.limits, ready=ready).run([listening])
