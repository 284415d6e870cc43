"""`graphagg rag sync`: update a passage index from a folder or a file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.prompt import Confirm

from graphagg.cli.folders import Directory, absolute_source, remember_source, source_of
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, err
from graphagg.cli.rag.changes import ChangingCorpus
from graphagg.errors import GraphAggError, InvalidParameter, needs
from graphagg.progress import Progress
from graphagg.rag.models.chunking import Source
from graphagg.store.addresses import is_address, parse_location

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.store.changes import ChangeReport

_QUIET = 1_600  # ms without a change that end a burst of changes
_LOOK = 1_000  # ms after which the watcher returns without changes, so that the first sync begins


@dataclass(frozen=True)
class SyncedCorpus(ChangingCorpus):
    """Passages to make an index equal to.

    Attributes:
        passages: a folder of documents, JSONL (.gz) or Parquet, also at an address such as
            s3://bucket/docs. None: what the index was made of.
    """

    passages: str | None = field(default=None, metadata={"argument": True})  # type: ignore[assignment]

    def of(self, directory: str) -> ChangingCorpus:
        """The corpus with its folder; raises `InvalidParameter` if that is not known."""
        passages = self.passages or source_of(directory)
        if passages is None:
            raise InvalidParameter(
                f"{directory} does not say which folder it was made of; name the folder"
            )
        return ChangingCorpus(passages, self.reading, self.columns)


@command
def sync(
    directory: Directory,
    *,
    synced: SyncedCorpus,
    watch: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    as_json: AsJson = False,
) -> None:
    """Make an index hold exactly the files of a folder: add, update, delete, as one version.

    Only new texts are encoded; answers equal the answers of a rebuild. Counts are of documents. The
    command asks before it syncs from another folder, or deletes most documents.

    Example: graphagg rag sync idx

    Example: graphagg rag sync idx articles/ --dry-run

    Example: graphagg rag sync idx articles/ --watch

    Options:
        watch: sync again at every change, until Ctrl-C.
        dry_run: show the changes without making them.
        yes: do not ask before a sync from another folder, or that deletes most.
    """
    if watch and dry_run:
        raise InvalidParameter("give --watch or --dry-run, not both")
    corpus = synced.of(directory)
    if watch and is_address(corpus.passages):
        raise InvalidParameter(
            f"--watch follows local folders; sync {corpus.passages} again and again, as by cron"
        )

    def change(index: PassageIndex, sources: Iterable[Source], report: Progress) -> ChangeReport:
        planned = index.sync(sources, dry_run=True)
        if dry_run:
            return planned
        if not yes:
            _confirm(directory, corpus.passages, planned)
        done = index.sync(sources, progress=report)
        remember_source(directory, corpus.passages, corpus.columns.query)
        return done

    def once() -> None:
        corpus.change(directory, as_json, change)
        if dry_run:
            err.print("a dry run: nothing was changed", markup=False)

    if watch:
        with _interrupts() as interrupted:
            follow(_changes(corpus.passages, directory, interrupted), once)
    else:
        once()


def _confirm(directory: str, source: str, planned: ChangeReport) -> None:
    """Ask before a sync from another source or one that deletes most documents.

    Raises:
        InvalidParameter: the answer is no, or there is no terminal.
    """
    recorded, gone = source_of(directory), planned.removed
    before = gone + planned.replaced + planned.unchanged
    doubts = []
    if recorded is not None and recorded != (absolute := absolute_source(source)):
        doubts.append(f"{directory} was made of {recorded}, and this is {absolute}")
    if 2 * gone > before:
        doubts.append(f"{gone:,} of the {before:,} documents of {directory} are not in {source}")
    text = "; ".join(doubts)
    if doubts and not (
        sys.stdin.isatty() and Confirm.ask(f"{escape(text)}. Go on?", console=err, default=False)
    ):
        raise InvalidParameter(f"{text}; nothing was changed. Check the folder, or give --yes")


def follow(changes: Iterator[bool], once: Callable[[], None]) -> None:
    """Sync now and after every change; errors are printed. `changes` yields whether any came."""
    first = True
    try:
        for changed in changes:
            if changed or first:
                first = False
                try:
                    once()
                except GraphAggError as error:
                    err.print(f"error: {error}; the index stays as it was", markup=False)
                err.print("watching; Ctrl-C ends", markup=False)
    except KeyboardInterrupt:
        pass
    err.print("stopped; the index stays as the last sync left it", markup=False)


@contextmanager
def _interrupts() -> Iterator[Event]:
    """Context manager: an event that the first Ctrl-C sets; the second raises.

    Python drops a KeyboardInterrupt raised in a destructor or a callback of the garbage collector,
    which often run just after a sync; the watch would then continue.
    """
    event = Event()

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        err.print("stopping after the sync that may run; Ctrl-C again stops at once", markup=False)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _changes(source: str, index: str, stop: Event) -> Iterator[bool]:
    """Yield whether files below `source` changed, now and after each burst, until `stop` is set.

    Files of the index do not count.
    """
    with needs("watchfiles", "watch"):
        from watchfiles import DefaultFilter, watch
    location = parse_location(index)
    ignored = [location.absolute()] if isinstance(location, Path) else []
    changed = DefaultFilter(ignore_paths=ignored)
    bursts = watch(
        source, watch_filter=changed, debounce=_QUIET, rust_timeout=_LOOK, yield_on_timeout=True,
        stop_event=stop,
    )  # fmt: skip
    return (bool(changes) for changes in bursts)
