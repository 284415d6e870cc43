"""An immutable sequence of strings in two flat arrays, which can be memory-mapped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from graphagg.arrays import joined_offsets, members, offsets
from graphagg.store.manifest import damaged

_READ = 4096  # strings that `raws` takes out of the buffer together


class Strings(Sequence[str], ABC):
    """Strings by their positions, as UTF-8 between `offsets` `[n + 1]`."""

    offsets: npt.NDArray[np.int64]

    where: str

    @abstractmethod
    def raw(self, i: int) -> bytes:
        """The UTF-8 bytes of string `i` (0-based, not negative)."""

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise damaged(self.where, f"not UTF-8 ({error})") from None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self._text(self.raw(j)) for j in range(*i.indices(len(self)))]
        count = len(self.offsets) - 1
        if not -count <= i < count:
            raise IndexError(i)
        return self._text(self.raw(i if i >= 0 else i + count))

    def __iter__(self) -> Iterator[str]:
        return (self._text(self.raw(i)) for i in range(len(self)))


class StringTable(Strings):
    """Strings as one UTF-8 buffer and their offsets.

    Args:
        data: `[B]` uint8, the concatenated UTF-8 bytes.
        offsets: `[n + 1]` int64; string i is `data[offsets[i]:offsets[i + 1]]`.
        where: the file of the strings, for errors.

    Opening reads nothing; reading string i touches only its own pages.

    Examples:
        >>> table = StringTable.pack(["ada", "grace"])
        >>> table[1], table.find_sorted("ada"), table.offsets.tolist()
        ('grace', 0, [0, 3, 8])
    """

    def __init__(
        self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], where: str = "a table"
    ) -> None:
        self.data, self.offsets, self.where = data, offsets, where
        self._bytes, self._ends = data.data, offsets.data  # read three times as fast as arrays

    def __reduce__(self) -> tuple[type[StringTable], tuple[Any, ...]]:
        return StringTable, (self.data, self.offsets, self.where)

    @classmethod
    def pack(cls, strings: Iterable[str]) -> StringTable:
        """Pack strings in their order."""
        return cls.pack_bytes(s.encode("utf-8") for s in strings)

    @classmethod
    def pack_bytes(cls, strings: Iterable[bytes]) -> StringTable:
        """Pack UTF-8 strings in their order."""
        encoded = list(strings)
        data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return cls(data, offsets([len(text) for text in encoded]))

    @classmethod
    def joined(cls, tables: Sequence[StringTable]) -> StringTable:
        """The strings of several tables, one table after another."""
        bounds = joined_offsets([table.offsets for table in tables])
        return cls(np.concatenate([table.data for table in tables]), bounds)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StringTable:
        """A table of the strings at `rows`, in that order."""
        positions, lengths = members(self.offsets, rows)
        return StringTable(self.data[positions], offsets(lengths))

    @property
    def nbytes(self) -> int:
        """Bytes of the strings and their offsets."""
        return int(self.data.nbytes + self.offsets.nbytes)

    def raw(self, i: int) -> bytes:
        """The UTF-8 bytes of string `i` (0-based, not negative)."""
        return bytes(self._bytes[self._ends[i] : self._ends[i + 1]])

    def raws(self) -> Iterator[bytes]:
        """The UTF-8 bytes of all strings, in order; faster than one by one."""
        for first in range(0, len(self), _READ):
            bounds = self.offsets[first : first + _READ + 1]
            block = self.data[bounds[0] : bounds[-1]].tobytes()
            positions = (bounds - bounds[0]).tolist()
            for start, end in pairwise(positions):
                yield block[start:end]

    def __iter__(self) -> Iterator[str]:
        return map(self._text, self.raws())

    def find_sorted(self, text: str) -> int | None:
        """Position of `text` in a table sorted by UTF-8 bytes; None if absent. O(log n) reads."""
        encoded = text.encode("utf-8")
        position = self.place_sorted(encoded)
        return position if position < len(self) and self.raw(position) == encoded else None

    def place_sorted(self, text: bytes, low: int = 0, high: int | None = None) -> int:
        """Count the strings before `text` in a sorted table, known to be in `[low, high]`."""
        high = len(self) if high is None else high
        data, ends = self._bytes, self._ends
        while low < high:
            middle = (low + high) // 2
            if bytes(data[ends[middle] : ends[middle + 1]]) < text:
                low = middle + 1
            else:
                high = middle
        return low
