"""Options that many commands share: the location of an index, and the number of results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from graphagg.store.addresses import local_folder, parse_location
from graphagg.store.index import Index

LOCAL: dict[str, Any] = {"parser": local_folder, "metavar": "PATH"}
"""Settings of an argument that takes a local folder, not the address of a store."""
PLACE: dict[str, Any] = {"parser": parse_location, "metavar": "PATH"}
"""Settings of an argument that takes a folder, or an address such as `s3://bucket/idx`."""

_SOURCE = "source.json"

K: dict[str, Any] = {"flags": ("--k", "-k")}
"""Settings of the option for the number of results."""

Directory = Annotated[
    PathLike[str],
    typer.Argument(
        help="The index directory, or its address on a store, such as s3://bucket/idx.",
        **PLACE | {"metavar": "directory"},
    ),
]
Shards = Annotated[
    list[Path],
    typer.Argument(
        help="Indices of the parts, built with the same parameters and models.",
        **PLACE | {"metavar": "shards"},
    ),
]
OutDir = Annotated[PathLike[str], typer.Option("--out", help="Where the index goes.", **PLACE)]


AnyIndex = TypeVar("AnyIndex", bound=Index[Any])
_SHELL_INDEX: ContextVar[Any] = ContextVar("index", default=None)


@contextmanager
def kept_open(index: Any) -> Iterator[None]:
    """Context manager of a shell: `opened` returns this index."""
    token = _SHELL_INDEX.set(index)
    try:
        yield
    finally:
        _SHELL_INDEX.reset(token)


@contextmanager
def opened(kind: type[AnyIndex], directory: PathLike[str]) -> Iterator[AnyIndex]:
    """Open the index of a command; in a shell, use the one that is open."""
    index = _SHELL_INDEX.get()
    if isinstance(index, kind):
        yield index
        return
    with kind.open(directory) as index:
        yield index


def remember_source(directory: PathLike[str], source: Path) -> None:
    """Record the folder or file from which a local index was made, beside its manifest."""
    location = parse_location(directory)
    if isinstance(location, Path):
        raw = os.fsencode(source.absolute())  # its bytes, whatever the locale is
        text = json.dumps({"source": raw.decode("utf-8", "surrogateescape")})
        (location / _SOURCE).write_text(text, encoding="ascii")


def source_of(directory: PathLike[str]) -> Path | None:
    """The folder or file from which an index was made; None if it is not known."""
    location = parse_location(directory)
    try:
        text = (location / _SOURCE).read_text("utf-8") if isinstance(location, Path) else "{}"
        raw = json.loads(text)["source"].encode("utf-8", "surrogateescape")
        return Path(os.fsdecode(raw))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
