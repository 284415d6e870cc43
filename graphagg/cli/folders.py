"""Options that many commands share: where an index lies, and the number of results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Protocol, Self, TypeVar

import typer

from graphagg.store.addresses import local_folder, parse_location

LOCAL: dict[str, Any] = {"parser": local_folder, "metavar": "PATH"}
"""Settings of an argument that takes a local folder: the address of a store is refused."""
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


class _Opening(Protocol):
    """An index class."""

    @classmethod
    def open(cls, directory: PathLike[str]) -> Self:
        """Open the index in a directory."""

    def close(self) -> None:
        """Give it up."""


I = TypeVar("I", bound=_Opening)  # noqa: E741 - an index
_KEPT: ContextVar[Any] = ContextVar("kept", default=None)


@contextmanager
def kept_open(index: Any) -> Iterator[None]:
    """Let the commands of this block ask an opened index."""
    token = _KEPT.set(index)
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def opened(kind: type[I], directory: PathLike[str]) -> Iterator[I]:
    """The index of a command: in a shell the opened one, else opened here and closed at the end."""
    kept = _KEPT.get()
    if isinstance(kept, kind):
        yield kept
        return
    index = kind.open(directory)
    try:
        yield index
    finally:
        index.close()


def remember_source(directory: PathLike[str], source: Path) -> None:
    """Note beside the manifest of a local index which folder or file it was made of."""
    location = parse_location(directory)
    if isinstance(location, Path):
        raw = os.fsencode(source.absolute())  # its bytes, whatever the locale is
        text = json.dumps({"source": raw.decode("utf-8", "surrogateescape")})
        (location / _SOURCE).write_text(text, encoding="ascii")


def source_of(directory: PathLike[str]) -> Path | None:
    """The folder or file that an index was made of; None where it is not known."""
    location = parse_location(directory)
    try:
        text = (location / _SOURCE).read_text("utf-8") if isinstance(location, Path) else "{}"
        raw = json.loads(text)["source"].encode("utf-8", "surrogateescape")
        return Path(os.fsdecode(raw))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
