"""Sorted vertex ids, as the user wrote them. The position of an id is its dense number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from os.path import commonprefix
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Ints, Mask, distinct
from graphagg.errors import InvalidGraph, InvalidParameter, UnknownVertex
from graphagg.store import Artifact
from graphagg.store.layout import ArrayRule, array, strings
from graphagg.store.strings import StringTable
from graphagg.store.writing import ArrayWriter

VertexId = int | str
"""The id of a vertex, as the caller writes it."""

_COMPARED = 200
"""Number of ids before and after a string in sorted order that `closest` compares it with."""
_LIKELY = 20_000
"""Upper bound on the ids that `closest` compares because they share half of the string."""
_DIGITS = len(str(2**63 - 1))


class VertexIds(Sequence[VertexId]):
    """Distinct ids in ascending order: integers by value, strings by their UTF-8 bytes.

    The dense number of a vertex is its position in this sequence. It depends only on the set of
    ids, not on the order of edges in a file, so builds with any engine are identical to the byte.

    Args:
        table: `[n]` int64, or a table of strings; ascending, distinct.

    Examples:
        >>> ids = VertexIds.of([30, 10, 20, 10])
        >>> list(ids), ids.find(20), ids.find("20"), ids.find(25)
        ([10, 20, 30], 1, 1, None)
        >>> ids.known(20), ids.closest(25), list(ids.union(VertexIds.of([15])))
        (1, [20, 30, 10], [10, 15, 20, 30])
        >>> ids.positions(VertexIds.of([20, 30])).tolist(), list(ids.select(ids.tokens() > 0))
        ([1, 2], [10, 20, 30])
    """

    def __init__(self, table: Ints | StringTable) -> None:
        self.table = table

    @classmethod
    def of(cls, ids: Iterable[VertexId]) -> VertexIds:
        """Sort distinct ids; raise `InvalidGraph` if types are mixed or an id is negative."""
        listed = list(ids)
        check_ids(listed)
        if listed and isinstance(listed[0], str):
            return cls(StringTable.pack_bytes(sorted({str(name).encode() for name in listed})))
        return cls(np.unique(np.array(listed, dtype=np.int64)))

    @property
    def is_integer(self) -> bool:
        """Whether the ids are integers."""
        return not isinstance(self.table, StringTable)

    @property
    def nbytes(self) -> int:
        """Bytes of the ids in a file."""
        return int(self.table.nbytes)

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, i: int) -> VertexId: ...
    @overload
    def __getitem__(self, i: slice) -> list[VertexId]: ...
    def __getitem__(self, i: int | slice) -> VertexId | list[VertexId]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if isinstance(self.table, StringTable):
            return self.table[i]
        return int(self.table[i])

    def __iter__(self) -> Iterator[VertexId]:
        if isinstance(self.table, StringTable):
            return iter(self.table)
        return (int(i) for i in self.table)

    def find(self, vertex: object) -> int | None:
        """Return the dense number of an id in O(log n); None if there is no such id.

        A string of digits matches the integer id, because command-line arguments are strings.
        """
        if isinstance(self.table, StringTable):
            is_text = isinstance(vertex, str) and _is_unicode(vertex)
            return self.table.find_sorted(str(vertex)) if is_text else None
        if isinstance(vertex, str) and vertex.isascii() and vertex.isdigit():
            digits = vertex.lstrip("0") or "0"
            vertex = int(digits) if len(digits) <= _DIGITS else None
        if isinstance(vertex, bool) or not isinstance(vertex, int | np.integer):
            return None
        if not 0 <= vertex < 2**63:
            return None
        position = int(np.searchsorted(self.table, vertex))
        return position if self[position : position + 1] == [vertex] else None

    def known(self, vertex: VertexId) -> int:
        """Return the dense number of a vertex; `UnknownVertex` lists the closest ids."""
        position = self.find(vertex)
        if position is None:
            closest = ", ".join(repr(name) for name in self.closest(vertex))
            raise UnknownVertex(f"{vertex!r} is not in the graph; the closest ids are {closest}")
        return position

    def closest(self, vertex: object, count: int = 3) -> list[VertexId]:
        """Return the ids closest to an unknown one, by value or by spelling.

        An id that differs in one letter is always found, because one half of it still matches.
        """
        if not len(self):
            return []
        if isinstance(self.table, StringTable):
            return [*_closest_strings(self.table, str(vertex), count)]
        try:
            value = int(str(vertex))
        except ValueError:
            return self[:count]
        position = int(np.searchsorted(self.table, min(max(value, 0), 2**63 - 1)))
        neighbors = self[max(0, position - count) : position + count]
        return sorted(neighbors, key=lambda other: (abs(int(other) - value), other))[:count]

    def positions(self, other: VertexIds) -> Ints:
        """Return the position of each id of `other`, `[len(other)]`; -1 if it is missing."""
        mine, theirs = self.table, other.table
        if not len(mine) or self.is_integer != other.is_integer:
            return np.full(len(theirs), -1, dtype=np.int64)
        if isinstance(mine, StringTable):
            import pyarrow.compute as pc

            indices = pc.index_in(_as_arrow(theirs), value_set=_as_arrow(mine))
            return np.asarray(indices.fill_null(-1), dtype=np.int64)
        positions = np.minimum(np.searchsorted(mine, theirs), len(mine) - 1)
        return np.where(mine[positions] == theirs, positions, -1)

    def union(self, *others: VertexIds) -> VertexIds:
        """Return the union of all ids; raise `InvalidGraph` if integers and strings are mixed."""
        filled = [ids for ids in (self, *others) if len(ids)]
        if not filled:
            return self
        if len({ids.is_integer for ids in filled}) > 1:
            examples = {ids.is_integer: ids[0] for ids in reversed(filled)}
            raise InvalidGraph(
                f"some vertex ids are integers ({examples[True]!r}) and others strings "
                f"({examples[False]!r}); write all as integers, or read all as strings"
            )
        if filled[0].is_integer:
            return VertexIds(distinct(np.concatenate([ids.table for ids in filled])))
        return VertexIds(sorted_strings([_as_arrow(ids.table) for ids in filled])[0])

    def select(self, mask: Mask) -> VertexIds:
        """Return the ids where a mask `[n]` is true."""
        if isinstance(self.table, StringTable):
            return VertexIds(self.table.take(np.flatnonzero(mask)))
        return VertexIds(self.table[mask])

    def tokens(self) -> npt.NDArray[np.uint32]:
        """Hash each id to 32 bits, `[n]`; a hash depends only on its id.

        An integer below 2^32 is its own hash. A larger integer becomes the XOR of its two halves,
        a string the first four bytes of the SHA-1 of its UTF-8 (as in `datasketch` with
        `update(text.encode())`).
        """
        if not isinstance(self.table, StringTable):
            wide = self.table.astype(np.uint64)
            return (wide ^ (wide >> np.uint64(32))).astype(np.uint32)
        digests = b"".join(
            hashlib.sha1(self.table.raw(i), usedforsecurity=False).digest()[:4]
            for i in range(len(self.table))
        )
        return np.frombuffer(digests, dtype="<u4").astype(np.uint32)

    def save(self, writer: ArrayWriter, name: str) -> None:
        """Write integers as array `<name>`, strings as string table `<name>`."""
        if isinstance(self.table, StringTable):
            writer.array(f"{name}.utf8", self.table.data)
            writer.array(f"{name}.offsets", self.table.offsets)
        else:
            writer.array(name, self.table)

    @classmethod
    def open(cls, artifact: Artifact, name: str) -> VertexIds:
        """Memory-map the ids that `save` wrote."""
        return cls.read(name, artifact.array, lambda array: f"{array}.npy" in artifact)

    @classmethod
    def read(
        cls, name: str, array: Callable[[str], Any], exists: Callable[[str], bool]
    ) -> VertexIds:
        """Read the arrays that `save` wrote; `array` returns an array by its name."""
        if exists(name):
            return cls(array(name))
        return cls(StringTable(array(f"{name}.utf8"), array(f"{name}.offsets")))

    def between(self, low: int, high: int) -> VertexIds:
        """Return the ids at positions `low` to `high - 1`, without a copy."""
        if isinstance(self.table, StringTable):
            return VertexIds(StringTable(self.table.data, self.table.offsets[low : high + 1]))
        return VertexIds(self.table[low:high])


def id_rules(artifact: Artifact, name: str, count: str) -> list[ArrayRule]:
    """Return the validation rules for the arrays of `count` ids in an index."""
    if f"{name}.npy" in artifact:
        return [array(name, "<i8", count, least=0, rows="")]
    return strings(name, count)


def id_list(name: str, ids: VertexId | Iterable[VertexId]) -> list[VertexId]:
    """Return ids as a list, also a single id; raise `InvalidParameter` for anything else."""
    if isinstance(ids, str | int | np.integer):
        return [ids]
    if isinstance(ids, bytes) or not isinstance(ids, Iterable):
        raise InvalidParameter(f"{name} is {ids!r}, expected a vertex or several")
    return list(ids)


def check_ids(ids: Sequence[object]) -> None:
    """Raise `InvalidGraph` unless all ids are integers from 0 to 2^63 - 1, or all are strings."""
    accepted = "expected non-negative integers, or strings, and all of one type"
    text = isinstance(ids[0], str) if ids else False
    for vertex in ids:
        if text != isinstance(vertex, str):
            raise InvalidGraph(
                f"vertex ids mix types: {ids[0]!r} and {vertex!r}; {accepted}: convert them all"
            )
        if text:
            continue
        if isinstance(vertex, bool) or not isinstance(vertex, int | np.integer):
            raise InvalidGraph(
                f"vertex id {vertex!r} is a {type(vertex).__name__}; {accepted}: read them as "
                'text (`ids="string"`)'
            )
        if not 0 <= vertex < 2**63:
            raise InvalidGraph(
                f"vertex id {vertex} is out of range; {accepted}: renumber the vertices, or use "
                "strings"
            )
    if text and not _is_unicode("".join(map(str, ids))):
        bad = next(name for name in ids if not _is_unicode(str(name)))
        raise InvalidGraph(
            f"vertex id {bad!r} is not valid Unicode (it has half of a surrogate pair); decode "
            "the input correctly"
        )


def _is_unicode(text: str) -> bool:
    """Return whether a string can be encoded as UTF-8, i.e. contains no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def sorted_strings(columns: Sequence[Any]) -> tuple[StringTable, Any]:
    """Sort the distinct strings of large-binary Arrow arrays; return a table and an Arrow array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct_strings = pc.unique(pa.chunked_array(columns, pa.large_binary()))
    ordered = distinct_strings.take(pc.array_sort_indices(distinct_strings))
    _, starts, data = ordered.buffers()
    bounds = np.frombuffer(starts, dtype=np.int64)[: len(ordered) + 1]
    return StringTable(np.frombuffer(data, dtype=np.uint8)[: bounds[-1]], bounds), ordered


def _closest_strings(table: StringTable, text: str, count: int) -> list[str]:
    """Return the strings most similar to `text`: one edit first, then by share of equal letters."""
    import pyarrow.compute as pc

    # One edit, or two swapped letters, leaves the first or the second half unchanged.
    half = len(text) // 2
    parts = (text[: max(half - 1, 0)], text[half:], text)
    first, last, encoded = (part.encode("utf-8", "replace") for part in parts)
    place = table.place_sorted(encoded)
    low, high = table.place_sorted(first), table.place_sorted(first + b"\xff")
    likely = np.asarray(pc.ends_with(_as_arrow(table), last))
    likely[low:high] = True
    edited = abs(np.diff(table.offsets) - len(encoded)) <= 4
    around = np.arange(max(0, place - _COMPARED), min(place + _COMPARED, len(table)))
    rows = np.union1d(np.flatnonzero(likely & edited)[:_LIKELY], around)
    names = [table[int(row)] for row in rows]

    def differing(name: str) -> int:
        """Count the letters between the common prefix and the common suffix."""
        first = len(commonprefix((text, name)))  # noqa: RUF071 (characters, no paths)
        rest = text[first:][::-1], name[first:][::-1]
        return max(map(len, rest)) - len(commonprefix(rest))  # noqa: RUF071

    def order(name: str) -> tuple[int, float]:
        return min(differing(name), 3), -SequenceMatcher(None, name, text).ratio()

    return sorted(sorted(names, key=differing)[: max(count, _COMPARED)], key=order)[:count]


def _as_arrow(table: Any) -> Any:
    """Convert a table of strings to an Arrow large-binary array, without a copy.

    Raises Arrow's `ValueError` for damaged offsets; Arrow's functions do not check them.
    """
    import pyarrow as pa

    buffers = [None, pa.py_buffer(table.offsets), pa.py_buffer(table.data)]
    array = pa.Array.from_buffers(pa.large_binary(), len(table), buffers)
    array.validate(full=True)
    return array
