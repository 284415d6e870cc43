"""An immutable sequence of strings in two flat arrays, so that it can be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt


class StringTable(Sequence[str]):
    """Strings as one UTF-8 buffer and their offsets.

    Args:
        data: `[B]` uint8, the concatenated UTF-8 bytes.
        offsets: `[n + 1]` int64; string i is `data[offsets[i]:offsets[i + 1]]`.

    Opening is free of work; reading string i touches only its own pages.
    """

    def __init__(self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        self.data = data
        self.offsets = offsets

    @classmethod
    def pack(cls, strings: Iterable[str]) -> StringTable:
        """Pack strings in the order given."""
        return cls.pack_bytes(s.encode("utf-8") for s in strings)

    @classmethod
    def pack_bytes(cls, strings: Iterable[bytes]) -> StringTable:
        """Pack strings given as UTF-8, in the order given."""
        encoded = list(strings)
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(b) for b in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    @classmethod
    def joined(cls, tables: Sequence[StringTable]) -> StringTable:
        """The strings of several tables, one table after another."""
        lengths = [np.diff(table.offsets) for table in tables]
        offsets = np.concatenate([[0], *lengths]).cumsum().astype(np.int64)
        return cls(np.concatenate([table.data for table in tables]), offsets)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StringTable:
        """A table of the strings at `rows`, in that order."""
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return StringTable(self.data[places], offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self, i: int) -> bytes:
        """The UTF-8 bytes of string `i` (0-based, not negative)."""
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self.raw(j).decode("utf-8") for j in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return self.raw(i % len(self)).decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        return (self.raw(i).decode("utf-8") for i in range(len(self)))

    def find_sorted(self, text: str) -> int | None:
        """Position of `text` in a table whose strings ascend by their UTF-8 bytes.

        O(log n) reads; None if it is not there.
        """
        wanted = text.encode("utf-8")
        place = self.place_sorted(wanted)
        return place if place < len(self) and self.raw(place) == wanted else None

    def place_sorted(self, wanted: bytes, low: int = 0, high: int | None = None) -> int:
        """How many strings of a sorted table come before `wanted` (UTF-8); O(log n) reads.

        The first `low` of them are known to, those from `high` on are known not to.
        """
        high = len(self) if high is None else high
        while low < high:
            middle = (low + high) // 2
            if self.raw(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low
