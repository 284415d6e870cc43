"""Options that many commands share: where an index lies, and the number of results."""

from __future__ import annotations

from os import PathLike
from typing import Annotated, Any

import typer

from graphagg.store.addresses import local_folder, parse_location

LOCAL: dict[str, Any] = {"parser": local_folder, "metavar": "PATH"}
"""Settings of an argument that takes a local folder: the address of a store is refused."""
PLACE: dict[str, Any] = {"parser": parse_location, "metavar": "PATH"}
"""Settings of an argument that takes a folder, or an address such as `s3://bucket/idx`."""

K: dict[str, Any] = {"flags": ("--k", "-k", "--top-k"), "envvar": ["GRAPHAGG_K", "GRAPHAGG_TOP_K"]}
"""Settings of the number of results, which was called top_k."""

Directory = Annotated[
    PathLike[str],
    typer.Argument(
        help="The index directory, or its address on a store, such as s3://bucket/idx.",
        **PLACE | {"metavar": "directory"},
    ),
]
OutDir = Annotated[PathLike[str], typer.Option("--out", help="Where the index goes.", **PLACE)]
