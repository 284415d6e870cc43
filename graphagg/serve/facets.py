"""The metadata of some passages: values of each key, with the number of passages that have them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from graphagg.arrays import Mask
from graphagg.rag.documents.value_types import ValueType
from graphagg.rag.snapshot.snapshot import PassageSnapshot

_MOST = 100  # distinct values beyond which a key is not counted by value


def facets(snapshot: PassageSnapshot, visible: Mask) -> dict[str, dict[str, Any]]:
    """Count the metadata of the passages of a mask `[R]`: by key `type`, `passages` and `values`.

    `values` has the number of passages of each value, the most frequent first; None for a key
    with many values.
    """
    segments = snapshot.by_table(visible)
    keys: dict[str, dict[str, Any]] = {}
    for key, kind in snapshot.schema.items():
        passages = sum(int((table.rows_with(key) & rows).sum()) for table, rows in segments)
        if passages:
            values = _count_values(snapshot, visible, key, kind)
            keys[key] = {"type": kind, "passages": passages, "values": values}
    return keys


def _count_values(
    snapshot: PassageSnapshot, visible: Mask, key: str, kind: ValueType
) -> list[dict[str, Any]] | None:
    counts: Counter[Any] = Counter()
    for table, rows in snapshot.by_table(visible):
        own_kind = table.kind_of(key, kind)
        if own_kind is not None:
            passages = table.occurrences(key, own_kind, rows)
            present = np.flatnonzero(passages)
            if len(present) > _MOST:
                return None
            values = table.distinct(key, own_kind)[present].tolist()
            counts.update(dict(zip(values, passages[present].tolist(), strict=True)))
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    few = len(ranked) <= _MOST
    return [{"value": value, "passages": n} for value, n in ranked] if few else None
