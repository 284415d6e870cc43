"""Computes the arrays of an index from a matrix, in the same stages in one process and on Spark.

Each stage writes named arrays, in memory or to files, so a Spark job resumes after the last
finished stage: `partition` (the arrays `parts`, `numbers`, `order`, `starts` and `report`),
`pieces`, the stages of `prone.factorization`, and `vectors` and `sources`, the arrays of the index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.pieces import PIECE, PieceLayout, cut_piece, save_piece
from graphagg.embedding.partition.report import PartitionReport
from graphagg.embedding.prone.factorization import SMOOTH, Factorization, VectorArrays, factorized
from graphagg.embedding.prone.merge import NODES_PER_SHARD
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.propagation import STEPS
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.embedding.sparse import one_thread, stored_rows
from graphagg.errors import InvalidGraph
from graphagg.execution.arrays import ArrayStore, FileArrays, MemoryArrays
from graphagg.execution.runner import InProcessRunner, TaskRunner
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexId
from graphagg.graph.reading.load import read_graph
from graphagg.graph.reading.settings import WeightedReading
from graphagg.progress import Progress, silent
from graphagg.store import Publication, write_artifact
from graphagg.store.artifact import is_current
from graphagg.store.manifest import Manifest
from graphagg.store.ranges import check_space

KIND = "embedding"
IN_MEMORY = 1 << 30
"""Maximum bytes of arrays with a row per node that are held in memory; larger ones are files."""
_ARRAYS = 4  # number of such arrays that exist at the same time
PARTS, NUMBERS, ORDER, STARTS, REPORT = "parts", "numbers", "order", "starts", "report"
_SHOWN = {
    "partition": "partition", "leaves": "pieces", "refined": "merge",
    **{f"pass{number}.{STEPS - 1}": "propagation" for number in (1, 2)}, "sources": "vectors",
}  # fmt: skip
"""Stages whose progress a local build reports, and the names that users see."""


def build_here(
    edges: Any, directory: str | Path, config: EmbeddingConfig, reading: WeightedReading,
    vertices: Sequence[VertexId], progress: Progress, force: bool,
) -> ReadReport:  # fmt: skip
    """Embed a graph in this process and publish the index, unless it exists already."""
    with write_artifact(directory) as publication:
        graph, weights = read_graph(edges, config.kind, reading, vertices=vertices)
        network = NetworkMatrix.from_graph(graph, weights)
        progress("edges", graph.edges, graph.edges)
        inputs = inputs_of(network)
        if force or not is_current(publication.location, KIND, inputs, config.to_json()):
            with publication.scratch() as scratch:
                small = _ARRAYS * 4 * network.nodes * config.width <= IN_MEMORY
                built = embed(network, config, progress, None if small else scratch)
                files = FileArrays(publication.writer.folder.absolute())
                graph.rows.save(files.writer, "vertices")
                if config.kind == "two-mode":
                    graph.columns.save(files.writer, "elements")
                built.publish(publication, files, graph, inputs)
    return graph.report


@dataclass(frozen=True)
class Embedded:
    """An embedded network: the arrays `names` that `stages` wrote."""

    stages: Factorization
    names: VectorArrays
    report: PartitionReport

    @property
    def piece_of(self) -> Array:
        """`[N]` int32 piece of each node; -1 split, -2 without an edge."""
        return self.stages.tasks.arrays.map(PARTS)

    @property
    def vectors(self) -> Array:
        """`[N, d]` float32, not normalized; zeros for nodes without an edge."""
        return self.rotated(0, len(self.piece_of))[0]

    def rotated(self, low: int, high: int) -> tuple[Array, Array]:
        """Return vectors and sources of a range of nodes, `[n, d]` each; zeros without an edge."""
        return self.stages.rotated(self.names, self._numbers(low, high))

    def _numbers(self, low: int, high: int) -> Array:
        """Return each node's row in the arrays of the stages; -1 for a node without an edge."""
        return np.asarray(self.stages.tasks.arrays.map(NUMBERS)[low:high])

    def publish(
        self, publication: Publication, files: FileArrays, graph: Graph, inputs: dict[str, str]
    ) -> None:
        """Publish the index of `graph`; its ids are already in the publication's folder.

        The arrays of the index are written to `files`; the arrays of the stages are removed.
        """
        self._write(files, len(graph.rows))
        self.stages.tasks.arrays.gather(publication.writer, [PARTS])
        names = [f"{name}{side}" for name in ("vectors", "sources") for side in ("", ".to")]
        files.gather(publication.writer, names)
        text = json.dumps(self.report.to_json(), indent=1) + "\n"
        path = publication.writer.path("partition.json")
        path.write_text(text, encoding="utf-8", newline="\n")
        config, tasks = self.stages.config, self.stages.tasks
        isolated = len(self.piece_of) - tasks.nodes
        counts = {
            "vertices": len(graph.rows),
            "elements": len(graph.columns),
            "edges": graph.edges,
            # A vertex of a directed graph is two nodes.
            "isolated": isolated // 2 if config.kind == "directed" else isolated,
            "pieces": tasks.layout.pieces,
            "added": 0,
        }
        publication.publish(Manifest(KIND, config.to_json(), inputs, counts=counts))

    def _write(self, files: FileArrays, rows: int) -> None:
        """Write the arrays of an index; the first `rows` nodes are vertices or sets."""
        stages, names, nodes = self.stages, self.names, len(self.piece_of)
        config, target = stages.config, replace(stages.tasks, arrays=files)
        sides = {"": _ranges(0, rows)} | ({".to": _ranges(rows, nodes)} if rows < nodes else {})
        stages.tasks.drop(PIECE, SMOOTH)  # no later stage reads them
        for name, array in (("vectors", names.rows), ("sources", names.sources)):

            def rotated(low: int, high: int, array: str = array) -> Array:
                numbers = self._numbers(low, high)
                return stored_rows(stages.rotated_rows(names, array, numbers), config.dtype)

            for side, ranges in sides.items():
                target.fill(f"{name}{side}", (stages.width(names),), config.dtype, ranges, rotated)
            stages.tasks.drop(array)


def _ranges(first: int, end: int) -> list[tuple[int, int]]:
    """Return the ranges of nodes, one for each task that writes vectors."""
    starts = range(first, end, NODES_PER_SHARD)
    return [(low, min(low + starts.step, end)) for low in starts]


def embed(
    network: NetworkMatrix,
    config: EmbeddingConfig,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Embedded:
    """Embed a network in this process.

    Arrays with a row per node are files in the empty `folder`, which must exist as long as the
    result. If `folder` is None, they are in memory.
    """
    arrays: ArrayStore = MemoryArrays() if folder is None else FileArrays(folder)

    def shown(stage: str, done: int, total: int) -> None:
        if stage in _SHOWN:
            progress(_SHOWN[stage], done, total)

    return embed_matrix(lambda: network.matrix, arrays, InProcessRunner(shown), config)


def embed_matrix(
    matrix: Callable[[], Csr],
    arrays: ArrayStore,
    runner: TaskRunner,
    config: EmbeddingConfig,
    drop: Iterable[str] = (),
) -> Embedded:
    """Partition a symmetric matrix, embed the pieces, merge them and propagate.

    Takes O(E d + N d^2) time for a given number of pieces. METIS holds the matrix in memory; a
    streaming partition needs about 20 bytes per node. Each task calls `matrix`, so that Spark does
    not send it entries. `drop` names arrays that are removed after the pieces are written.
    """

    def cut(_: int) -> None:
        full, limit = matrix(), float(np.finfo(np.float32).max)
        if (total := float(full.entries.sum(dtype=np.float64))) > limit:
            raise InvalidGraph(f"the weights sum to {total:.3g}, expected {limit:.3g} at most")
        if arrays.folder is not None:
            need = peak_bytes(full.rows, len(full.indices), config)
            check_space(arrays.folder, need, f"the embedding of {full.rows:,} nodes at its peak")
        piece_of, report = partition(full, config)
        layout = PieceLayout.from_parts(piece_of, report.levels[-1].pieces)
        text = np.frombuffer(json.dumps(report.to_json()).encode(), np.uint8)
        numbers = layout.numbers(len(piece_of))
        arrays.write_whole({
            PARTS: piece_of, NUMBERS: numbers, ORDER: layout.order, STARTS: layout.starts,
            REPORT: text,
        })  # fmt: skip

    def layout() -> PieceLayout:
        return PieceLayout(arrays.map(ORDER), arrays.map(STARTS))

    def gather(i: int) -> None:
        save_piece(arrays, cut_piece(matrix(), layout(), arrays.map(NUMBERS), i))

    with one_thread():  # this process also merges and rotates
        runner.run(1, cut, "partition")
        runner.run(layout().pieces, gather, "pieces")
        for name in drop:
            arrays.drop(name)
        stages = Factorization(PieceTasks(layout(), arrays, runner), config)
        report = PartitionReport.from_json(json.loads(arrays.map(REPORT).tobytes()))
        return Embedded(stages, factorized(stages), report)


def peak_bytes(nodes: int, entries: int, config: EmbeddingConfig) -> int:
    """Return the peak disk usage, in bytes, of an embedding that uses files, without its graph.

    The pieces take 12 bytes per entry of the matrix. Propagation adds three arrays of vectors, or
    the stages before it add two wider arrays. Writing the index takes less, and so do the leaves of
    a merge, unless the pieces have more than four columns per node.
    """
    return 12 * entries + 4 * nodes * max(3 * config.dim, 2 * config.width)


def inputs_of(network: NetworkMatrix) -> dict[str, str]:
    """Return digests of the graph and, if it is weighted, of its weights."""
    inputs = {"graph": network.graph.digest()}
    if network.weighted:
        data = np.ascontiguousarray(network.matrix.entries, dtype=np.float32)
        inputs["weights"] = hashlib.sha256(data.data).hexdigest()
    return inputs
