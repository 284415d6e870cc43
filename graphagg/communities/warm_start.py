"""Continue from an earlier partition: read it, keep its numbers, and report changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.fields import Brief
from graphagg.graph.ids import VertexIds
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow

_ADVICE = "give a partition, its .csv or .parquet file, a table, or {vertex: community}"


@dataclass(frozen=True, repr=False)
class PartitionChanges(Brief):
    """How a partition differs from the one that it started from.

    A new community gets the number of an old one if each has its largest overlap with the other.
    Remaining old communities were merged or disappeared; remaining new ones split off or appeared.

    Attributes:
        moved: number of vertices of the start whose community has another number now.
        split: new number -> number of the community that most of its vertices were in.
        merged: number of a community of the start -> community that has most of its vertices now.
        came: numbers of new communities; at most half of their vertices were in the start.
        went: numbers of communities of the start that have no vertices left.

    Examples:
        >>> PartitionChanges(2, {}, {3: 1}, (), ()).describe()
        ['community 3 merged into 1', 'vertices with another number: 2']
    """

    moved: int
    split: dict[int, int]
    merged: dict[int, int]
    came: tuple[int, ...]
    went: tuple[int, ...]

    def describe(self) -> list[str]:
        """Describe the changes, one line each."""
        lines = [f"community {new} split off {old}" for new, old in self.split.items()]
        lines += [f"community {old} merged into {new}" for old, new in self.merged.items()]
        lines += [f"community {new} appeared" for new in self.came]
        lines += [f"community {old} disappeared" for old in self.went]
        return [*lines, f"vertices with another number: {self.moved:,}"]


def start_labels(start: Any, sides: Mapping[str, VertexIds]) -> tuple[Ints, Ints]:
    """Return each vertex's community in `start`, `[n]`, -1: none; and all community numbers."""
    ids, numbers, of = _columns(start)
    if len(numbers) and int(numbers.min()) < 0:
        raise InvalidParameter(f"start has the community {numbers.min()}, expected numbers from 0")
    labels = []
    for side, vertices in sides.items():
        mine, rows = ids, np.arange(len(ids))
        if of is not None and len(sides) > 1:
            rows = np.flatnonzero([each == side for each in of])
            mine = [ids[i] for i in rows]
        positions = vertices.positions(_unsorted(mine, vertices.is_integer))
        known = positions >= 0
        if np.bincount(positions[known], minlength=1).max() > 1:
            raise InvalidParameter("start has a vertex in two communities; give it only one row")
        label = np.full(len(vertices), -1, np.int64)
        label[positions[known]] = numbers[rows[known]]
        labels.append(label)
    return np.concatenate(labels), np.unique(numbers)


def _columns(start: Any) -> tuple[Any, Ints, list[str] | None]:
    """Return the ids of a start, their communities `[n]`, and their sides if that column exists."""
    if isinstance(start, Mapping):
        numbers = np.array(list(start.values()))
        if len(numbers) and numbers.dtype.kind not in "iu":
            raise InvalidParameter(
                f"start: communities are {numbers.dtype}, expected an id and a whole number in each"
            )
        return list(start), numbers.astype(np.int64), None
    if hasattr(start, "labels") and start.graph.kind != "two-mode":  # a partition
        return start.graph.rows, start.labels, None
    table = _as_table(start)
    of = table["side"].to_pylist() if "side" in table.column_names else None
    numbers = table["community"].to_numpy().astype(np.int64)
    return table["vertex"] if of is None else table["vertex"].to_pylist(), numbers, of


def _as_table(start: Any) -> pyarrow.Table:
    """Convert a start to a table with the columns `vertex` and `community`."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if isinstance(start, str | os.PathLike):
        path = Path(start)
        if path.suffix not in (".csv", ".parquet"):
            raise InvalidParameter(f"start: suffix {path.suffix!r}, expected .csv or .parquet")
        try:
            text = csv.ConvertOptions(column_types={"vertex": pa.string()})
            start = (
                csv.read_csv(path, convert_options=text)
                if path.suffix == ".csv"
                else parquet.read_table(path)
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableFile(f"{path}: {error}") from None
    elif hasattr(start, "to_arrow"):  # a partition
        start = start.to_arrow()
    elif not isinstance(start, pa.Table) and hasattr(start, "__arrow_c_stream__"):
        start = pa.table(start)
    if not isinstance(start, pa.Table):
        raise InvalidParameter(f"start is a {type(start).__name__}; {_ADVICE}")
    if not {"vertex", "community"} <= set(start.column_names):
        raise InvalidParameter(
            f"start has the columns {start.column_names}, expected 'vertex' and 'community'"
        )
    kind = start["community"].type
    if not pa.types.is_integer(kind) or start["community"].null_count + start["vertex"].null_count:
        raise InvalidParameter(
            f"start: communities are {kind}, expected an id and a whole number in each row"
        )
    return start


def _unsorted(ids: Any, integers: bool) -> VertexIds:
    """Return an unsorted table of ids; with `integers`, -1 stands for an id that is no integer."""
    if isinstance(ids, VertexIds) and ids.is_integer == integers:
        return ids
    if hasattr(ids, "cast"):  # an Arrow column
        if integers:
            with suppress(ValueError):
                return VertexIds(ids.cast("int64").to_numpy())
        ids = ids.to_pylist()
    if not integers:
        return VertexIds(StringTable.pack_bytes(str(name).encode() for name in ids))
    numbers = [min(int(v), 2**63 - 1) if str(v).isdecimal() else -1 for v in ids]
    return VertexIds(np.array(numbers, dtype=np.int64))


def keep_numbers(
    before: Ints, numbers: Ints, labels: Array, fixed: Mask | None = None
) -> tuple[Ints, PartitionChanges]:
    """Renumber communities `[n]`: each keeps its predecessor's number, if any.

    A community with a `fixed` `[n]` vertex keeps the number of that vertex's old community.
    """
    had = before >= 0
    width = 1 + int(labels.max(initial=0))
    keys = np.searchsorted(numbers, before[had]) * width + labels[had]
    if len(numbers) * width <= 4 * len(keys):  # faster than sorting
        counts = np.bincount(keys)
        pairs = np.flatnonzero(counts)
        shared = counts[pairs]
    else:
        pairs, shared = np.unique(keys, return_counts=True)
    old, new = numbers[pairs // width], pairs % width
    number: dict[int, int] = {}
    heirs: dict[int, int] = {}  # old number -> new community with most of its vertices
    origins: dict[int, int] = {}
    if fixed is not None:
        number = dict(zip(labels[fixed].tolist(), before[fixed].tolist(), strict=True))
        heirs, origins = {a: b for b, a in number.items()}, dict(number)
    for i in np.lexsort((new, old, -shared)).tolist():
        a, b = int(old[i]), int(new[i])
        is_heir = a not in heirs, b not in origins
        heirs.setdefault(a, b)
        origins.setdefault(b, a)
        if all(is_heir):
            number[b] = a
    sizes = np.bincount(labels)
    stay = np.bincount(labels[had], minlength=len(sizes))
    fresh = [b for b in range(len(sizes)) if b not in number]
    unused = 1 + int(numbers.max(initial=-1))
    number |= {b: unused + i for i, b in enumerate(fresh)}
    result = np.array([number[b] for b in range(len(sizes))], dtype=np.int64)[labels]
    came = {b for b in fresh if 2 * stay[b] <= sizes[b]}
    living = set(number.values())
    ended = [a for a in numbers.tolist() if a not in living]
    return result, PartitionChanges(
        moved=int(np.count_nonzero(had & (before != result))),
        split={number[b]: origins[b] for b in fresh if b not in came},
        merged={a: number[heirs[a]] for a in ended if a in heirs},
        came=tuple(number[b] for b in sorted(came)),
        went=tuple(a for a in ended if a not in heirs),
    )
