"""`graphagg rag sync`: keep a passage index in step with a folder or a file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.folders import Directory, remember_source, source_of
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, err
from graphagg.cli.rag.changes import ChangingCorpus
from graphagg.errors import GraphAggError, InvalidParameter, MissingExtra
from graphagg.progress import Progress
from graphagg.rag.models.chunking import Source
from graphagg.store.addresses import parse_location

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.store.changes import ChangeReport

EPILOG = (
    "Example: graphagg rag sync idx articles/ --dry-run\n\n"
    "Example: graphagg rag sync idx articles/ --watch"
)
_QUIET = 1_600  # ms without a change, after which a burst of changes counts as over
_LOOK = 1_000  # ms after which the watcher gives control back, so that the first sync begins


def sync(
    directory: Directory,
    corpus: ChangingCorpus,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and sync at every change, until Ctrl-C.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the changes, and make none.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Take another folder, or lose most documents, unasked."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an index hold exactly the files of a folder: add, update, delete, as one version.

    Only new texts are encoded; answers equal the answers of a rebuild. Counts are of documents. A
    folder other than the one before, and the loss of most documents, want a yes.
    """
    if watch and dry_run:
        raise InvalidParameter("give --watch or --dry-run, not both")

    def change(index: PassageIndex, sources: Iterable[Source], report: Progress) -> ChangeReport:
        planned = index.sync(sources, dry_run=True)
        if dry_run:
            return planned
        if not yes:
            check_agreed(doubts(directory, corpus.passages, planned))
        done = index.sync(sources, progress=report)
        remember_source(directory, corpus.passages)
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


def doubts(directory: PathLike[str], source: Path, planned: ChangeReport) -> list[str]:
    """Say what speaks for a mistake in a planned sync: another source, or most documents gone."""
    recorded, gone = source_of(directory), planned.removed
    before = gone + planned.replaced + planned.unchanged
    said = []
    if recorded is not None and recorded != source.absolute():
        said.append(f"{directory} was made of {recorded}, and this is {source.absolute()}")
    if 2 * gone > before:
        said.append(f"{gone:,} of the {before:,} documents of {directory} are not in {source}")
    return said


def check_agreed(doubts: list[str]) -> None:
    """Ask at a terminal whether to go on; raise `InvalidParameter` without a yes."""
    if not doubts:
        return
    said = "; ".join(doubts)
    if sys.stdin.isatty() and typer.confirm(f"{said}. Go on?", err=True):
        return
    raise InvalidParameter(f"{said}; nothing was changed. Check the folder, or give --yes")


def follow(changes: Iterator[bool], once: Callable[[], None]) -> None:
    """Sync at first and after every change; an error is said, and the next change tried.

    Args:
        changes: a truth value now and then: whether anything changed.
        once: syncs.
    """
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
    """An event that the first Ctrl-C sets; the second raises.

    Not the first: Python drops a KeyboardInterrupt that it raises in a destructor or in a callback
    of the garbage collector, as one that comes just after a sync may be, and the watch went on.
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


def _changes(source: Path, index: PathLike[str], stop: Event) -> Iterator[bool]:
    """Whether a file below the source changed; at once, then after each burst of changes.

    Args:
        source: the watched file or folder.
        index: a folder that is not watched.
        stop: ends it, once it is set.
    """
    try:
        from watchfiles import DefaultFilter, watch
    except ImportError:
        raise MissingExtra("watchfiles", "watch") from None
    # What the index itself writes is no change, wherever it lies.
    location = parse_location(index)
    ignored = [location.absolute()] if isinstance(location, Path) else []
    changed = DefaultFilter(ignore_paths=ignored)
    bursts = watch(
        source, watch_filter=changed, debounce=_QUIET, rust_timeout=_LOOK, yield_on_timeout=True,
        stop_event=stop,
    )  # fmt: skip
    return (bool(changes) for changes in bursts)


COMMANDS = {"sync": (command(sync), EPILOG)}
