"""The files of an embedding index, written in ranges of nodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.build import Embedded
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.report import PartitionReport
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.execution.arrays import FileArrays
from graphagg.graph.graph import Graph
from graphagg.store import ArtifactWriter
from graphagg.store.manifest import Manifest

KIND = "embedding"


@dataclass(frozen=True)
class VectorFiles:
    """The files with a row per node, and with a row per target of a directed or two-mode graph.

    The nodes of the first `rows` ids, vertices or sets, come first.
    """

    files: FileArrays
    rows: int
    nodes: int
    config: EmbeddingConfig

    def create(self, width: int) -> None:
        """Create the files, for vectors of length `width`."""
        self.files.create("parts", np.int32, (self.nodes,))
        for name in ("vectors", "sources"):
            self.files.create(f"{name}", self.config.dtype, (self.rows, width))
            if self.rows < self.nodes:
                shape = (self.nodes - self.rows, width)
                self.files.create(f"{name}.to", self.config.dtype, shape)
        if self.config.propagate == 0:
            self.files.create("log_q", np.float64, (self.nodes,))

    def write(
        self, low: int, piece_of: Array, vectors: Array, sources: Array, log_q: Array
    ) -> None:
        """Write values of the nodes from `low` on, `[n]` and `[n, d]`."""
        split = min(max(self.rows - low, 0), len(piece_of))
        self.files.write("parts", low, piece_of)
        for name, whole in (("vectors", vectors), ("sources", sources)):
            self.files.write(f"{name}", low, whole[:split])
            if self.rows < self.nodes:
                self.files.write(f"{name}.to", max(low - self.rows, 0), whole[split:])
        if self.config.propagate == 0:
            self.files.write("log_q", low, log_q)


def save(
    writer: ArtifactWriter, network: NetworkMatrix, built: Embedded, config: EmbeddingConfig
) -> None:
    """Write all data files of an embedding."""
    graph = network.graph
    graph.rows.save(writer, "vertices")
    if config.kind == "two-mode":
        graph.columns.save(writer, "elements")
    files = VectorFiles(FileArrays(writer.folder), len(graph.rows), network.nodes, config)
    files.create(built.width)
    for low, high, vectors, sources in built.blocks():
        files.write(low, built.piece_of[low:high], vectors, sources, built.log_q_of(low, high))
    write_report(writer, built.report)


def write_report(writer: ArtifactWriter, report: PartitionReport) -> None:
    """Write `partition.json`."""
    text = json.dumps(report.to_json(), indent=1) + "\n"
    writer.path("partition.json").write_text(text, encoding="utf-8", newline="\n")


def index_manifest(
    config: EmbeddingConfig,
    inputs: Mapping[str, str],
    graph: Graph,
    isolated: int,
    pieces: int,
) -> Manifest:
    """The manifest of an index; `isolated` counts nodes, of which a directed vertex has two."""
    counts = {
        "vertices": len(graph.rows),
        "elements": len(graph.columns),
        "edges": graph.edges,
        "isolated": isolated // 2 if config.kind == "directed" else isolated,
        "pieces": pieces,
        "added": 0,
    }
    return Manifest(kind=KIND, parameters=config.to_json(), inputs=inputs, counts=counts)


def inputs_of(network: NetworkMatrix) -> dict[str, str]:
    """Digests of the graph and, where it has any, of its weights."""
    inputs = {"graph": network.graph.digest()}
    if network.weighted:
        assert network.matrix.data is not None
        data = np.ascontiguousarray(network.matrix.data, dtype=np.float32)
        inputs["weights"] = hashlib.sha256(data.data).hexdigest()
    return inputs
