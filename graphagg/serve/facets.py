"""Facets: the keys of some passages, with their values and the number of passages of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Mask
from graphagg.rag.documents.metadata import MetadataTable, ValueType
from graphagg.rag.snapshot.snapshot import Snapshot

_MOST = 50
"""Distinct values of a segment beyond which a key is not counted by value."""
Counts = dict[str | float | bool, int]


def facets(snapshot: Snapshot, visible: Mask) -> dict[str, dict[str, Any]]:
    """The keys of visible passages.

    Args:
        snapshot: the version.
        visible: mask `[R]` of the passages.

    Returns:
        By key its `type`, the number of `passages` that have it and, where they are few, its
        `values` with the number of passages of each, the most frequent first; else None.
    """
    starts = np.cumsum([0, *(table.rows for table in snapshot.tables)])
    segments = [
        (table, visible[start:end])
        for table, start, end in zip(snapshot.tables, starts, starts[1:], strict=False)
    ]
    keys: dict[str, dict[str, Any]] = {}
    for key, kind in snapshot.schema.items():
        passages = sum(int((table.rows_with(key) & mask).sum()) for table, mask in segments)
        if not passages:
            continue
        counts: Counts | None = {}
        for table, mask in segments:
            counts = _counted(table, mask, key, kind, counts)
        ranked = None if counts is None else sorted(counts.items(), key=lambda each: -each[1])
        values = None if ranked is None else [{"value": v, "passages": n} for v, n in ranked]
        keys[key] = {"type": kind, "passages": passages, "values": values}
    return keys


def _counted(
    table: MetadataTable, mask: Mask, key: str, kind: ValueType, counts: Counts | None
) -> Counts | None:
    """Counts with the counts of a segment; None where there are too many values."""
    here = table.kind_of(key, kind)
    if here is None or counts is None:
        return counts
    distinct: Any = table.distinct(key, here, as_text=True)
    if len(distinct) > _MOST:
        return None
    for code, value in enumerate(_plain(distinct, kind)):
        matches = np.zeros(len(distinct), np.bool_)
        matches[code] = True
        passages = int((table.rows_matching(key, here, matches) & mask).sum())
        if passages:
            counts[value] = counts.get(value, 0) + passages
    return counts


def _plain(distinct: Any, kind: ValueType) -> list[Any]:
    if not isinstance(distinct, np.ndarray):
        return list(distinct.to_pylist())
    values = distinct.real.tolist()
    if kind == "boolean":
        return [bool(value) for value in values]
    return [int(value) if value.is_integer() else value for value in values]
