"""Output of all commands: results on stdout, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from graphagg.errors import ArtifactError, StoreError
from graphagg.progress import Progress

if TYPE_CHECKING:
    from graphagg.communities import Member
    from graphagg.store.addresses import Location
    from graphagg.store.manifest import Manifest

_PIPE_WIDTH = 100_000  # in a pipe, each row is one line for grep and cut, unless COLUMNS is set
_QUIET = 15.0  # seconds between progress lines in a pipe

_STARTED = time.perf_counter()

_piped = not sys.stdout.isatty()
out = Console(
    highlight=False,
    soft_wrap=_piped,
    width=_PIPE_WIDTH if _piped and "COLUMNS" not in os.environ else None,
)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, Parameter("--json", help="Print JSON instead of text.")]


def print_json(value: object) -> None:
    """Print JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def show(value: object, text: str, as_json: bool) -> None:
    """Print a result as JSON or as text."""
    if as_json:
        print_json(value)
    else:
        out.print(text, markup=False)


def print_rows(rows: Sequence[Mapping[str, str | int | float]], **columns: Any) -> None:
    """Print rows with the same keys as a table; numbers are right-aligned."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, **columns)
    for name, value in rows[0].items() if rows else ():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(
            *(f"{v:.4g}" if isinstance(v, float) else escape(str(v)) for v in row.values())
        )
    out.print(table)


def print_members(members: Sequence[Member]) -> None:
    """Print the members of a community, each with its score and reason."""
    print_rows([{"vertex": str(m.id), "score": m.score, "why": m.explain()} for m in members])


@contextmanager
def progress_report() -> Iterator[Progress]:
    """Report progress on stderr: progress bars in a terminal, else lines."""
    if not err.is_terminal:
        yield plain_report()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for finished in tasks.values():
                    bars.update(finished, visible=False)
                tasks[stage] = bars.add_task(stage, total=None)
            bars.update(tasks[stage], completed=done, total=total or None, visible=True)

        yield report


def plain_report(clock: Callable[[], float] = time.monotonic) -> Progress:
    """Print a line when a stage ends, and before that at most one line every `_QUIET` seconds."""
    last = clock()

    def report(stage: str, done: int, total: int) -> None:
        nonlocal last
        if done != total and clock() - last < _QUIET:
            return
        last = clock()
        count = f"{done:,} of {total:,}" if done < total else f"{done:,}"
        print(f"{stage}: {count} done", file=sys.stderr, flush=True)

    return report


def current_version(directory: Location) -> str | None:
    """Return the version of the index in a directory; None if there is no index."""
    from graphagg.store import manifest_at

    try:
        return manifest_at(directory).data
    except StoreError:
        raise
    except ArtifactError:
        return None


@dataclass(frozen=True)
class Built:
    """Result of a build: sizes by name, more details as JSON, and notes for the user."""

    counts: dict[str, int]
    details: dict[str, Any] = field(default_factory=dict)
    bytes: int | None = None
    notes: Sequence[str] = ()

    @classmethod
    def of(cls, manifest: Manifest, **more: Any) -> Built:
        """Return a result with the sizes from a manifest."""
        size = sum(entry.bytes for entry in manifest.files.values())
        return cls(dict(manifest.counts), bytes=size, **more)

    def rows(self) -> dict[str, Any]:
        """Return the number of rows read, and the number of skipped rows by reason."""
        read = dict(self.details.get("read", {}))
        names = ("self_loops", "duplicates", "bad_rows")
        left_out = {name: read[name] for name in names if name in read}
        return {"read": read.get("edges_read"), "left_out": left_out}


_MAIN = ("passages", "segments", "vertices", "edges")
"""Names of the counts that are printed after a change."""
_SINGULAR = {"entities": "entity", "vertices": "vertex", "entries": "entry"}


def print_built(directory: Location, built: Built, before: str | None, as_json: bool) -> None:
    """Print the result of a build; `before` is the previous version."""
    unchanged = before is not None and before == current_version(directory)
    size = {} if built.bytes is None else {"bytes": built.bytes}
    if as_json:
        head = {"index": str(directory), "unchanged": unchanged}
        print_json({**head, **built.counts, **size, **built.details, **resources()})
        return
    counts = _in_words({**built.counts, **size})
    state = "unchanged: " if unchanged else "" if before is None else "replaced: "
    out.print(f"{state}{directory}: {counts}; {resources_text()}", markup=False)


def _in_words(counts: Mapping[str, int]) -> str:
    """Return counts with their names as text; a count of 1 has a singular name."""
    texts = []
    for name, count in counts.items():
        words = name.replace("_", " ")
        if count == 1:
            words = _SINGULAR.get(words, words.removesuffix("s"))
        texts.append(f"{count:,} {words}")
    return ", ".join(texts)


def print_changed(
    directory: Location,
    changed: Mapping[str, int],
    manifest: Manifest,
    as_json: bool,
    details: Mapping[str, Any] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> None:
    """Print the counts of a change, and the sizes of the index after it."""
    if as_json:
        print_json(
            {"index": str(directory), **manifest.counts, **changed, **resources(), **details}
        )
        return
    change = _in_words({name: n for name, n in changed.items() if n}) or "nothing changed"
    sizes = _in_words({name: n for name, n in manifest.counts.items() if name in _MAIN})
    out.print(f"{directory}: {change}; now {sizes}; {resources_text()}", markup=False)
    for note in notes:
        err.print(note, markup=False, soft_wrap=True)


def resources_text() -> str:
    """Return the values of `resources` as text."""
    used = resources()
    peak = f", peak {used['peak_memory_mib']} MiB" if "peak_memory_mib" in used else ""
    return f"{used['wall_seconds']} s, {used['cpu_seconds']} CPU s{peak}"


def merge_indices(index_class: Any, shards: Sequence[str], target: str, as_json: bool) -> None:
    """Merge indices with progress on stderr, and print the sizes of the result."""
    before = current_version(target)
    with progress_report() as progress:
        with index_class.merge(shards, target, progress=progress) as index:
            built = Built.of(index.manifest)
    print_built(target, built, before, as_json)


def resources() -> dict[str, float]:
    """Return `wall_seconds`, `cpu_seconds` (with child processes) and `peak_memory_mib`.

    On Windows, child processes are not counted and there is no peak.
    """
    from graphagg.execution.runner import peak_memory

    figures = {
        "wall_seconds": round(time.perf_counter() - _STARTED, 1),
        "cpu_seconds": round(sum(os.times()[:4]), 1),
    }
    if peak := peak_memory():
        figures["peak_memory_mib"] = round(peak / 2**20, 1)
    return figures
