"""What a passage index holds, in words that tell a model what to ask and what to filter by."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.rag import PassageIndex
from graphagg.rag.documents.metadata import ValueType
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.serve.mcp.text import number, quoted

_TITLES = 5
_KEYS = 20
_VALUES, _LONGEST_VALUE = 5, 40


def described(index: PassageIndex, about: str = "") -> str:
    """A few lines: how many passages, some titles, and the keys of filters with their values.

    Args:
        index: the corpus.
        about: what the operator says of it.
    """
    snapshot = index.snapshot
    lines = [f"The corpus: {len(snapshot):,} passages." + (f" {about.strip()}" if about else "")]
    titles = _titles(snapshot)
    if titles:
        lines.append(f"Titles, for instance: {', '.join(map(quoted, titles))}.")
    keys = [
        f"{key} ({_kind(snapshot, key, kind)})"
        for key, kind in list(snapshot.schema.items())[:_KEYS]
    ]
    more = len(snapshot.schema) - _KEYS
    if keys:
        rest = f"; and {more} more" if more > 0 else ""
        lines.append(f"Keys that filter takes: {'; '.join(keys)}{rest}.")
    else:
        lines.append("It has no metadata, so there is nothing to filter by.")
    return "\n".join(lines)


def _titles(snapshot: Snapshot) -> list[str]:
    """Distinct titles of passages that lie evenly in the corpus."""
    rows = np.flatnonzero(snapshot.alive)
    places = np.linspace(0, len(rows) - 1, min(len(rows), 4 * _TITLES)).astype(int)
    titles = [title for row in rows[places].tolist() if (title := snapshot.corpus[row].title)]
    distinct = list(dict.fromkeys(titles))
    step = max(len(distinct) // _TITLES, 1)
    return distinct[::step][:_TITLES]


def _kind(snapshot: Snapshot, key: str, kind: ValueType) -> str:
    """A key's type, with its values where they are few, else its range or a few of them."""
    if kind in ("number", "date"):
        least, most = _range(snapshot, key, kind)
        return f"{kind}, {least} to {most}" if least != most else f"{kind}, {least}"
    if kind in ("string", "list of strings"):
        values = _distinct(snapshot, key, kind)
        if values:
            shown = ", ".join(quoted(value[:_LONGEST_VALUE]) for value in values[:_VALUES])
            return f"{kind}: {shown}{', ...' if len(values) > _VALUES else ''}"
    return kind


def _distinct(snapshot: Snapshot, key: str, kind: ValueType) -> list[str]:
    """The first distinct texts of a key over all segments, at most one more than are shown."""
    values: dict[str, None] = {}
    for table in snapshot.tables:
        here = table.kind_of(key, kind)
        if here is not None:
            texts: Any = table.distinct(key, here, as_text=True)
            values |= dict.fromkeys(texts[: _VALUES + 1].to_pylist())
    return sorted(values)[: _VALUES + 1]


def _range(snapshot: Snapshot, key: str, kind: ValueType) -> tuple[str, str]:
    """The least and the largest value of a key, as text."""
    ends: list[tuple[float | str, str]] = []
    for table in snapshot.tables:
        here = table.kind_of(key, kind)
        if here is not None:
            values = table.distinct(key, here, as_text=True)
            for value in (values[0], values[-1]):
                if kind == "date":
                    ends.append((value.as_py(), value.as_py()[: len("2000-01-01")]))
                else:
                    ends.append((float(value.real), _whole(float(value.real))))
    return min(ends)[1], max(ends)[1]


def _whole(value: float) -> str:
    return str(int(value)) if value.is_integer() else number(value)
