"""Adds edges to a large index as a segment: beside its rows, and its sketches stay as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np

from graphagg.arrays import distinct
from graphagg.communities.build import KIND, neighborhoods
from graphagg.communities.changes import ChangeReport
from graphagg.communities.opened import Opened
from graphagg.communities.segment.grown import (
    Entries,
    Numbering,
    joined,
    new_entries,
    write_grown,
)
from graphagg.communities.segment.sketches import Pending
from graphagg.graph.added import Added, GrownRows, save_added
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.progress import Progress
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest

SEGMENT = 1 << 22
"""Entries of the rows of an index from which edges that are added to it become a segment."""
SHARE = 0.25
"""Of the vertices, which a segment may touch at most; where more are, it is compacted at once."""


def is_segmented(opened: Opened) -> bool:
    """Whether edges that are added to an index become a segment."""
    return opened.pending is not None or int(opened.hoods.sets.indptr[-1]) >= SEGMENT


def add_segment(
    publication: Publication, before: Opened, more: Graph, progress: Progress
) -> ChangeReport:
    """Publish the version of an index with more edges.

    Args:
        publication: of the index's directory.
        before: the newest version.
        more: the edges to add.
        progress: called with stage, done, total.
    """
    config, hoods, writer = before.config, before.hoods, publication.writer
    rows = Numbering.of(before.vertices, more.rows)
    two_mode = config.kind == "two-mode"
    columns = Numbering.of(before.elements, more.columns) if two_mode else rows
    added = neighborhoods(more, config)
    step = partial(progress, "rows")
    entries, empty = new_entries(hoods.sets, added.sets.merged(), rows, columns)
    _write_rows(writer, before, "sets", hoods.sets, entries, (rows, columns), step)
    if config.kind != "undirected":
        turned, _ = new_entries(hoods.holders, added.holders.merged(), columns, rows)
        _write_rows(writer, before, "holders", hoods.holders, turned, (columns, rows), step)
    _write_ids(writer, before, "vertices", rows)
    if two_mode:
        _write_ids(writer, before, "elements", columns)
    _adopt(writer, before, "signatures.", "lsh.")
    _pending(before, entries, rows, columns).save(writer)
    known = before.artifact.manifest
    edges = len(entries.columns) // 2 if config.kind == "undirected" else len(entries.columns)
    sizes = {
        "vertices": len(rows.ids),
        "elements": len(columns.ids),
        "edges": known.counts["edges"] + edges,
        "isolated": known.counts["isolated"] + empty,
    }
    manifest = _manifest(known, more, sizes)
    publication.publish(manifest)
    return _report(known, manifest, len(entries.rows))


def _write_rows(
    writer: ArtifactWriter,
    before: Opened,
    name: str,
    old: Csr | GrownRows,
    entries: Entries,
    numbers: tuple[Numbering, Numbering],
    step: Callable[[int, int], None],
) -> None:
    """The rows with more entries: these beside the very file of the others, where none is new."""
    rows, columns = numbers
    if isinstance(old, GrownRows):
        earlier = Entries(*old.added[:3]).renumbered(rows, columns)
        old, entries = old.base, joined(earlier, entries, len(columns.ids))
    if rows.before is not None or columns.before is not None:
        paths = writer.path(f"{name}.indptr.npy"), writer.path(f"{name}.indices.npy")
        write_grown(old, entries, rows, columns, paths, step)
    elif len(entries.rows):
        added = Added.of(*entries, old.rows)
        save_added(writer, before.artifact, name, old, added)
    else:
        _adopt(writer, before, f"{name}.")


def _adopt(writer: ArtifactWriter, before: Opened, *starts: str) -> None:
    """Take the files whose names begin so as they are."""
    for file in before.artifact.manifest.files:
        if file.startswith(starts):
            writer.adopt(before.artifact, file)


def _write_ids(writer: ArtifactWriter, before: Opened, name: str, ids: Numbering) -> None:
    """The ids of both; the very files where none is new."""
    if ids.before is not None:
        ids.ids.save(writer, name)
    else:
        _adopt(writer, before, f"{name}.")


def _pending(before: Opened, entries: Entries, rows: Numbering, columns: Numbering) -> Pending:
    """Who was touched since the sketches were made, and by which elements."""
    new, width, closed = rows.appeared(), len(columns.ids), before.hoods.closed
    if closed and len(new):
        entries = joined(entries, Entries(new, np.arange(len(new) + 1), new), width)
    if (earlier := before.pending) is not None:
        known = Entries(earlier.touched, earlier.starts, earlier.added)
        entries = joined(known.renumbered(rows, columns), entries, width)
        new = distinct(np.concatenate([new, rows.now(earlier.new)]))
    return Pending(new.astype(np.int32), entries.rows.astype(np.int32), *entries[1:])


def _manifest(known: Manifest, more: Graph, sizes: dict[str, int]) -> Manifest:
    """The counts of now. A digest would read the whole graph: it is named by what it is made of."""
    name = f"{known.inputs['graph']} and {more.digest()}"
    return Manifest(
        kind=KIND,
        parameters=known.parameters,
        inputs={"graph": hashlib.sha256(name.encode()).hexdigest()},
        counts=dict(known.counts) | sizes,
    )


def _report(before: Manifest, after: Manifest, touched: int) -> ChangeReport:
    new, old = after.counts, before.counts
    return ChangeReport(
        vertices=new["vertices"],
        edges=new["edges"],
        edges_added=new["edges"] - old["edges"],
        vertices_added=new["vertices"] - old["vertices"],
        signatures_recomputed=touched,
    )
