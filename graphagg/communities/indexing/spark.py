"""Builds the community index with Spark; the bytes equal those of a build in process.

`graphagg.graph.spark.rows` builds the graph; the stages of `IndexBuild` follow. A task signs a
range of rows, or sorts one LSH band of the mapped signatures with 28 bytes of memory per vertex.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from graphagg.communities.config import GRAPH_KIND, CommunityConfig, SetKind
from graphagg.communities.indexing.engine import KIND, ROWS_PER_TASK, IndexBuild
from graphagg.communities.snapshot import IndexGraph
from graphagg.graph.graph import ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.rows import ELEMENTS, ENTRIES_PER_TASK, VERTICES, GraphRows, graph_stages
from graphagg.minhash.signatures import Hashes, HashFamily, mix
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions
from graphagg.spark.job import SparkJob
from graphagg.store import Publication

_HASHES = "hashes"


def build_by_spark(
    options: SparkOptions, edges: Any, directory: str | os.PathLike[str], config: CommunityConfig,
    reading: EdgeReading, progress: Progress, force: bool,
) -> ReadReport:  # fmt: skip
    """Index a graph; see `CommunityIndex.build`."""
    source = EdgeInput.of(edges, reading)
    per_task = options.items_per_task or ENTRIES_PER_TASK
    family = HashFamily(config.permutations, config.hash_seed)

    def write(job: SparkJob, publication: Publication) -> dict[str, Any]:
        kind, reverse, arrays = GRAPH_KIND[config.kind], config.kind == "directed-in", job.arrays
        report = GraphRows(job, source, kind, per_task, reverse).write()
        _hash(job, config.kind)
        stored = IndexGraph.read(config, arrays.map, arrays.exists)

        def hashes() -> Hashes:
            return Hashes.of(arrays.map(_HASHES), config.closed, family)

        index = IndexBuild(config, arrays, job, hashes, bands_per_task=1)
        index.publish(publication, stored.graph(report), force=force)
        return report.to_json()

    report_json = options.publish(
        KIND, source.job(config), source, directory, write,
        stages=stages(config), progress=progress, force=force,
    )  # fmt: skip
    return ReadReport(**report_json)


def _hash(job: SparkJob, kind: SetKind) -> None:
    """Write the hash of each element; each task hashes a range of elements."""
    name, arrays = ELEMENTS if kind == "two-mode" else VERTICES, job.arrays
    count = len(VertexIds.read(name, arrays.map, arrays.exists))
    starts = range(0, count, ROWS_PER_TASK)

    def write(i: int) -> None:
        low, high = starts[i], min(starts[i] + starts.step, count)
        ids = VertexIds.read(name, arrays.map, arrays.exists).between(low, high)
        arrays.write(_HASHES, low, mix(ids.tokens()))

    def make() -> None:
        arrays.create(_HASHES, np.uint32, (count,))
        job.run(len(starts), write)

    job.note(_HASHES, make)


def stages(config: CommunityConfig) -> tuple[str, ...]:
    """Return the stages of a job, in order."""
    return (*graph_stages(GRAPH_KIND[config.kind]), "signatures", "bands")
