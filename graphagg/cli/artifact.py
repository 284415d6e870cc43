"""`graphagg info` and `graphagg verify`."""

from __future__ import annotations

from os import fspath

from rich.table import Table

from graphagg.cli.folders import Directory
from graphagg.cli.output.console import AsJson, out, print_json
from graphagg.store import manifest_at, open_artifact, verify_at
from graphagg.store.remote.addresses import Address, place_of

INFO = "Example: graphagg info idx"
VERIFY = "Example: graphagg verify idx"


def info(directory: Directory, as_json: AsJson = False) -> None:
    """Show what an index holds: its manifest; of one on a store, nothing else is read."""
    if isinstance(place_of(directory), Address):
        manifest = manifest_at(directory)
    else:
        with open_artifact(directory) as artifact:
            manifest = artifact.manifest
    if as_json:
        print_json(manifest.to_json())
        return
    table = Table("", "", show_header=False, box=None)
    table.add_row("kind", manifest.kind)
    table.add_row("version", manifest.data)
    table.add_row("written by", f"graphagg {manifest.library_version}")
    for name, count in manifest.counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    for role, model in manifest.models.items():
        table.add_row(role, f"{model['name']} (sha256 {model['sha256'][:12]}...)")
    for name, value in manifest.parameters.items():
        table.add_row(name, str(value))
    size = sum(entry.bytes for entry in manifest.files.values())
    table.add_row("files", f"{len(manifest.files)}, {round(size / 2**20, 1)} MiB")
    out.print(table)


def verify(directory: Directory, as_json: AsJson = False) -> None:
    """Compare every file of an index with its checksum; of one on a store, nothing is kept here."""
    files = len(verify_at(directory).files)
    if as_json:
        print_json({"directory": fspath(directory), "files": files, "intact": True})
    else:
        out.print(f"{directory}: intact, {files} files compared", markup=False)
