"""The community index of a graph that is larger than memory, byte for byte that of `build_index`.

Stages, each of which ends in `<directory>.work`, so that a build that was killed goes on after the
last one:

1. `edges`, `pairs`, `sets`, `holders`: the graph over files, see `graph.large`.
2. `signatures`: of ranges of rows, one after another.
3. `bands`: some LSH bands at a time, appended to the tables.
4. `sizes`: the size partitions.

In memory are arrays of a number a vertex (`VERTEX` bytes in all), a chunk of the edges and a range
of the rows; what grows with the edges is in files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.build import KIND, index_manifest
from graphagg.communities.config import GRAPH_KIND, IndexConfig, QueryConfig
from graphagg.communities.opened import index_hashes
from graphagg.communities.query.containment import SizePartitions
from graphagg.errors import GraphAggError
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.large.load import Files, Source, load_large
from graphagg.graph.reading.files import find_files, paths_of
from graphagg.minhash.bands import (
    BANDS_AT_ONCE,
    BucketCounts,
    sort_bands,
)
from graphagg.minhash.signatures import signatures
from graphagg.progress import Progress
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.artifact import is_current
from graphagg.store.ranges import GrowingFile, forget, preallocate, write_range
from graphagg.store.work import WorkFolder, fingerprint, work_folder

LARGE = 1 << 28
"""Bytes of files from which a graph is indexed over files."""
_SPANS = 64  # of rows, whose signatures are noted as done
_ROWS_AT_ONCE = 1 << 15


def is_large(edges: Any) -> bool:
    """Whether edges are files that are so large that they are indexed over files."""
    paths = paths_of(edges)
    if paths is None:
        return False
    files = [file for path in paths for file in find_files(path)]
    return sum(file.stat().st_size for file in files) >= LARGE


@dataclass(frozen=True)
class Unfinished:
    """An unfinished index: its folder, and the files of the index in it."""

    work: WorkFolder
    config: IndexConfig
    files: Files

    @property
    def closed(self) -> bool:
        """Whether a vertex is in its own set."""
        return bool(self.config.closed)


def build_large(
    publication: Publication, source: Source, config: IndexConfig, progress: Progress, force: bool
) -> ReadReport:
    """Build and publish the index of edges in files; a build that was killed goes on.

    Args:
        publication: of the directory.
        source: the edges.
        config: the kind of graph, and the parameters.
        progress: called with stage, done, total.
        force: build also where nothing changed, and from nothing.

    Raises:
        ParametersDiffer: an unfinished build there has other input or parameters.
        As `CommunityIndex.build`.
    """
    work = WorkFolder(work_folder(publication.root), progress)
    try:
        claim(work, _job(source, config), force)
        try:
            report = _build(publication, work, source, config, force)
        except GraphAggError as error:
            if error.exit_code != 1:  # bad input: nothing to go on from
                work.remove()
            raise
    finally:
        work.release()
    work.remove()
    return report


def claim(work: WorkFolder, job: dict[str, Any], force: bool) -> None:
    """Begin the job or go on with it."""
    work.claim(job, force=force)
    # Files that the machine had not written to its disk when it went down are not what the notes
    # say: after a start of the machine the build begins again.
    if work.note("machine", _machine) != _machine():
        work.claim(job, force=True)
        work.note("machine", _machine)


def _build(
    publication: Publication,
    work: WorkFolder,
    source: Source,
    config: IndexConfig,
    force: bool,
) -> ReadReport:
    """All stages; what an earlier run finished is left out."""
    folder = work.folder / "index"
    folder.mkdir(exist_ok=True)
    files = Files(folder, GRAPH_KIND[config.kind], config.kind == "directed-in")
    graph = load_large(work, files, source, partial(index_bytes, config))
    digest = work.note("digest", graph.digest)
    inputs = {"graph": digest}
    if force or not is_current(publication.location, KIND, inputs, config.to_json()):
        finish(publication, Unfinished(work, config, files), graph, digest)
    return graph.report


def _machine() -> str:
    """What changes when the machine starts anew; empty where that is not told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def index_bytes(config: IndexConfig, vertices: int, elements: int, entries: int) -> int:
    """The size of an index on disk, at most; directories of bands are there twice for a while."""
    turns = 1 if config.kind == "undirected" else 2
    a_vertex = 2 * config.permutations + 4 * config.bands + 8 + 4 + 8
    return vertices * a_vertex + elements * 16 + 4 * entries * turns + (config.bands << 19)


def _job(source: Source, config: IndexConfig) -> dict[str, Any]:
    paths = paths_of(source.edges) or []
    return {
        "source": [fingerprint(path) for path in paths],
        "config": config.to_json(),
        "reading": source.reading.given(),
        "vertices": [str(vertex) for vertex in source.vertices],
    }


Signer = Callable[[int, int], Array]
"""Gives the signatures of the rows from one number to another."""


def finish(
    publication: Publication,
    build: Unfinished,
    graph: Graph,
    digest: str,
    signer: Signer | None = None,
) -> None:
    """The stages after the rows; then the files move into the version that is published.

    Args:
        publication: of the directory.
        build: whose folder has ids and rows.
        graph: in these files.
        digest: of the graph.
        signer: where signatures come from; None: they are computed from the rows.
    """
    work, config = build.work, build.config
    _write_signatures(build, graph, signer)
    buckets = BucketCounts(*work.stage("bands", lambda: _write_bands(build)))
    isolated = work.stage("sizes", lambda: _write_sizes(build))
    for path in sorted(build.files.folder.iterdir()):
        publication.writer.link(path)
    publication.publish(index_manifest(graph, config, buckets, isolated, digest))


def _write_signatures(build: Unfinished, graph: Graph, signer: Signer | None) -> None:
    """Notes `signatures.<i>`: those of a range of rows, a range after another."""
    config, work, path = build.config, build.work, build.files.path("signatures")
    sets = build.files.rows("sets", len(graph.columns))
    bounds = np.linspace(0, sets.rows, _SPANS + 1).astype(np.int64).tolist()
    work.note("signatures", lambda: preallocate(path, np.uint16, (sets.rows, config.permutations)))
    sign = signer or _from_rows(graph, sets, config)

    def write(first: int, end: int) -> None:
        for low in range(first, end, _ROWS_AT_ONCE):
            high = min(low + _ROWS_AT_ONCE, end)
            write_range(path, low, sign(low, high))
            forget(sets.indices[sets.indptr[low] : sets.indptr[high]])

    for span, (first, end) in enumerate(pairwise(bounds)):
        work.note(f"signatures.{span}", partial(write, first, end))
        work.step("signatures")(span + 1, _SPANS)


def _from_rows(graph: Graph, sets: Csr, config: IndexConfig) -> Signer:
    hashes = index_hashes(graph.rows, graph.columns, config)
    return lambda low, high: signatures(sets, hashes, np.arange(low, high))


def _write_bands(build: Unfinished) -> list[int]:
    """Notes `bands.<i>`: some bands, appended to the tables of those before; counts of all."""
    config, work, files = build.config, build.work, build.files
    starts, counts = [0], [0, 0]
    groups = [
        range(first, min(first + BANDS_AT_ONCE, config.bands))
        for first in range(0, config.bands, BANDS_AT_ONCE)
    ]
    for bands in groups:
        sort = partial(_sort_bands, build, bands, starts[-1], counts)
        done = work.note(f"bands.{bands.start}", sort)
        starts, counts = starts + done["ends"], done["counts"]
        work.step("bands")(bands.stop, config.bands)
    directories = [np.load(work.path(f"bands.{bands.start}")) for bands in groups]
    writer = ArtifactWriter(files.folder)
    writer.array("lsh.starts", np.array(starts, dtype=np.int64))
    writer.array("lsh.directory", np.concatenate(directories))
    return [starts[-1], *counts]


def _sort_bands(build: Unfinished, bands: range, entries: int, before: list[int]) -> dict[str, Any]:
    """Append some bands to the `entries` of those before, and to the counts of their buckets."""
    files, config = build.files, build.config
    filled = np.diff(files.rows("sets", 0).indptr) + build.closed > 0
    sig = np.load(files.path("signatures"), mmap_mode="r", allow_pickle=False)
    counts, cap = np.array(before, dtype=np.int64), QueryConfig().bucket_cap
    file = GrowingFile(files.path("lsh.ids"), np.int32, entries)
    directories, ends = [], []
    for directory, ids in sort_bands(sig, filled, bands, config.rows, cap, counts):
        directories.append(directory.copy())
        file.append(ids)
        ends.append(file.length)
    file.close()
    np.save(build.work.path(f"bands.{bands.start}"), np.stack(directories))
    return {"ends": ends, "counts": counts.tolist()}


def _write_sizes(build: Unfinished) -> int:
    """Write the size partitions; returns how many sets are empty."""
    degrees = np.diff(build.files.rows("sets", 0).indptr)
    partitions = SizePartitions.of(degrees + build.closed, build.config.partitions)
    partitions.save(ArtifactWriter(build.files.folder), "sizes")
    return int(np.count_nonzero(degrees == 0))
