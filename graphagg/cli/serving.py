"""Options of the commands that serve indices."""

from __future__ import annotations

import ctypes
import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graphagg.cli.folders import PLACE
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.rag.models.endpoint import Endpoint

if TYPE_CHECKING:
    from graphagg.rag.models.reranker import CrossEncoderReranker

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
_MOST_FILES = 65_536
_ARENAS, _M_ARENA_MAX = 2, -8  # of malloc.h

Passages = Annotated[
    PathLike[str] | None, typer.Option("--passages", help="A passage index.", **PLACE)
]
Communities = Annotated[
    PathLike[str] | None, typer.Option("--communities", help="A community index.", **PLACE)
]
Embedding = Annotated[
    PathLike[str] | None, typer.Option("--embedding", help="An embedding.", **PLACE)
]
Host = Annotated[str, typer.Option(help="Address to bind; beyond loopback it takes a token.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Holds the bearer token that every request must carry."),
]
RerankerName = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        help="A cross-encoder that reads the first hits of every question: name or path of a "
        "sentence-transformers model.",
        show_default="none",
    ),
]
RerankFirst = Annotated[int, typer.Option("--rerank-first", help="How many hits it reads.", min=1)]
Origins = Annotated[
    list[str] | None,
    typer.Option("--cors-origin", help="A site whose pages may ask; repeat it.  [none]"),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        help="A name that the service goes by beside its own, such as rag.example.org or "
        "*.example.org; repeat it.  [none; any beyond loopback]",
    ),
]
RootPath = Annotated[
    str, typer.Option(help="Path of a proxy under which the service lies, such as /rag.")
]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy",
        help="Address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed; repeat it.  [none]",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        min=0, help="Processes that answer, each with models of its own; 0: the one that serves."
    ),
]
Lazy = Annotated[
    bool, typer.Option("--lazy", help="Load models at the first question, not at the start.")
]
Level = Annotated[LogLevel, typer.Option("--log-level", help="Of the log on stderr.")]
Form = Annotated[LogFormat, typer.Option("--log-format", help="Lines, or a JSON object a line.")]
AccessLog = Annotated[bool, typer.Option(help="A line in the log for each request.")]
OtlpEndpoint = Annotated[
    str | None,
    typer.Option(
        envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
        help="Collector that traces and metrics go to, such as http://localhost:4318.  [none]",
    ),
]
Drain = Annotated[
    float,
    typer.Option(
        min=0, help="How long idle connections may bring a request after the signal to stop."
    ),
]
Vectors = Annotated[
    int, typer.Option(min=0, help="Vectors of questions that are kept for when they come again.")
]


LlmUrl = Annotated[
    str | None,
    typer.Option(
        help="An OpenAI-compatible API, through which /v1/chat/completions answers.  [none]",
        show_default=False,
    ),
]
LlmModel = Annotated[str | None, typer.Option(help="The model's name there.", show_default=False)]
LlmKeyEnv = Annotated[str, typer.Option(help="The environment variable that holds its key.")]
LlmSeconds = Annotated[float, typer.Option(help="Longest time for an answer of the model.")]


def many_connections() -> None:
    """Take as many open files as the system allows: an idle connection is one."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are no files
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def language_model(
    url: str | None, model: str | None, key_env: str, seconds: float
) -> Endpoint | None:
    """The endpoint of the options; None: there is none.

    Raises:
        InvalidParameter: one of address and name is given without the other, or unsound.
    """
    from graphagg.rag.models.endpoint import Endpoint

    if url is None and model is None:
        return None
    if url is None or model is None:
        raise InvalidParameter("--llm-url and --llm-model go together; give both, or none")
    return Endpoint(url, model, key_env, seconds)


def reranker_named(name: str | None) -> CrossEncoderReranker | None:
    """The reranker of a name; it is loaded at the first question."""
    from graphagg.rag.models.reranker import CrossEncoderReranker

    return None if name is None else CrossEncoderReranker(name)


def keep_memory_flat() -> None:
    """Limit oneDNN's cache of kernels, one a shape of batch; call it before a model is loaded.

    By default it keeps 1,024 kernels: over 2,900 questions the process grew from 563 to 674 MiB.
    With 32 it stays at 510, in the same time, as long as questions have few shapes: see
    `encoding.bert`. A value that is set already stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    _few_arenas()


def _few_arenas() -> None:
    """Let the threads share two heaps: of one each, what a busy moment took would stay in all."""
    os.environ.setdefault("MALLOC_ARENA_MAX", str(_ARENAS))  # for workers, which read it at start
    try:
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, int(os.environ["MALLOC_ARENA_MAX"]))
    except (OSError, AttributeError, ValueError):  # another C library, or no number
        return
