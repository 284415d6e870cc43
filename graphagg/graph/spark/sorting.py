"""Distributed sort of 64-bit keys: numpy sorts, and Spark moves sorted runs of keys as bytes.

A task sorts the keys of its rows into runs and cuts these at range bounds; another task merges
the runs of a range. A Spark row thus holds a whole piece of a run, not one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from graphagg.arrays import Array, Ints, distinct
from graphagg.execution.runner import Stats
from graphagg.spark.tasks import write_blocks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAMPLES = 32
"""Number of sampled keys per range; the sizes of the ranges then differ by about 20 %."""
Keyed = tuple[Ints, Array | None]
"""Keys `[E]`, and optionally their weights."""


def sort_keys(
    frame: DataFrame,
    sample: DataFrame,
    keys_of: Callable[[pa.RecordBatch], Keyed],
    per_task: int,
    save: Callable[[int, Ints, Array | None], Stats],
) -> list[Stats]:
    """Call `save(i, keys, weights)` for each nonempty range of keys, in ascending order.

    `keys` concatenates ascending runs; without weights, some repeats are already dropped.
    `sample` has `SAMPLES` rows of `frame` per `per_task` keys, approximately.
    """

    def sampled(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch([pa.array(keys_of(batch)[0])], ["key"])

    keys = distinct(sample.mapInArrow(sampled, "key long").toArrow()["key"].to_numpy())
    bounds = keys[SAMPLES::SAMPLES]

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for run in _runs(map(keys_of, batches), per_task):
            cuts = [0, *np.searchsorted(run[0], bounds).tolist(), len(run[0])]
            parts = [i for i, (low, high) in enumerate(pairwise(cuts)) if low < high]
            columns = [parts, *([v[cuts[i] : cuts[i + 1]].tobytes() for i in parts] for v in run)]
            yield pa.record_batch(dict(zip(_CELLS.names, columns, strict=True)), _CELLS)

    def merge(block: int, cells: pa.Table) -> Stats:
        runs, weights = (b"".join(cells[name].to_pylist()) for name in _CELLS.names[1:])
        return save(
            block, np.frombuffer(runs, np.int64), np.frombuffer(weights) if weights else None
        )

    cells = frame.mapInArrow(cut, "part int, keys binary, weights binary")
    return write_blocks(cells.repartition(len(bounds) + 1, "part"), merge, number="part")


_CELLS = pa.schema({"part": pa.int32(), "keys": pa.binary(), "weights": pa.binary()})


def _runs(batches: Iterable[Keyed], size: int) -> Iterator[tuple[Array, Array]]:
    """Combine batches of keys into sorted runs of about `size` keys, with weights if any."""
    batch: list[Keyed] = []
    for keyed in batches:
        batch.append(keyed)
        if sum(len(keys) for keys, _ in batch) >= size:
            yield _run(batch)
            batch = []
    if batch:
        yield _run(batch)


def _run(batch: list[Keyed]) -> tuple[Array, Array]:
    keys = np.concatenate([each for each, _ in batch])
    weights = [each for _, each in batch if each is not None]
    if not weights:
        return distinct(keys), np.zeros(0)
    order = np.argsort(keys, kind="stable")
    return keys[order], np.concatenate(weights)[order]
