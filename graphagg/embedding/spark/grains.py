"""The levels of a partition by Spark: rows of a graph in blocks, a range of nodes each.

What a round of label propagation says of the nodes lies in arrays on disk, one version a round, of
which a task maps what it reads and writes its own range. A task that runs twice reads the old
version and writes the same to the new one. Proposals and acceptances are shuffled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.label_propagation import (
    CLUSTER_ROUNDS,
    REFINE_ROUNDS,
    movers,
    propose,
    taken,
)
from graphagg.embedding.partition.metis import SLACK
from graphagg.graph.csr import Csr
from graphagg.spark.blocks import preallocate, write_range
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks, write_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


_OF_CLUSTERS: dict[str, Any] = {"labels": np.int32, "loads": np.int64, "members": np.int64}
MOVES = "key int, gain long, node int, weight long"


@dataclass(frozen=True)
class BlockGrain:
    """A graph at one level.

    Attributes:
        work: where it lies.
        name: of its blocks and arrays.
        starts: `[B + 1]` first node of each block.
        entries: of its matrix.
        total: of its weights.
        heaviest: weight of a node.
    """

    work: Work
    name: str
    starts: tuple[int, ...]
    entries: int
    total: int
    heaviest: int

    @property
    def nodes(self) -> int:
        """N."""
        return self.starts[-1]

    @property
    def blocks(self) -> int:
        """B."""
        return len(self.starts) - 1

    def rows(self, b: int) -> Csr:
        """The rows of block `b`, `[r, n]`."""
        load = self.work.blocks.load
        parts = [load(self.name, b, part) for part in ("indptr", "indices", "values")]
        return Csr(parts[0], parts[1], parts[2], self.nodes)

    def weights(self, b: int) -> Array:
        """The weights of block `b`'s nodes."""
        found: Array = self.work.blocks.load(self.name, b, "weights")
        return found

    def fill(self, name: str, dtype: Any, values: Callable[[int], Array]) -> Path:
        """Write an array of all nodes, a block a grain."""
        path = self.work.path(f"{self.name}.{name}")
        preallocate(path, dtype, (self.nodes,))
        starts = self.starts

        def write(b: int) -> Stats:
            write_range(path, starts[b], values(b).astype(dtype))
            return {}

        run_tasks(self.work.spark, self.blocks, write)
        return path


def write_grain(work: Work, name: str, frame: DataFrame, tasks: int) -> BlockGrain:
    """Write the blocks of a graph.

    Args:
        work: where.
        name: of the grain.
        frame: columns `row`, `col` (-1: the row's weight) and `value` (long); each row has a
            weight.
        tasks: about how many blocks.
    """
    blocks = work.blocks

    def write(number: int, table: pa.Table) -> Stats:
        row, col = table.column("row").to_numpy(), table.column("col").to_numpy()
        value = table.column("value").to_numpy()
        is_weight = col < 0
        nodes, weights = row[is_weight], value[is_weight]
        counts = np.bincount(np.searchsorted(nodes, row[~is_weight]), minlength=len(nodes))
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        blocks.save(
            f"{name}.raw", number, nodes=nodes, weights=weights, indptr=indptr,
            indices=col[~is_weight].astype(np.int32), values=value[~is_weight],
        )  # fmt: skip
        return {
            "nodes": len(nodes),
            "entries": len(value) - len(nodes),
            "total": int(weights.sum()),
            "heaviest": int(weights.max(initial=0)),
        }

    def make() -> list[dict[str, int]]:
        ordered = frame.repartitionByRange(tasks, "row").sortWithinPartitions("row", "col")
        return write_blocks(ordered, write)

    stats = make()
    starts = np.concatenate(([0], np.cumsum([s["nodes"] for s in stats]))).astype(int)
    numbers = [s["block"] for s in stats]

    def rename(b: int) -> Stats:
        for part in ("nodes", "weights", "indptr", "indices", "values"):
            blocks.save(name, b, **{part: blocks.load(f"{name}.raw", numbers[b], part)})
        return {}

    run_tasks(work.spark, len(numbers), rename)
    return BlockGrain(
        work,
        name,
        tuple(starts.tolist()),
        sum(s["entries"] for s in stats),
        sum(s["total"] for s in stats),
        max(s["heaviest"] for s in stats),
    )


# --- clusters ------------------------------------------------------------------------------------


def cluster(grain: BlockGrain, bound: int) -> Path:
    """`label_propagation.cluster`: where the labels lie."""
    files = _alone(grain)
    for turn in range(CLUSTER_ROUNDS):
        after = {}
        for name, path in files.items():
            after[name] = grain.work.path(f"{grain.name}.{name}.{turn + 1}")
            shutil.copyfile(path, after[name])
        _cluster_turn(grain, files, after, turn, bound)
        for path in files.values():
            path.unlink()
        files = after
    return files["labels"]


def _alone(grain: BlockGrain) -> dict[str, Path]:
    """Every node is a cluster."""
    starts = grain.starts
    files = {name: grain.work.path(f"{grain.name}.{name}.0") for name in _OF_CLUSTERS}
    for name, path in files.items():
        preallocate(path, _OF_CLUSTERS[name], (grain.nodes,))

    def write(b: int) -> Stats:
        first, last = starts[b], starts[b + 1]
        write_range(files["labels"], first, np.arange(first, last, dtype=np.int32))
        write_range(files["loads"], first, grain.weights(b))
        write_range(files["members"], first, np.ones(last - first, np.int64))
        return {}

    run_tasks(grain.work.spark, grain.blocks, write)
    return files


def _cluster_turn(
    grain: BlockGrain,
    files: dict[str, Path],
    after: dict[str, Path],
    turn: int,
    bound: int,
) -> None:
    starts = np.array(grain.starts)

    def proposals(b: int) -> dict[str, Array]:
        labels, loads, members = (_map(files[name]) for name in ("labels", "loads", "members"))
        span = np.arange(starts[b], starts[b + 1])
        own = labels[span]
        weights = grain.weights(b)
        may = movers(span, turn) & (own == span) & (members[own] == 1)
        room = bound - np.asarray(loads)
        targets, gains = propose(grain.rows(b), int(starts[b]), labels, weights, room, may)
        return _moves(targets, gains, span, weights)

    def accepted(table: dict[str, Array]) -> dict[str, Array]:
        loads = _map(files["loads"])
        keys = table["key"]
        names, places = np.unique(keys, return_inverse=True)
        room = bound - np.asarray(loads[names])
        order = taken(places, table["gain"], table["node"], table["weight"], room)
        kept = {name: values[order] for name, values in table.items()}
        count = len(order)
        return {  # the move, at its node; and a mark, at its target
            "key": np.concatenate((kept["node"], kept["key"])),
            "gain": np.concatenate((kept["key"], np.full(count, -1))),
            "node": np.concatenate((kept["node"], kept["key"])),
            "weight": np.concatenate((kept["weight"], np.zeros(count, np.int64))),
        }

    def applied(table: dict[str, Array]) -> dict[str, Array]:
        mark = table["gain"] < 0
        moves = ~mark & ~np.isin(table["node"], table["node"][mark])
        nodes, targets = table["node"][moves], table["gain"][moves]
        _edit(after["labels"], nodes, targets)
        weights = table["weight"][moves]
        return {
            "key": np.concatenate((nodes, targets)),
            "gain": np.concatenate((np.full(len(nodes), -1), np.full(len(nodes), 1))),
            "node": np.concatenate((nodes, targets)),
            "weight": np.concatenate((-weights, weights)),
        }

    def counted(table: dict[str, Array]) -> dict[str, Array]:
        nodes, places = np.unique(table["node"], return_inverse=True)
        before = {name: np.asarray(_map(files[name])[nodes]) for name in ("loads", "members")}
        more = {
            "loads": np.bincount(places, table["weight"], len(nodes)).astype(np.int64),
            "members": np.bincount(places, table["gain"], len(nodes)).astype(np.int64),
        }
        for name, values in before.items():
            _edit(after[name], nodes, values + more[name])
        return {name: values[:0] for name, values in table.items()}

    frame = emit(grain.work, grain.blocks, proposals)
    for step in (accepted, applied, counted):
        frame = by_key(frame, grain.blocks, step)
    frame.count()


# --- parts ---------------------------------------------------------------------------------------


def refine(grain: BlockGrain, parts: Path, count: int) -> Path:
    """`label_propagation.refine`: where the parts of the nodes lie after it."""
    capacity = int(np.ceil(SLACK * grain.total / count))
    for turn in range(REFINE_ROUNDS):
        room = capacity - part_loads(grain, parts, count)
        after = grain.work.path(f"{grain.name}.refined.{turn}")
        shutil.copyfile(parts, after)
        _refine_turn(grain, parts, after, turn, room)
        parts.unlink()
        parts = after
    return parts


def part_loads(grain: BlockGrain, parts: Path, count: int) -> Array:
    """Weight of each part, `[k]` int64."""
    starts = grain.starts

    def load(b: int) -> Stats:
        own = _map(parts)[starts[b] : starts[b + 1]]
        sums = np.bincount(own, grain.weights(b), count).astype(np.int64)
        return {"sums": sums.tobytes()}

    stats = run_tasks(grain.work.spark, grain.blocks, load)
    total: Array = np.sum([np.frombuffer(s["sums"], np.int64) for s in stats], axis=0)
    return total


def _refine_turn(grain: BlockGrain, parts: Path, after: Path, turn: int, room: Array) -> None:
    starts, over, heaviest = np.array(grain.starts), room < 0, grain.heaviest
    tasks = min(grain.blocks, len(room))

    def proposals(b: int) -> dict[str, Array]:
        labels = _map(parts)
        span = np.arange(starts[b], starts[b + 1])
        weights, own = grain.weights(b), labels[span]
        may = movers(span, turn) | over[own]
        targets, gains = propose(grain.rows(b), int(starts[b]), labels, weights, room, may)
        targets[~over[own] & (gains <= 0)] = -1
        if over.any():  # the part that is left decides first: both in one key
            targets = np.where(targets >= 0, own * len(room) + targets, -1)
        return _moves(targets, gains, span, weights)

    def leaving(table: dict[str, Array]) -> dict[str, Array]:
        own, target = table["key"] // len(room), table["key"] % len(room)
        must = over[own]
        order = taken(
            own[must], table["gain"][must], table["node"][must], table["weight"][must],
            heaviest - room,
        )  # fmt: skip
        kept = np.concatenate((np.flatnonzero(~must), np.flatnonzero(must)[order]))
        found = {name: values[kept] for name, values in table.items()}
        return {**found, "key": target[kept]}

    def accepted(table: dict[str, Array]) -> dict[str, Array]:
        order = taken(table["key"], table["gain"], table["node"], table["weight"], room)
        _edit(after, table["node"][order], table["key"][order])
        return {name: values[:0] for name, values in table.items()}

    frame = emit(grain.work, grain.blocks, proposals)
    if over.any():
        frame = by_key(frame, tasks, leaving, f"key div {len(room)}")
    by_key(frame, tasks, accepted).count()


# --- tasks ---------------------------------------------------------------------------------------


def _moves(targets: Array, gains: Array, nodes: Array, weights: Array) -> dict[str, Array]:
    """The proposals as rows."""
    kept = targets >= 0
    return {
        "key": targets[kept],
        "gain": gains[kept],
        "node": nodes[kept],
        "weight": weights[kept],
    }


def emit(work: Work, count: int, rows: Callable[[int], dict[str, Array]]) -> DataFrame:
    """The rows that `rows(b)` gives for each block, as a frame of moves."""

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for b in batch.column(0).to_pylist():
                yield _batch(rows(b))

    return work.spark.range(0, count, 1, count).mapInArrow(each, MOVES)


def by_key(
    frame: DataFrame, tasks: int, step: Callable[[dict[str, Array]], dict[str, Array]],
    key: str = "key",
) -> DataFrame:  # fmt: skip
    """Bring the rows of a key together and map those of each grain."""
    from pyspark.sql.functions import expr

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        held = [batch for batch in batches if batch.num_rows]
        if held:
            table = pa.Table.from_batches(held)
            yield _batch(step({name: table.column(name).to_numpy() for name in table.column_names}))

    return frame.repartition(tasks, expr(key)).mapInArrow(each, MOVES)


def _batch(rows: dict[str, Array]) -> pa.RecordBatch:
    import pyarrow as pa

    types = {"key": pa.int32(), "gain": pa.int64(), "node": pa.int32(), "weight": pa.int64()}
    columns = [pa.array(np.asarray(rows[name]), kind) for name, kind in types.items()]
    return pa.RecordBatch.from_arrays(columns, names=list(types))


def _map(path: Path) -> Array:
    found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def _edit(path: Path, places: Array, values: Array) -> None:
    """Set some elements of an array on disk."""
    if len(places):
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[places] = values
        target.flush()
