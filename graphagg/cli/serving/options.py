"""Options of the commands that serve indices."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter
from cyclopts.validators import Number

from graphagg.cli.folders import LocalPath

if TYPE_CHECKING:
    from graphagg.serve.http.security import Access
    from graphagg.serve.service import Sources

_MOST_FILES = 65_536

Port = Annotated[
    int, Parameter(validator=Number(gte=0, lte=65_535), help="Port to bind; 0 picks a free port.")
]


@dataclass(frozen=True)
class Indices:
    """The indices to serve.

    Attributes:
        passages: passage index to serve. Repeat the option to serve several parts of a corpus as
            one index.
        communities: community index to serve.
        embedding: embedding to serve.
        root: folder of writable collections; each is opened at its first request.
        lazy: load models at the first question instead of at startup.
    """

    passages: list[str] | None = None
    communities: str | None = None
    embedding: str | None = None
    root: LocalPath | None = None
    lazy: bool = False

    def sources(self) -> Sources:
        """Return the sources of a service."""
        from graphagg.rag.parts.client import place_of
        from graphagg.serve.service import Sources

        first, *parts = self.passages or cast(list[str | None], [None])
        passages, communities, embedding = (
            None if place is None else place_of(place)
            for place in (first, self.communities, self.embedding)
        )
        further = tuple(place_of(place) for place in parts if place is not None)
        return Sources(passages, communities, embedding, self.root, further)


@dataclass(frozen=True)
class NetworkOptions:
    """Network options of a service: host names, proxies and CORS origins.

    Attributes:
        allowed_hosts: allowed host name, such as rag.example.org or *.example.org; can be given
            several times. None: any host name, unless the service is bound to loopback.
        proxies: address or network of a trusted proxy, whose headers X-Forwarded-For and
            X-Forwarded-Proto are used; can be given several times.
        root_path: URL path of the service behind a proxy, such as /rag.
        cors_origins: allowed CORS origin; can be given several times.
    """

    allowed_hosts: Annotated[list[str] | None, Parameter(("--allowed-host", "--allowed-hosts"))] = (
        None
    )
    proxies: Annotated[list[str] | None, Parameter(("--proxy", "--proxies"))] = None
    root_path: str = ""
    cors_origins: Annotated[list[str] | None, Parameter(("--cors-origin", "--cors-origins"))] = None

    def access(self, host: str, token_file: Path | None) -> Access:
        """Return the access policy; this reads the token file."""
        from graphagg.serve.http.security import Access
        from graphagg.serve.rights import TokenFile

        return Access(
            host,
            origins=tuple(self.cors_origins or ()),
            hosts=tuple(self.allowed_hosts or ()),
            root_path=self.root_path,
            proxies=tuple(self.proxies or ()),
            tokens=None if token_file is None else TokenFile(token_file),
        )


@dataclass(frozen=True)
class LogOptions:
    """Options of the log on stderr.

    Attributes:
        log_level: minimum level of messages on stderr.
        access_log: write a log line for each request.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: bool = True


def allow_connections() -> None:
    """Raise the limit of open files, since each connection counts as an open file."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are not files
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def prepare_libraries(lazy: bool) -> None:
    """Set environment variables that libraries read on import, unless they are already set.

    By default oneDNN caches 1,024 kernels, one per batch shape: over 2,900 questions the process
    grew from 563 to 674 MiB. With 32 kernels it stays at 510 MiB and is as fast. Threads share
    two heaps, because with a heap per thread, each heap keeps its peak memory.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    if not lazy:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # never download models
