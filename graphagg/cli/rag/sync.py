"""`graphagg rag sync`: update a passage index from a folder or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.prompt import Confirm

from graphagg.cli.corpus import PassageSource, Reading, RowColumns
from graphagg.cli.folders import (
    Directory,
    absolute_source,
    remember_source,
    source_of,
    unchanged_documents,
)
from graphagg.cli.output.console import AsJson, err, print_changed
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress
from graphagg.rag.documents.reading.files import source_stamp
from graphagg.rag.documents.reading.settings import ReadConfig
from graphagg.rag.documents.rows import RowConfig
from graphagg.store.changes import ChangeReport
from graphagg.store.manifest import read_manifest

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.rag.models.chunking import Source


def sync(
    directory: Directory,
    passages: PassageSource | None = None,
    /,
    *,
    reading: Reading = ReadConfig(),
    columns: RowColumns = RowConfig(),
    dry_run: bool = False,
    yes: bool = False,
    as_json: AsJson = False,
) -> None:
    """Update an index so that it contains exactly the files of a folder.

    Only new texts are encoded, and answers equal those of a rebuilt index. The printed counts are
    numbers of documents. If no file size or modification time has changed, no file is read.
    Without PASSAGES, the source of the build is used. The command asks for confirmation before it
    syncs from another folder or deletes most documents.

    Example: graphagg rag sync idx

    Example: graphagg rag sync idx articles/ --dry-run

    Args:
        dry_run: show the changes without making them.
        yes: do not ask for confirmation.
    """
    source = passages or source_of(directory)
    if source is None:
        raise InvalidParameter(
            f"{directory} records no source folder; name the folder to sync from"
        )

    stamp = source_stamp(source, reading, columns)
    if documents := unchanged_documents(directory, source, stamp):
        report = ChangeReport(unchanged=documents)
        print_changed(directory, report.to_json(), read_manifest(Path(directory)), as_json)
        return

    from graphagg.cli.rag.changes import change_corpus  # imported only if something has changed

    def change(index: PassageIndex, sources: Iterable[Source], report: Progress) -> ChangeReport:
        planned = index.sync(sources, dry_run=True)
        if dry_run:
            return planned
        if not yes:
            _confirm(directory, source, planned)
        done = index.sync(sources, progress=report)
        count = done.added + done.replaced + done.unchanged
        remember_source(directory, source, stamp, count)
        return done

    change_corpus(directory, source, reading, columns, as_json, change)
    if dry_run:
        err.print("dry run: nothing was changed", markup=False)


def _confirm(directory: str, source: str, planned: ChangeReport) -> None:
    """Ask for confirmation if the source is different or most documents would be deleted.

    Raises:
        InvalidParameter: the answer is no, or stdin is not a terminal.
    """
    recorded, removed = source_of(directory), planned.removed
    before = removed + planned.replaced + planned.unchanged
    doubts = []
    if recorded is not None and recorded != (absolute := absolute_source(source)):
        doubts.append(f"{directory} was built from {recorded}, not from {absolute}")
    if 2 * removed > before:
        doubts.append(f"{removed:,} of the {before:,} documents of {directory} are not in {source}")
    text = "; ".join(doubts)
    if doubts and not (
        sys.stdin.isatty() and Confirm.ask(f"{escape(text)}. Continue?", console=err, default=False)
    ):
        raise InvalidParameter(f"{text}; nothing was changed. Check the folder, or give --yes")
