"""`graphagg rag add`, `update`, `delete` and `compact`: change a passage index in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.builds.passages import Columns, Reading, read_corpus, what_was_read
from graphagg.cli.folders import Directory
from graphagg.cli.options import command
from graphagg.cli.output.console import (
    AsJson,
    Meter,
    err,
    out,
    print_json,
    progress_report,
    resources,
)
from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.progress import Progress
from graphagg.rag.documents.reading.settings import FolderReport, ReadConfig
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import Source
from graphagg.rag.models.vector_cache import CacheConfig
from graphagg.store.manifest import Manifest

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex


@dataclass(frozen=True)
class Corpus:
    """A corpus that changes an index.

    Attributes:
        passages: a folder of documents, JSONL (.gz) or Parquet.
        reading: which files of a folder are read.
        columns: names of the columns of a table.
        vectors: the cache of vectors.
    """

    passages: Path = field(metadata={"argument": True})
    reading: Reading = field(default_factory=ReadConfig)
    columns: Columns = field(default_factory=RowConfig)
    vectors: Annotated[CacheConfig, "How it runs"] = field(default_factory=CacheConfig)

    def change(
        self,
        directory: PathLike[str],
        as_json: bool,
        change: Callable[[PassageIndex, Iterable[Source], Progress], dict[str, int]],
    ) -> None:
        """Change an index by the corpus, and print the counts that the change returns."""
        from graphagg.rag import PassageIndex

        meter, files = Meter(), FolderReport()
        # All of it before the index is opened: a line that is no passage changes nothing.
        sources = list(read_corpus(self.passages, self.reading, files, self.columns))
        with (
            PassageIndex.open(directory, cache=self.vectors.open()) as index,
            progress_report() as report,
        ):
            counts = change(index, sources, report)
            print_changed(directory, counts, index.manifest, meter, as_json, files)


def add(
    directory: Directory,
    corpus: Corpus,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace passages of the same ids, documents with all their chunks."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add passages, all or none; answers equal the answers of a rebuild.

    Long documents are split as the index was built.
    """

    def change(index: PassageIndex, sources: Iterable[Source], report: Progress) -> dict[str, int]:
        new = list(sources)
        replaced = index.add(new, replace=replace, progress=report)
        return {"added": len(new) - replaced, "replaced": replaced}

    corpus.change(directory, as_json, change)


def update(directory: Directory, corpus: Corpus, as_json: AsJson = False) -> None:
    """Replace passages of the same ids, documents with all their chunks; all must be there."""

    def change(index: PassageIndex, sources: Iterable[Source], report: Progress) -> dict[str, int]:
        new = list(sources)
        index.update(new, progress=report)
        return {"replaced": len(new)}

    corpus.change(directory, as_json, change)


def delete(
    directory: Directory,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of passages, or of documents with all chunks.")
    ] = None,
    ids_file: Annotated[Path | None, typer.Option(help="A text file with one id per line.")] = None,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="Skip ids that are not in the index.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete passages: all of them or, if an id is not there, none; their texts go with compact."""
    from graphagg.rag import PassageIndex

    meter = Meter()
    names = [*(ids or ()), *(_read_ids(ids_file) if ids_file else ())]
    if not names:
        raise InvalidParameter("no id is given; name passages or documents, or give --ids-file")
    with PassageIndex.open(directory) as index:
        deleted = index.delete(names, ignore_missing=ignore_missing)
        print_changed(directory, {"deleted": deleted}, index.manifest, meter, as_json)


def compact(directory: Directory, as_json: AsJson = False) -> None:
    """Remove deleted texts from the disk, and join all segments into one."""
    from graphagg.rag import PassageIndex

    meter = Meter()
    with PassageIndex.open(directory) as index:
        before = index.manifest.counts["segments"]
        index.compact()
        change = {"segments_joined": before}
        print_changed(directory, change, index.manifest, meter, as_json)


def join(
    directory: Directory,
    shards: Annotated[
        list[str], typer.Argument(help="Indices of the parts, of the same parameters and models.")
    ],
    as_json: AsJson = False,
) -> None:
    """Join indices of parts of a corpus to one, which answers as an index of all passages."""
    from graphagg.rag import PassageIndex

    meter = Meter()
    with PassageIndex.join(shards, directory) as index:
        print_changed(directory, {"joined": len(shards)}, index.manifest, meter, as_json)


def _read_ids(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}; check the path") from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))  # ids may hold other ends
    return [line for line in lines if line.strip()]


def print_changed(
    directory: PathLike[str],
    change: dict[str, int],
    manifest: Manifest,
    meter: Meter,
    as_json: bool,
    files: FolderReport | None = None,
) -> None:
    """Print the counts of a change of an index, and the files that were left out."""
    used, counts = meter.read(), manifest.counts
    read = what_was_read(files) if files else {}
    if as_json:
        print_json({"index": str(directory), **change, **counts, **used, **read.get("details", {})})
        return
    changed = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in change.items())
    out.print(
        f"{directory}: {changed}; {counts['passages']:,} passages in {counts['segments']:,} "
        f"segments; {resources(used)}",
        markup=False,
    )
    for note in read.get("notes", ()):
        err.print(note, markup=False, soft_wrap=True)


_ADD = "Example: graphagg rag add idx more.jsonl.gz --replace"
_UPDATE = "Example: graphagg rag update idx corrected.jsonl"
_DELETE = "Example: graphagg rag delete idx p17 p18 --ids-file gone.txt --ignore-missing"
_COMPACT = "Example: graphagg rag compact idx"
_JOIN = "Example: graphagg rag join idx part1 part2 s3://bucket/part3"

COMMANDS = {
    "add": (command(add), _ADD),
    "update": (command(update), _UPDATE),
    "delete": (delete, _DELETE),
    "compact": (compact, _COMPACT),
    "join": (join, _JOIN),
}
