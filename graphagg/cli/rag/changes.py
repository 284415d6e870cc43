"""`graphagg rag add`, `update`, `delete` and `compact`: change a passage index in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from graphagg.cli.builds.passages import read_corpus, what_was_read
from graphagg.cli.corpus import PassageSource, Reading, RowColumns
from graphagg.cli.folders import Directory, OutDir, Shards
from graphagg.cli.options import read_text
from graphagg.cli.output.console import AsJson, merge_indices, print_changed, progress_report
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress
from graphagg.rag.documents.reading.settings import FolderReport, ReadConfig
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import Source
from graphagg.store.changes import ChangeReport

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex


def change_corpus(
    directory: str,
    passages: str,
    reading: ReadConfig,
    columns: RowConfig,
    as_json: bool,
    change: Callable[[PassageIndex, Iterable[Source], Progress], ChangeReport],
) -> None:
    """Read passages, apply `change` to an index, and print its report."""
    from graphagg.rag import PassageIndex

    files = FolderReport()
    with PassageIndex.open(directory) as index, progress_report() as report:
        # Read everything first: an invalid line must change nothing.
        sources = list(read_corpus(passages, reading, files, columns))
        changed = change(index, sources, report)
        read = what_was_read(files)
        print_changed(
            directory, changed.to_json(), index.manifest, as_json,
            read.get("details", {}), read.get("notes", ()),
        )  # fmt: skip


def add(
    directory: Directory,
    passages: PassageSource,
    /,
    *,
    replace: bool = False,
    reading: Reading = ReadConfig(),
    columns: RowColumns = RowConfig(),
    as_json: AsJson = False,
) -> None:
    """Add passages; if any is invalid, none is added. Answers equal those of a rebuilt index.

    Long documents are split with the settings of the build.

    Example: graphagg rag add idx more.jsonl.gz --replace

    Args:
        replace: replace passages with the same ids, and documents with all their chunks.
    """
    change_corpus(
        directory, passages, reading, columns, as_json,
        lambda index, sources, progress: index.add(sources, replace=replace, progress=progress),
    )  # fmt: skip


def update(
    directory: Directory,
    passages: PassageSource,
    /,
    *,
    reading: Reading = ReadConfig(),
    columns: RowColumns = RowConfig(),
    as_json: AsJson = False,
) -> None:
    """Replace passages with the same ids, and documents with all their chunks.

    Example: graphagg rag update idx corrected.jsonl
    """
    change_corpus(
        directory, passages, reading, columns, as_json,
        lambda index, sources, progress: index.update(sources, progress=progress),
    )  # fmt: skip


def delete(
    directory: Directory,
    ids: list[str] | None = None,
    /,
    *,
    ids_file: Path | None = None,
    ignore_missing: bool = False,
    as_json: AsJson = False,
) -> None:
    """Delete passages; if any id is unknown, none is deleted. `rag compact` removes the texts.

    Example: graphagg rag delete idx p17 p18 --ids-file gone.txt --ignore-missing

    Args:
        ids: ids of passages, or of documents with all their chunks.
        ids_file: text file with one id per line.
        ignore_missing: skip ids that are not in the index.
    """
    from graphagg.rag import PassageIndex

    names = list(ids or ())
    if ids_file:
        lines = (line.removesuffix("\r") for line in read_text(ids_file).split("\n"))
        names += [line for line in lines if line.strip()]
    if not names:
        raise InvalidParameter("no ids given; name passages or documents, or give --ids-file")
    with PassageIndex.open(directory) as index:
        report = index.delete(names, ignore_missing=ignore_missing)
        print_changed(directory, report.to_json(), index.manifest, as_json)


def compact(directory: Directory, /, *, as_json: AsJson = False) -> None:
    """Remove deleted texts from disk, and merge all segments into one.

    Example: graphagg rag compact idx
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        before = index.manifest.counts["segments"]
        index.compact()
        print_changed(directory, {"segments_merged": before}, index.manifest, as_json)


def merge(shards: Shards, /, *, out_dir: OutDir, as_json: AsJson = False) -> None:
    """Merge the indices of several parts of a corpus into one index.

    Example: graphagg rag merge part1 part2 s3://bucket/part3 --out idx
    """
    from graphagg.rag import PassageIndex

    merge_indices(PassageIndex, shards, out_dir, as_json)
