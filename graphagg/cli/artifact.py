"""`graphagg info`, `verify`, `push` and `pull`: inspect, check and copy the files of an index."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from graphagg import store
from graphagg.cli.folders import Directory, IndexLocation, LocalPath
from graphagg.cli.output.console import AsJson, print_json, print_rows, progress_report, show
from graphagg.errors import GraphAggError
from graphagg.store.addresses import Address, parse_location

if TYPE_CHECKING:  # not imported at run time, so that `--help` is fast
    from graphagg.store import Artifact

Url = Annotated[
    IndexLocation,
    Parameter(
        help="Address such as s3://bucket/idx; also gs:// and abfss://, and https:// and hf:// for "
        "reading."
    ),
]
Folder = Annotated[LocalPath, Parameter(help="The index directory.")]
_READERS = {
    "passages": ("graphagg.rag.snapshot.snapshot", "PassageSnapshot"),
    "communities": ("graphagg.communities.snapshot", "CommunitySnapshot.open"),
    "embedding": ("graphagg.embedding.snapshot", "EmbeddingSnapshot"),
}


def info(directory: Directory, /, *, as_json: AsJson = False) -> None:
    """Show the manifest of an index: kind, version, counts, models and parameters.

    Example: graphagg info idx
    """
    if isinstance(parse_location(directory), Address):
        manifest, weights = store.manifest_at(directory), []
    else:
        with store.open_artifact(directory) as artifact:
            manifest, weights = artifact.manifest, [] if as_json else _weights(artifact)
    if as_json:
        print_json(manifest.to_json())
        return
    size = sum(entry.bytes for entry in manifest.files.values())
    models = manifest.models.items()
    rows = [
        ("kind", manifest.kind),
        ("version", manifest.data),
        ("written by", f"graphagg {manifest.library_version}"),
        *((name.replace("_", " "), f"{count:,}") for name, count in manifest.counts.items()),
        *((role, f"{model['name']} (sha256 {model['sha256'][:12]}...)") for role, model in models),
        *manifest.parameters.items(),
        *weights,
        ("files", f"{len(manifest.files)}, {round(size / 2**20, 1)} MiB"),
    ]
    print_rows([{"name": name, "is": str(value)} for name, value in rows], show_header=False)


def _weights(artifact: Artifact) -> list[tuple[str, str]]:
    """Return the weights of vectors and words in mode `multihop`, with the reason."""
    if artifact.manifest.kind != "passages":
        return []
    from graphagg.rag.snapshot.snapshot import PassageSnapshot

    try:
        snapshot = PassageSnapshot(artifact)
        view = snapshot.view(None)
        share, is_code = snapshot.multihop_config(view).vector_share, snapshot.is_code(view)
    except GraphAggError:  # another revision, or damaged: show the manifest anyway
        return []
    why = ", because most passages are source code" if is_code else ""
    return [("weights", f"vectors {share:.2f}, words {1 - share:.2f}{why}")]


def verify(directory: Directory, /, *, as_json: AsJson = False) -> None:
    """Compare each file of an index with its checksum, and check all values.

    Example: graphagg verify idx
    """
    files = len(store.verify_at(directory, read).files)
    text = f"{directory}: intact, {files} files checked"
    show({"directory": directory, "files": files, "intact": True}, text, as_json)


def read(artifact: Artifact) -> None:
    """Open a version with the reader of its kind, which declares the arrays."""
    if artifact.manifest.kind in _READERS:
        module, name = _READERS[artifact.manifest.kind]
        attrgetter(name)(import_module(module))(artifact)


def push(directory: Folder, url: Url, /, *, as_json: AsJson = False) -> None:
    """Upload an index to a store. Objects that are already on the store are not uploaded again.

    Example: graphagg push idx s3://bucket/idx
    """
    from graphagg.store.remote import pushing

    with progress_report() as progress:
        report = pushing.push(directory, url, progress=progress)
    show({"url": url, **asdict(report)}, _in_words(url, report), as_json)


def pull(url: Url, directory: Folder, /, *, as_json: AsJson = False) -> None:
    """Download an index from a store. Files that are already in the folder are not downloaded.

    Example: graphagg pull s3://bucket/idx idx
    """
    from graphagg.store.remote import pulling

    with progress_report() as progress:
        report = pulling.pull(url, directory, progress=progress)
    show({"directory": str(directory), **asdict(report)}, _in_words(directory, report), as_json)


def _in_words(place: object, report: Any) -> str:
    names = (f"{name.replace('_', ' ')} {value}" for name, value in asdict(report).items())
    return f"{place}: {', '.join(names)}"
