"""Builds an index in memory, or over files if the graph is large; the bytes are the same.

Over files each stage saves its result in `<directory>.work`, so a killed build resumes after the
last finished one. Stage `graph` reads the edges (`graph.large`), then the stages of the engine
follow. Memory holds arrays with one number per vertex, a chunk of the edges and a range of the
rows; arrays whose size grows with the edges are in files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.communities.indexing.engine import IndexBuild
from graphagg.communities.snapshot import IndexGraph
from graphagg.errors import GraphAggError
from graphagg.execution.arrays import FileArrays, MemoryArrays
from graphagg.execution.runner import InProcessRunner
from graphagg.graph.graph import ReadReport
from graphagg.graph.ids import VertexId
from graphagg.graph.large.load import Source, load_large
from graphagg.graph.reading.files import find_files, paths_of
from graphagg.graph.reading.load import read_graph
from graphagg.graph.reading.settings import EdgeReading
from graphagg.progress import Progress
from graphagg.store import Publication, write_artifact
from graphagg.store.work import WorkFolder, fingerprint, work_folder

LARGE = 1 << 28
"""From this total size of the input files, in bytes, a build uses files instead of memory."""


def build_here(
    edges: Any, directory: str | os.PathLike[str], config: CommunityConfig, reading: EdgeReading,
    vertices: Sequence[VertexId], progress: Progress, force: bool,
) -> ReadReport:  # fmt: skip
    """Build an index in memory, or over files if the edges are large, and publish it.

    Unless `force`, an unfinished build with other input or parameters raises `ParametersDiffer`.
    """
    kind = GRAPH_KIND[config.kind]
    with write_artifact(directory) as publication:
        if _is_large(edges):
            source = Source(edges, kind, reading, vertices, config.kind == "directed-in")
            return _build_over_files(publication, source, config, progress, force)
        graph = read_graph(edges, kind, reading, vertices=vertices)[0]
        progress("edges", graph.edges, graph.edges)
        arrays, stored = MemoryArrays(), IndexGraph.of(graph, config)
        stored.save(arrays)
        index = IndexBuild(config, arrays, InProcessRunner(progress), cache(stored.hashes))
        index.publish(publication, graph, force=force)
    return graph.report


def _is_large(edges: Any) -> bool:
    """Whether edges are so large that the build must use files."""
    paths = paths_of(edges)
    if paths is None:
        return False
    files = [file for path in paths for file in find_files(path)]
    return sum(file.stat().st_size for file in files) >= LARGE


def _build_over_files(
    publication: Publication,
    source: Source,
    config: CommunityConfig,
    progress: Progress,
    force: bool,
) -> ReadReport:
    work = WorkFolder(work_folder(publication.root), progress)
    try:
        _claim(work, source, config, force)
        try:
            folder = work.folder / "index"
            folder.mkdir(exist_ok=True)
            arrays = FileArrays(folder)
            report = load_large(work, folder, source)
            stored = IndexGraph.read(config, arrays.map, arrays.exists)
            index = IndexBuild(
                config, arrays, InProcessRunner(progress, work), cache(stored.hashes)
            )
            index.publish(publication, stored.graph(report), force=force)
        except GraphAggError as error:
            if error.exit_code != 1:  # bad input: a retry cannot resume
                work.remove()
            raise
    finally:
        work.release()
    work.remove()
    return report


def _claim(work: WorkFolder, source: Source, config: CommunityConfig, force: bool) -> None:
    """Begin or resume the build."""
    job = {
        "source": [fingerprint(path) for path in paths_of(source.edges) or []],
        "config": config.to_json(),
        "reading": source.reading.changed_fields(),
        "vertices": [str(vertex) for vertex in source.vertices],
    }
    work.claim(job, force=force)
    # A crash of the machine can lose file contents that were not yet on disk, although the notes
    # list them as complete. So the build starts over after the machine restarts.
    if work.note(".machine", _machine) != _machine():
        work.claim(job, force=True)
        work.note(".machine", _machine)


def _machine() -> str:
    """Return an id that changes when the machine restarts; empty if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
