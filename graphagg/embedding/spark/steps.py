"""What a task does with one piece, or one shard of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.build import one_thread
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout, Piece
from graphagg.embedding.prone.leaf import scaled_right_vectors
from graphagg.embedding.prone.matrix import log_matrix
from graphagg.embedding.prone.merge import Rows, mapped
from graphagg.embedding.prone.propagation import STEPS, advance, finish, start_rows
from graphagg.embedding.prone.sparse import gram, multiply
from graphagg.embedding.spark.cutting import load_piece
from graphagg.embedding.spark.messages import Message, halo, sends
from graphagg.graph.csr import Csr
from graphagg.spark.blocks import Blocks

OWN = 1
"""The kind of a message with rows of the receiver's own nodes."""


@dataclass(frozen=True)
class Tasks:
    """What a task needs of the engine; it can be sent.

    Attributes:
        blocks: where pieces and their own rows lie.
        layout: who owns which node; its `order` holds the hubs alone.
        config: parameters.
    """

    blocks: Blocks
    layout: Layout
    config: EmbeddingConfig

    def piece(self, i: int) -> Piece:
        """Piece i."""
        return load_piece(self.blocks, self.layout, i)

    def save(self, stage: str, piece: Piece, rows: Array) -> Array:
        """Keep the piece's own rows, and its share of the hubs'; gives its own rows."""
        self.blocks.save(stage, piece.number, own=rows[: piece.own], hubs=rows[piece.own :])
        return rows[: piece.own]

    def own(self, stage: str, i: int) -> Array:
        """A piece's own rows."""
        return self.blocks.load(stage, i, "own")

    def hub_rows(self, stage: str) -> Array | None:
        """The hubs' rows; None where there are no hubs."""
        return self.blocks.load(stage, self.layout.pieces, "own") if self.layout.hubs else None

    def of_rows(self, stage: str, piece: Piece) -> Array:
        """Rows of the piece's matrix rows, whole also for hubs."""
        hubs = self.hub_rows(stage)
        own = self.own(stage, piece.number)
        return own if hubs is None else np.concatenate((own, hubs[piece.hubs]))

    def spread(self, piece: Piece, rows: Array, kind: int = 0) -> Iterator[Message]:
        """The messages that carry a piece's own rows to where they are halo."""
        for target, places in sends(piece, self.layout):
            yield Message(target, piece.number, rows[places], kind)

    def halo(self, stage: str | None, messages: list[Message], piece: Piece) -> Array:
        """Rows of the piece's columns: received ones, and the hubs' at a stage."""
        hubs = None if stage is None else self.hub_rows(stage)
        return halo([m for m in messages if m.kind == 0], hubs, piece, self.layout)

    def matrix(self, stage: str, piece: Piece) -> Csr:
        """A piece's matrix with the values of a stage."""
        return piece.with_values(self.blocks.load(stage, piece.number, "values"))


def leaf_step(
    tasks: Tasks, bounds: list[tuple[int, int]], total: float, i: int, messages: list[Message]
) -> Iterator[Message]:
    """Decompose a piece's log matrix; its V S goes to the shards of its columns."""
    piece, config = tasks.piece(i), tasks.config
    q = tasks.halo("arrived", messages, piece)[:, 0]
    log_q = np.log(q) - np.log(total)
    logs = log_matrix(piece, tasks.of_rows("strength", piece)[:, 0], log_q)
    seed = [config.random_state, i]
    with one_thread():
        rank = config.rank(tasks.layout.pieces)
        values = scaled_right_vectors(logs, rank, config.iterations, seed)
    own = np.log(tasks.own("arrived", i)[:, 0]) - np.log(total)
    tasks.blocks.save("log", i, values=logs.entries, own=own[:, None])
    counts = piece.matrix.degrees().astype(np.float64)
    tasks.blocks.save("leaf", i, rank=np.array([values.shape[1]]), counts=counts)
    rows = Rows(piece.columns, values)
    for shard, (low, high) in enumerate(bounds):
        part = rows.within(low, high)
        if len(part.nodes):
            yield Message(shard, i, part.values)
            yield Message(shard, i, part.nodes.astype(np.float64)[:, None], kind=1)


def shard_rows(messages: list[Message], blocks: Blocks, shard: int, count: int) -> list[Rows]:
    """The rows that each leaf sent to a shard; none where it has no node there."""
    values = {message.src: message.values for message in messages if message.kind == 0}
    nodes = {message.src: message.values[:, 0] for message in messages if message.kind == 1}
    found = []
    for leaf in range(count):
        if leaf in values:
            found.append(Rows(nodes[leaf].astype(np.int64), values[leaf]))
        else:
            width = int(blocks.load("leaf", leaf, "rank")[0])
            found.append(Rows(np.zeros(0, np.int64), np.zeros((0, width), np.float32)))
    return found


def start_step(tasks: Tasks, shard: int, messages: list[Message]) -> Iterator[Message]:
    """Q of a shard's nodes, to each piece that has them as columns."""
    count = tasks.layout.pieces
    leaves = shard_rows(messages, tasks.blocks, shard, count)
    maps = {a: tasks.blocks.load("map", a, "values") for a in range(count)}
    with one_thread():
        rows = mapped(range(count), maps, leaves)
    for leaf, part in enumerate(leaves):
        if len(part.nodes):
            places = np.searchsorted(rows.nodes, part.nodes)
            yield Message(leaf, shard, rows.values[places])
    if tasks.config.propagate == 0:
        hubs = tasks.layout.hubs
        if hubs and shard == 0:
            tasks.blocks.save("refined.sources", count, own=rows.within(0, hubs).values)
        for i in range(count):
            own = rows.within(int(tasks.layout.starts[i]), int(tasks.layout.starts[i + 1]))
            if len(own.nodes):
                yield Message(i, shard, own.values, kind=OWN)


def product(
    tasks: Tasks, before: str, stage: str, number: int, step: int
) -> Callable[[int, list[Message]], Iterator[Message]]:
    """One product with the matrix: receive the last state's rows, compute, send the next's."""
    more = step < STEPS - 1 or number < tasks.config.propagate

    def run(i: int, messages: list[Message]) -> Iterator[Message]:
        piece = tasks.piece(i)
        received = tasks.halo(before if step == 0 else f"{before}.last", messages, piece)
        with one_thread():
            if step == 0:
                received = start_rows(received @ tasks.blocks.load(f"{before}.turn", 0, "values"))
            state = state_before(tasks, before, i, step)
        strength, loops = tasks.own("strength", i), tasks.own("loops", i)
        product = multiply(tasks.matrix("smooth", piece), received)
        kept = (loops / (strength + loops)).astype(np.float32)
        tasks.save(stage, piece, product)
        product = product[: piece.own] + kept * state[-1]
        degree = (strength + loops)[:, 0]
        last = keep_state(tasks, stage, i, step, state, product, degree)
        return tasks.spread(piece, last) if more else iter(())

    return run


def state_before(tasks: Tasks, before: str, i: int, step: int) -> list[Array]:
    """The arrays that a step goes on from."""
    if step == 0:
        turn = tasks.blocks.load(f"{before}.turn", 0, "values")
        return [start_rows(tasks.own(before, i) @ turn)]
    count = int(tasks.blocks.load(f"{before}.state", i, "count")[0])
    return [tasks.blocks.load(f"{before}.state", i, f"a{n}") for n in range(count)]


def keep_state(
    tasks: Tasks, stage: str, i: int, step: int, state: list[Array], product: Array, degree: Array
) -> Array:
    """Keep the arrays after a step; gives what the next product is taken of."""
    if step < STEPS - 1:
        state = advance(step, state, product)
        named = {f"a{n}": rows for n, rows in enumerate(state)}
        tasks.blocks.save(f"{stage}.state", i, count=np.array([len(state)]), **named)
        tasks.blocks.save(f"{stage}.last", i, own=state[-1])
        return state[-1]
    spread = finish(product, degree.astype(np.float32))
    with one_thread():
        tasks.blocks.save(stage, i, own=spread, gram=gram(spread))
    tasks.blocks.save(f"{stage}.sources", i, own=state[-1])
    return spread
