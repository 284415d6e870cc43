"""The metadata of some passages: values of each key, with the number of passages that have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.rag.documents.value_types import ValueType
from graphagg.rag.snapshot.snapshot import PassageSnapshot

_MOST = 50  # distinct values beyond which a key is not counted by value


def facets(snapshot: PassageSnapshot, visible: Mask) -> dict[str, dict[str, Any]]:
    """Count the metadata of the passages of a mask `[R]`: by key `type`, `passages` and `values`.

    `values` holds the number of passages of each value, the most frequent first; None for a key
    with many values.
    """
    segments = snapshot.by_table(visible)
    keys: dict[str, dict[str, Any]] = {}
    for key, kind in snapshot.schema.items():
        passages = sum(int((table.rows_with(key) & rows).sum()) for table, rows in segments)
        if passages:
            values = _counted(snapshot, visible, key, kind)
            keys[key] = {"type": kind, "passages": passages, "values": values}
    return keys


def _counted(
    snapshot: PassageSnapshot, visible: Mask, key: str, kind: ValueType
) -> list[dict[str, Any]] | None:
    counts: dict[Any, int] = {}
    for values, passages in values_of(snapshot, visible, key, kind):
        if len(values) > _MOST:
            return None
        for value, count in zip(values.tolist(), passages.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + count
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    if len(ranked) > _MOST:
        return None
    return [{"value": value, "passages": count} for value, count in ranked]


def values_of(
    snapshot: PassageSnapshot, visible: Mask, key: str, kind: ValueType
) -> Iterator[tuple[Array, Ints]]:
    """By segment the distinct values of a key, and the number of visible passages of each."""
    for table, rows in snapshot.by_table(visible):
        here = table.kind_of(key, kind)
        if here is not None:
            counts = table.occurrences(key, here, rows)
            present = np.flatnonzero(counts)
            if len(present):
                yield table.distinct(key, here)[present], counts[present]
