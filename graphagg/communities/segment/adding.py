"""Adds edges to a large index as a segment: its rows are merged, its sketches stay as they are."""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np

from graphagg.arrays import Array, distinct
from graphagg.communities.build import KIND, neighborhoods
from graphagg.communities.changes import ChangeReport
from graphagg.communities.config import GRAPH_KIND
from graphagg.communities.opened import Opened
from graphagg.communities.segment.grown import Numbering, write_grown
from graphagg.communities.segment.sketches import Pending
from graphagg.communities.similarity.neighborhood import Neighborhoods
from graphagg.graph.graph import Graph
from graphagg.graph.large.load import Files
from graphagg.progress import Progress
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest

SEGMENT = 1 << 22
"""Entries of the rows of an index from which edges that are added to it become a segment."""
SHARE = 0.25
"""Of the vertices, which a segment may touch at most; where more are, it is compacted at once."""


def is_segmented(opened: Opened) -> bool:
    """Whether edges that are added to an index become a segment."""
    return opened.pending is not None or len(opened.hoods.sets.indices) >= SEGMENT


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
    config, hoods = before.config, before.hoods
    rows = Numbering.of(before.vertices, more.rows)
    two_mode = config.kind == "two-mode"
    columns = Numbering.of(before.elements, more.columns) if two_mode else rows
    files = Files(publication.writer.folder, GRAPH_KIND[config.kind], config.kind == "directed-in")
    added = neighborhoods(more, config)
    step = partial(progress, "rows")
    paths = files.path("sets.indptr"), files.path("sets.indices")
    touched, empty = write_grown(hoods.sets, added.sets, rows, columns, paths, step)
    if config.kind != "undirected":
        paths = files.path("holders.indptr"), files.path("holders.indices")
        write_grown(hoods.holders, added.holders, columns, rows, paths, step)
    _write_ids(publication.writer, before, "vertices", rows)
    if two_mode:
        _write_ids(publication.writer, before, "elements", columns)
    for name in before.artifact.manifest.files:
        if name.startswith(("signatures.", "lsh.")):
            publication.writer.adopt(before.artifact, name)
    _pending(before, added, rows, columns, touched).save(publication.writer)
    sizes = {"vertices": len(rows.ids), "elements": len(columns.ids), "isolated": empty}
    manifest = _manifest(before, more, len(files.rows("sets", 0).indices), sizes)
    publication.publish(manifest)
    return _report(before.artifact.manifest, manifest, len(touched))


def _write_ids(writer: ArtifactWriter, before: Opened, name: str, ids: Numbering) -> None:
    """The ids of both; the very files where none is new."""
    if ids.before is not None:
        ids.ids.save(writer, name)
        return
    for file in before.artifact.manifest.files:
        if file.startswith(f"{name}."):
            writer.adopt(before.artifact, file)


def _pending(
    before: Opened, more: Neighborhoods, rows: Numbering, columns: Numbering, touched: Array
) -> Pending:
    """Who was touched since the sketches were made, and by which elements."""
    everyone, new, width = touched, rows.appeared(), max(len(columns.ids), 1)
    owners, elements = more.sets.gather(np.searchsorted(rows.more, touched))
    # A vertex and an element as one number: ascending in the order of both.
    parts = [touched[owners].astype(np.int64) * width + columns.more[elements]]
    if more.closed:
        parts.append(new * (width + 1))
    if (earlier := before.pending) is not None:
        owners = np.repeat(rows.now(earlier.touched), np.diff(earlier.starts))
        parts.append(owners * width + columns.now(earlier.added))
        everyone = distinct(np.concatenate([touched, rows.now(earlier.touched)]))
        new = distinct(np.concatenate([new, rows.now(earlier.new)]))
    pairs = distinct(np.concatenate(parts))
    starts = np.searchsorted(pairs, np.append(everyone, len(rows.ids)).astype(np.int64) * width)
    vertices = (new.astype(np.int32), everyone.astype(np.int32))
    return Pending(*vertices, starts, (pairs % width).astype(np.int32))


def _manifest(before: Opened, more: Graph, entries: int, sizes: dict[str, int]) -> Manifest:
    """The counts of now. A digest would read the whole graph: it is named by what it is made of."""
    known = before.artifact.manifest
    name = f"{known.inputs['graph']} and {more.digest()}"
    edges = entries // 2 if before.config.kind == "undirected" else entries
    return Manifest(
        kind=KIND,
        parameters=known.parameters,
        inputs={"graph": hashlib.sha256(name.encode()).hexdigest()},
        counts=dict(known.counts) | sizes | {"edges": edges},
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
