"""The embedding by Spark: the same vectors as `NodeEmbedding.build` gives.

Phases, each of which ends in Parquet in `<directory>.work`, so that a job that was killed goes on
after the last one when it is started again:

1. `edges`, `entries`: ids numbered by a distributed sort; the symmetric matrix.
2. `degrees`, `partition`: the parts; see `distributed.partition`.
3. `pieces`: each piece in blocks; one shuffle of the entries.
4. `strength`, `arrived`, `leaves`: the log matrix and its decomposition, a task a piece.
5. `gram...`, `start`, `refined`: the merge and one refinement.
6. `pass...`: five products with the matrix a pass; rows of the halo move, the matrix stays.
7. `vectors`: rows to where the index has them.

Executors and driver must share the file system of the directory. A task holds one piece with its
halo, one block of nodes or one shard of 50,000; METIS holds the graph (`metis`) or the coarse graph
(`propagation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.index import (
    KIND,
    NodeEmbedding,
    isolated_vertices,
    write_report,
)
from graphagg.embedding.partition.metis import LevelReport, PartitionReport
from graphagg.embedding.prone.propagation import STEPS
from graphagg.embedding.spark.cutting import (
    all_parts,
    level_report,
    load_parts,
    write_pieces,
)
from graphagg.embedding.spark.engine import SparkEngine
from graphagg.embedding.spark.entries import Entries, Source, digests, prepare
from graphagg.embedding.spark.messages import Message, next_phase
from graphagg.embedding.spark.partition import cut
from graphagg.errors import InvalidParameter
from graphagg.graph.reading.text import IdType
from graphagg.graph.spark import write_ids
from graphagg.progress import Progress, silent
from graphagg.spark.blocks import preallocate, write_range
from graphagg.spark.job import Work, claimed, fingerprint, recall, remember
from graphagg.spark.session import small_driver
from graphagg.spark.tasks import run_tasks
from graphagg.store import write_artifact
from graphagg.store.index import current_manifest
from graphagg.store.manifest import Manifest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_NODES_A_RANGE = 50_000
Stage = Literal["entries", "partition"]


def build_with_spark(
    spark: SparkSession,
    edges: str,
    directory: str | Path,
    *,
    config: EmbeddingConfig | None = None,
    ids: IdType = "auto",
    header: bool | None = None,
    weighted: bool = True,
    progress: Progress = silent,
    force: bool = False,
) -> NodeEmbedding:
    """Embed a graph by Spark and open the index.

    Args:
        spark: the session.
        edges: Parquet with `src`, `dst` and perhaps `weight`, or text, on any path Spark reads.
        directory: where the index goes, on a file system that executors and driver share.
        config: parameters.
        ids: how text ids are read.
        header: whether text has a header.
        weighted: use the weights where edges carry any.
        progress: called after each phase.
        force: build anew also where nothing changed, or over an unfinished job.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        InvalidParameter, PieceTooLarge: the parameters do not fit the graph.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished phase.
        ArtifactBusy, ArtifactError, WriteFailed: about the directory.
    """
    config = config or EmbeddingConfig()
    if config.fusion != "merge":
        raise InvalidParameter(
            f"fusion is {config.fusion!r}, the Spark engine has 'merge'; take --engine local for "
            "the others"
        )
    source = Source(edges, ids, header, weighted)
    with write_artifact(directory) as published, small_driver(spark):
        job = job_of(source, config)
        if force or recall(directory, KIND, job) is None:
            with claimed(spark, directory, job, progress, force) as work:
                _run(work, source, config, published, force)
            remember(directory, KIND, job)
            work.remove()
    return NodeEmbedding.open(directory)


def run_until(
    spark: SparkSession,
    edges: str,
    directory: str | Path,
    stage: Stage,
    *,
    config: EmbeddingConfig | None = None,
    ids: IdType = "auto",
    header: bool | None = None,
    weighted: bool = True,
    progress: Progress = silent,
    force: bool = False,
) -> dict[str, Any]:
    """Run the phases up to the matrix or the partition; `build_with_spark` goes on from there.

    Arguments and errors are those of `build_with_spark`.

    Returns:
        Sizes of the matrix, or the partition report.
    """
    config = config or EmbeddingConfig()
    source = Source(edges, ids, header, weighted)
    job, a_task = job_of(source, config), config.max_piece_edges or MAX_PIECE_EDGES
    if not force and recall(directory, KIND, job) is not None:
        return _known(directory, stage)
    with small_driver(spark), claimed(spark, directory, job, progress, force) as work:
        entries = prepare(work, source, config, a_task)
        if stage == "entries":
            return {"nodes": entries.nodes, "entries": 2 * entries.edges, "edges": entries.edges}
        digests(work, entries, a_task)
        found: dict[str, Any] = work.note(
            "partition", lambda: _partition(work, entries, config, a_task)
        )
        return {**found, "hubs": len(found["hubs"])}


def stages(config: EmbeddingConfig, until: Stage | None = None) -> tuple[str, ...]:
    """The phases of a job that have a name beforehand, in their order."""
    passes = [f"pass{p}.{s}" for p in range(1, config.propagate + 1) for s in range(STEPS)]
    names = (
        "edges", "entries", "degrees", "partition", "pieces", "strength", "arrived", "leaves",
        "start", "refined", *passes, "vectors",
    )  # fmt: skip
    return names if until is None else names[: names.index(until) + 1]


def _known(directory: str | Path, stage: Stage) -> dict[str, Any]:
    """What `run_until` gave on the way to the index that is there."""
    with NodeEmbedding.open(Path(directory)) as index:
        counts, report, kind = index.manifest.counts, index.report, index.config.kind
    if stage == "partition":
        return report.to_json()
    nodes = counts["vertices"] + (counts["elements"] if kind != "undirected" else 0)
    return {"nodes": nodes, "entries": 2 * counts["edges"], "edges": counts["edges"]}


def job_of(source: Source, config: EmbeddingConfig) -> dict[str, Any]:
    """What tells a job from another: its input and parameters."""
    return {
        "source": [*fingerprint(source.edges), source.ids, source.header, source.weighted],
        "config": config.to_json(),
    }


def _run(work: Work, source: Source, config: EmbeddingConfig, published: Any, force: bool) -> None:
    a_task = config.max_piece_edges or MAX_PIECE_EDGES
    entries = prepare(work, source, config, a_task)
    inputs = digests(work, entries, a_task)
    if not force and _is_current(published, inputs, config):
        return
    levels = work.note("partition", lambda: _partition(work, entries, config, a_task))
    report = PartitionReport(
        levels["partitioner"],
        len(levels["hubs"]),
        tuple(LevelReport(**level) for level in levels["levels"]),
    )
    hubs = np.array(levels["hubs"], dtype=np.int64)
    count = report.levels[-1].pieces
    parts = work.path(f"level{len(report.levels) - 1}")
    layout = write_pieces(work, entries, parts, count, hubs)
    engine = SparkEngine(work, layout, config, count)
    frame, _ = engine.start(engine.leaves())
    frame, stage = engine.refine(frame), "refined"
    engine.rotation(stage, config.dim)
    for number in range(1, config.propagate + 1):
        frame = engine.propagate(frame, stage, number)
        stage = f"pass{number}.4"
        engine.rotation(stage)
    writer = published.writer
    _write_ids(work, entries, writer.folder)
    isolated = _write_parts(work, entries, parts, writer.folder)
    _write_vectors(engine, stage, entries, writer.folder)
    write_report(writer, report)
    published.publish(_manifest(entries, config, inputs, report, isolated))


def _partition(
    work: Work, entries: Entries, config: EmbeddingConfig, a_task: int
) -> dict[str, Any]:
    found = cut(work, entries, config, a_task)
    levels = []
    for level, (_, count) in enumerate(found.parts):
        path = all_parts(work, entries, found, level)
        levels.append(level_report(entries, path, count))
    report = PartitionReport(found.partitioner, len(found.hubs), tuple(levels))
    work.phase("partition", lambda: _parts_frame(work, entries, path))
    return {**report.to_json(), "hubs": found.hubs.tolist()}


def _parts_frame(work: Work, entries: Entries, parts: Path) -> DataFrame:
    """Columns `node` and `part`."""
    from collections.abc import Iterable

    bounds = _ranges(entries.nodes)

    def each(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            for b in batch.column(0).to_pylist():
                low, high = bounds[b]
                columns = [np.arange(low, high, dtype=np.int32), load_parts(parts, low, high)]
                arrays = [pa.array(column) for column in columns]
                yield pa.RecordBatch.from_arrays(arrays, names=["node", "part"])

    count = len(bounds)
    return work.spark.range(0, count, 1, count).mapInArrow(each, "node int, part int")


def _ranges(nodes: int) -> list[tuple[int, int]]:
    starts = range(0, nodes, _NODES_A_RANGE)
    return [(start, min(start + _NODES_A_RANGE, nodes)) for start in starts]


# --- the index -----------------------------------------------------------------------------------


def _is_current(published: Any, inputs: dict[str, str], config: EmbeddingConfig) -> bool:
    directory = published.writer.folder.parent
    manifest = current_manifest(directory, KIND)
    return (
        manifest is not None
        and dict(manifest.inputs) == inputs
        and dict(manifest.parameters) == config.to_json()
    )


def _write_ids(work: Work, entries: Entries, folder: Path) -> None:
    write_ids(work.spark, entries.rows, folder, "vertices")
    if entries.kind == "two-mode":
        write_ids(work.spark, entries.columns, folder, "elements")


def _write_parts(work: Work, entries: Entries, parts: Path, folder: Path) -> int:
    """Write the parts; how many nodes have no edge."""
    bounds, path = _ranges(entries.nodes), folder / "parts.npy"
    preallocate(path, np.int32, (entries.nodes,))

    def write(b: int) -> dict[str, Any]:
        low, high = bounds[b]
        own = load_parts(parts, low, high)
        write_range(path, low, own.astype(np.int32))
        return {"isolated": int(np.count_nonzero(own == -2))}

    return sum(s["isolated"] for s in run_tasks(work.spark, len(bounds), write))


def _write_vectors(engine: SparkEngine, stage: str, entries: Entries, folder: Path) -> None:
    """Phase `vectors`, and the arrays of the index from it."""
    tasks, config, n = engine.tasks, engine.config, entries.rows.total
    hubs, count = engine.layout.order, engine.layout.pieces

    def send(i: int) -> Iterator[Message]:
        turn = tasks.blocks.load(f"{stage}.turn", 0, "values")
        old = hubs if i == count else tasks.blocks.load("piece", i, "old")
        found = [tasks.own(stage, i) @ turn, tasks.own(f"{stage}.sources", i) @ turn]
        kinds: list[Array] = [old.astype(np.float64)[:, None], *found]
        if config.propagate == 0:
            kinds.append(tasks.own("log", i))
        for b in np.unique(old // _NODES_A_RANGE).tolist():
            mine = old // _NODES_A_RANGE == b
            for kind, values in enumerate(kinds):
                yield Message(b, i, values[mine], kind)

    from graphagg.embedding.spark.messages import first_phase

    pieces = count + (1 if len(hubs) else 0)
    frame = engine.work.phase("vectors", lambda: first_phase(engine.work.spark, pieces, send))
    names = ["vectors", "sources"] + (["log_q"] if config.propagate == 0 else [])
    files = _Files(folder, config, n, entries.nodes, tuple(names))
    files.preallocate()

    def write(b: int, messages: list[Message]) -> Iterator[Message]:
        files.write(b, messages)
        return iter(())

    next_phase(frame, write).count()


class _Files:
    """The arrays of the index that are written by ranges of nodes."""

    def __init__(
        self, folder: Path, config: EmbeddingConfig, rows: int, nodes: int, names: tuple[str, ...]
    ) -> None:
        self.folder, self.config, self.rows, self.nodes, self.names = (
            folder, config, rows, nodes, names,
        )  # fmt: skip

    def preallocate(self) -> None:
        two = self.config.kind != "undirected"
        for name in self.names:
            if name == "log_q":
                preallocate(self.folder / "log_q.npy", np.float64, (self.nodes,))
                continue
            shape = (self.rows, self.config.dim)
            preallocate(self.folder / f"{name}.npy", self.config.dtype, shape)
            if two:
                shape = (self.nodes - self.rows, self.config.dim)
                preallocate(self.folder / f"{name}.to.npy", self.config.dtype, shape)

    def write(self, b: int, messages: list[Message]) -> None:
        low = b * _NODES_A_RANGE
        high = min(low + _NODES_A_RANGE, self.nodes)
        nodes = {m.src: m.values[:, 0].astype(np.int64) - low for m in messages if m.kind == 0}
        for kind, name in enumerate(self.names, start=1):
            found = [m for m in messages if m.kind == kind]
            whole = np.zeros((high - low, found[0].values.shape[1]), found[0].values.dtype)
            for message in found:
                whole[nodes[message.src]] = message.values
            self._write_rows(name, low, high, whole)

    def _write_rows(self, name: str, low: int, high: int, whole: Array) -> None:
        if name == "log_q":
            write_range(self.folder / "log_q.npy", low, whole[:, 0])
            return
        stored = whole.astype(self.config.dtype)
        split = min(max(self.rows - low, 0), high - low)
        write_range(self.folder / f"{name}.npy", low, stored[:split])
        if self.config.kind != "undirected":
            start = max(low - self.rows, 0)
            write_range(self.folder / f"{name}.to.npy", start, stored[split:])


def _manifest(
    entries: Entries,
    config: EmbeddingConfig,
    inputs: dict[str, str],
    report: PartitionReport,
    isolated: int,
) -> Manifest:
    return Manifest(
        kind=KIND,
        parameters=config.to_json(),
        inputs=inputs,
        counts={
            "vertices": entries.rows.total,
            "elements": entries.columns.total,
            "edges": entries.edges,
            "isolated": isolated_vertices(isolated, config),
            "pieces": report.levels[-1].pieces,
            "added": 0,
        },
    )
