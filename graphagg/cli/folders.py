"""Options that many commands share: locations, edges, and the number of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter

from graphagg.cli.options import panel
from graphagg.store.addresses import Location, is_address, local_folder, parse_location

LocalPath = Annotated[Path, Parameter(converter=lambda _, tokens: local_folder(tokens[0].value))]
"""A local folder; addresses of object stores are not accepted."""
IndexLocation = Annotated[str, Parameter(validator=lambda _, value: parse_location(value))]
"""A folder, or an address such as `s3://bucket/idx`."""
Directory = Annotated[
    IndexLocation,
    Parameter(help="The index directory, or its address on a store, such as s3://bucket/idx."),
]
Shards = Annotated[
    list[IndexLocation],
    Parameter(help="Indices to merge, built with the same parameters and models."),
]
OutDir = Annotated[IndexLocation, Parameter("--out", help="Folder or address of the new index.")]
K = Annotated[int, Parameter(("--k", "-k"))]
READING = panel("Reading edges")
BUNDLED = "bundled:"
"""Prefix of the names of graphs that networkx includes."""
_SOURCE = "source.json"


def find_edges(paths: Sequence[str]) -> Any:
    """Return the paths as a list; load the graph if the first is the name of a bundled one."""
    if not paths[0].startswith(BUNDLED):
        return list(paths)
    from graphagg.graph import bundled_graph

    return bundled_graph(paths[0].removeprefix(BUNDLED))


def remember_source(directory: Location, source: str, stamp: str = "", documents: int = 0) -> None:
    """Save the source of a local index (folder, file or address) beside its manifest.

    An address that contains a password is not saved. `stamp` is the `source_stamp` of the files
    read; `documents` is the number of documents in them.
    """
    if is_address(source) and urlsplit(source).password:
        return
    location = parse_location(directory)
    if isinstance(location, Path):
        record: dict[str, Any] = {"source": absolute_source(source)}
        if stamp and documents:
            record |= {"files": [stamp, _version(location)], "documents": documents}
        (location / _SOURCE).write_text(json.dumps(record), encoding="ascii")


def unchanged_documents(directory: Location, source: str, stamp: str) -> int:
    """Return the number of documents in an index if it and its source are unchanged, else 0."""
    location, record = parse_location(directory), _record(directory)
    if (
        not stamp
        or not isinstance(location, Path)
        or record.get("source") != absolute_source(source)
    ):
        return 0
    is_same = record.get("files") == [stamp, _version(location)]
    return int(record.get("documents", 0)) if is_same else 0


def _version(location: Path) -> str:
    return blake2b((location / "manifest.json").read_bytes(), digest_size=16).hexdigest()


def absolute_source(source: str) -> str:
    """Return the absolute path of a file or folder; return an address unchanged."""
    return source if is_address(source) else str(Path(source).absolute())


def source_of(directory: Location) -> str | None:
    """Return the folder, file or address that an index was built from; None if not recorded."""
    source = _record(directory).get("source")
    return None if source is None else str(source)


def _record(directory: Location) -> dict[str, Any]:
    location = parse_location(directory)
    try:
        text = (location / _SOURCE).read_text("utf-8") if isinstance(location, Path) else "{}"
        return dict(json.loads(text))
    except (OSError, ValueError, TypeError):
        return {}
