"""`graphagg push`, `pull` and `ls`: indices on object stores."""

from __future__ import annotations

from dataclasses import asdict
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from graphagg.cli.folders import LOCAL, PLACE
from graphagg.cli.output.console import AsJson, out, print_json, progress_report
from graphagg.store.remote.listing import indices_below
from graphagg.store.remote.pulling import pull as pull_index
from graphagg.store.remote.pushing import push as push_index

PUSH = "Example: graphagg push idx s3://bucket/idx"
PULL = "Example: graphagg pull s3://bucket/idx idx"
LS = "Example: graphagg ls s3://bucket"

Url = Annotated[
    PathLike[str],
    typer.Argument(
        help="An address, such as s3://bucket/idx, gs://, abfss://, hdfs://; to read https:// and "
        "hf:// too.",
        **PLACE | {"metavar": "url"},
    ),
]
Folder = Annotated[
    Path, typer.Argument(help="The index directory.", **LOCAL | {"metavar": "directory"})
]


def push(directory: Folder, url: Url, as_json: AsJson = False) -> None:
    """Publish an index on a store; what is there already is not sent again."""
    with progress_report() as progress:
        sent = push_index(directory, url, progress=progress)
    if as_json:
        print_json({"url": fspath(url), **asdict(sent)})
        return
    state = "" if sent.changed else "unchanged: "
    out.print(
        f"{state}{url}: {sent.version}; sent {sent.sent:,} objects, {sent.sent_bytes:,} bytes; "
        f"there already {sent.kept:,}, {sent.kept_bytes:,} bytes; removed {sent.removed:,}",
        markup=False,
    )


def pull(url: Url, directory: Folder, as_json: AsJson = False) -> None:
    """Bring an index from a store into a folder; what is here already does not come again."""
    with progress_report() as progress:
        brought = pull_index(url, directory, progress=progress)
    if as_json:
        print_json({"directory": str(directory), **asdict(brought)})
        return
    out.print(
        f"{directory}: {brought.version}; fetched {brought.fetched:,} objects, "
        f"{brought.fetched_bytes:,} bytes; here already {brought.kept:,}, "
        f"{brought.kept_bytes:,} bytes",
        markup=False,
    )


def ls(url: Url, as_json: AsJson = False) -> None:
    """List the indices at an address, and in the folders directly below it."""
    found = indices_below(url)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    table = Table("index", "kind", "version", "files", "bytes", box=None, pad_edge=False)
    for each in found:
        table.add_row(each.url, each.kind, each.version, f"{each.files:,}", f"{each.bytes:,}")
    out.print(table)
