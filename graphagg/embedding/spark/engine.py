"""The steps of `local.LocalEngine`, a phase each: pieces receive rows, compute, and send rows.

What moves between pieces goes through Spark and ends in Parquet. A piece's matrices and its own
rows stay in its blocks. The rows of hubs, which every piece holds a part of, are added up between
phases. Only Gram matrices, a few thousand rows at most, are read by the driver, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.build import one_thread
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.prone.matrix import arriving, raised, smoothing, strengths
from graphagg.embedding.prone.merge import (
    Level,
    Wide,
    check_width,
    level_grams,
    merge,
    shards,
)
from graphagg.embedding.prone.propagation import STEPS, rotation
from graphagg.embedding.prone.sparse import gram, multiply
from graphagg.embedding.spark.messages import Message, first_phase, next_phase
from graphagg.embedding.spark.steps import (
    OWN,
    Tasks,
    keep_state,
    leaf_step,
    product,
    shard_rows,
    start_step,
    state_before,
)
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SparkEngine:
    """The pieces on disk and what is done with them."""

    work: Work
    layout: Layout
    config: EmbeddingConfig
    partitions: int

    @property
    def tasks(self) -> Tasks:
        """What tasks need."""
        return Tasks(self.work.blocks, self.layout, self.config)

    # --- the log matrix and its leaves -----------------------------------------------------------

    def leaves(self) -> DataFrame:
        """Phases `strength`, `arrived` and `leaves`: rows of V S for the shards."""
        frame = self.work.phase(
            "strength", lambda: first_phase(self.work.spark, self.layout.pieces, self._strength)
        )
        self._add_hubs("strength")
        frame = self._phase("arrived", frame, self._arrived)
        self._add_hubs("arrived", raised)
        total = self._total("arrived")
        hubs = self.tasks.hub_rows("arrived")
        if hubs is not None:
            own = np.log(hubs) - np.log(total)
            self.work.blocks.save("log", self.layout.pieces, own=own)
        bounds = shards(int(self.layout.starts[-1]))

        def leaf(i: int, messages: list[Message]) -> Iterator[Message]:
            return leaf_step(self_tasks, bounds, total, i, messages)

        self_tasks = self.tasks
        return self._phase("leaves", frame, leaf)

    @property
    def _strength(self) -> Callable[[int], Iterator[Message]]:
        tasks = self.tasks

        def step(i: int) -> Iterator[Message]:
            piece = tasks.piece(i)
            rows = tasks.save("strength", piece, strengths(piece)[:, None])
            return tasks.spread(piece, rows)

        return step

    @property
    def _arrived(self) -> Callable[[int, list[Message]], Iterator[Message]]:
        tasks = self.tasks

        def step(i: int, messages: list[Message]) -> Iterator[Message]:
            piece = tasks.piece(i)
            strength = tasks.halo("strength", messages, piece)[:, 0]
            found = arriving(piece, strength)[:, None]
            found[: piece.own] = raised(found[: piece.own])
            return tasks.spread(piece, tasks.save("arrived", piece, found))

        return step

    def _total(self, stage: str) -> float:
        """A sum over all nodes: hubs first, then piece by piece."""
        hubs = self.tasks.hub_rows(stage)
        sums = [0.0 if hubs is None else float(hubs.sum())]
        sums += [float(self.tasks.own(stage, i).sum()) for i in range(self.layout.pieces)]
        return float(sum(sums))

    # --- the merge -------------------------------------------------------------------------------

    def start(self, leaves: DataFrame) -> tuple[DataFrame, int]:
        """Phases of the merge: Q for the pieces, and its width."""
        count = self.layout.pieces
        ranks = [int(self.work.blocks.load("leaf", i, "rank")[0]) for i in range(count)]
        level = iter(range(100))
        maps, singular = merge(
            ranks, self.config.width, lambda found: self._grams(leaves, found, next(level))
        )
        check_width(len(singular), self.config.dim, int(self.layout.starts[-1]))
        for i, matrix in enumerate(maps):
            self.work.blocks.save("map", i, values=matrix / singular)
        tasks = self.tasks

        def step(shard: int, messages: list[Message]) -> Iterator[Message]:
            return start_step(tasks, shard, messages)

        return self._phase("start", leaves, step), len(singular)

    def _grams(self, leaves: DataFrame, level: Level, number: int) -> Iterator[Wide]:
        """The Gram matrices of a level, one at a time."""
        blocks, stage = self.work.blocks, f"gram{number}"
        if level.maps is not None:
            for leaf, matrix in level.maps.items():
                blocks.save(f"{stage}.map", leaf, values=matrix)
        plain = Level(level.groups, None)
        has_maps, count = level.maps is not None, self.layout.pieces

        def step(shard: int, messages: list[Message]) -> Iterator[Message]:
            maps = None
            if has_maps:
                maps = {a: blocks.load(f"{stage}.map", a, "values") for a in range(count)}
            rows = shard_rows(messages, blocks, shard, count)
            with one_thread():
                found = level_grams(Level(plain.groups, maps), rows)
            return iter([Message(g, shard, matrix) for g, matrix in enumerate(found)])

        def add(group: int, messages: list[Message]) -> Iterator[Message]:
            ordered = sorted(messages, key=lambda message: message.src)
            total = np.array(ordered[0].values)
            for message in ordered[1:]:
                total = total + message.values
            blocks.save(stage, group, values=total)
            return iter([Message(0, group, np.zeros((1, 1)))])

        frame = self._phase(stage, leaves, step)
        self._phase(f"{stage}.sums", frame, add)
        return (blocks.load(stage, group, "values") for group in range(len(level.groups)))

    # --- refinement and propagation --------------------------------------------------------------

    def refine(self, frame: DataFrame) -> DataFrame:
        """Phase `refined`: Z = F Q; its rows for where they are halo."""
        tasks = self.tasks

        def step(i: int, messages: list[Message]) -> Iterator[Message]:
            piece = tasks.piece(i)
            received = tasks.halo(None, messages, piece)
            own = [m for m in messages if m.kind == OWN]
            if own:
                ordered = sorted(own, key=lambda message: message.src)
                rows = np.concatenate([m.values for m in ordered])
                tasks.blocks.save("refined.sources", i, own=rows)
            found = tasks.save("refined", piece, multiply(tasks.matrix("log", piece), received))
            with one_thread():
                tasks.blocks.save("refined", i, gram=gram(found))
            return tasks.spread(piece, found)

        frame = self._phase("refined", frame, step)
        self._add_hubs("refined")
        return frame

    def rotation(self, stage: str, width: int | None = None) -> None:
        """Note the rotation that a stage's rows are to be turned by."""
        hubs = self.tasks.hub_rows(stage)
        with one_thread():
            parts = [] if hubs is None else [gram(hubs)]
            parts += [self.work.blocks.load(stage, i, "gram") for i in range(self.layout.pieces)]
            total = np.zeros_like(parts[0])
            for part in parts:
                total += part
            turn = rotation(total, width).astype(np.float32)
        self.work.blocks.save(f"{stage}.turn", 0, values=turn)

    def propagate(self, frame: DataFrame, before: str, number: int) -> DataFrame:
        """One pass: five phases; the last sends T for where it is halo."""
        self._smoothing()
        for step in range(STEPS):
            stage = f"pass{number}.{step}"
            frame = self._phase(stage, frame, product(self.tasks, before, stage, number, step))
            self._advance_hubs(before, stage, step)
            before = stage
        return frame

    def _smoothing(self) -> None:
        """Loops of all nodes and D1^-1 A of each piece, once."""
        tasks = self.tasks

        def run(i: int) -> Stats:
            piece = tasks.piece(i)
            counts = tasks.blocks.load("leaf", i, "counts")
            loops = tasks.own("strength", i)[:, 0] / np.maximum(counts[: piece.own], 1)
            tasks.blocks.save("loops", i, own=loops[:, None], hubs=counts[piece.own :, None])
            return {}

        def save(i: int) -> Stats:
            piece = tasks.piece(i)
            strength = tasks.of_rows("strength", piece)[:, 0]
            loops = tasks.of_rows("loops", piece)[:, 0]
            tasks.blocks.save("smooth", i, values=smoothing(piece, strength, loops).entries)
            return {}

        def both() -> bool:
            run_tasks(self.work.spark, self.layout.pieces, run)
            self._add_hubs("loops", lambda n: tasks.hub_rows("strength") / np.maximum(n, 1))
            run_tasks(self.work.spark, self.layout.pieces, save)
            return True

        self.work.note("smooth", both)

    # --- hubs ------------------------------------------------------------------------------------

    def _add_hubs(self, stage: str, after: Callable[[Array], Array] | None = None) -> None:
        """Add up what the pieces hold of the hubs' rows."""
        if not self.layout.hubs:
            return
        tasks = self.tasks
        first = self.work.blocks.load(stage, 0, "hubs")
        total = np.zeros((self.layout.hubs, first.shape[1]), dtype=first.dtype)
        for i in range(self.layout.pieces):
            held = tasks.blocks.load("piece", i, "hubs")
            total[held] += tasks.blocks.load(stage, i, "hubs")
        if after is not None:
            total = after(total)
        tasks.blocks.save(stage, self.layout.pieces, own=total)

    def _advance_hubs(self, before: str, stage: str, step: int) -> None:
        if not self.layout.hubs:
            return
        self._add_hubs(stage)
        hubs, found = self.layout.pieces, self.tasks.hub_rows(stage)
        assert found is not None
        loops, strength = (self.tasks.hub_rows(name) for name in ("loops", "strength"))
        assert loops is not None and strength is not None
        state = state_before(self.tasks, before, hubs, step)
        found = found + (loops / (strength + loops)).astype(np.float32) * state[-1]
        keep_state(self.tasks, stage, hubs, step, state, found, (strength + loops)[:, 0])

    def _phase(
        self,
        name: str,
        frame: DataFrame,
        step: Callable[[int, list[Message]], Iterator[Message]],
    ) -> DataFrame:
        return self.work.phase(name, lambda: next_phase(frame, step))
