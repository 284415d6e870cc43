"""Immutable sequences of strings, in flat arrays or compressed blocks that can be memory-mapped.

A block holds 32 KiB of strings, or one longer string, compressed with zlib, which is part of
Python. zstd would save 1.5 % more of English text and read three times as fast, but needs a package
of 24 MiB.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from graphagg.arrays import joined_offsets, members, offsets
from graphagg.store.manifest import damaged
from graphagg.store.ranges import GrowingFile

_READ = 4096  # number of strings that `raws` copies from the buffer at once


class Strings(Sequence[str], ABC):
    """A sequence of strings in UTF-8; `offsets` `[n + 1]` holds their start and end bytes."""

    offsets: npt.NDArray[np.int64]

    where: str

    @abstractmethod
    def raw(self, i: int) -> bytes:
        """Return the UTF-8 bytes of string `i` (0-based, not negative)."""

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
        where: name of the file of the strings, for error messages.

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
        """Pack strings in the given order."""
        return cls.pack_bytes(s.encode("utf-8") for s in strings)

    @classmethod
    def pack_bytes(cls, strings: Iterable[bytes]) -> StringTable:
        """Pack UTF-8 strings in the given order."""
        encoded = list(strings)
        data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return cls(data, offsets([len(text) for text in encoded]))

    @classmethod
    def joined(cls, tables: Sequence[StringTable]) -> StringTable:
        """Concatenate the strings of several tables."""
        bounds = joined_offsets([table.offsets for table in tables])
        return cls(np.concatenate([table.data for table in tables]), bounds)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StringTable:
        """Return a table of the strings at `rows`, in that order."""
        positions, lengths = members(self.offsets, rows)
        return StringTable(self.data[positions], offsets(lengths))

    @property
    def nbytes(self) -> int:
        """Bytes of the strings and their offsets."""
        return int(self.data.nbytes + self.offsets.nbytes)

    def raw(self, i: int) -> bytes:
        """Return the UTF-8 bytes of string `i` (0-based, not negative)."""
        return bytes(self._bytes[self._ends[i] : self._ends[i + 1]])

    def raws(self) -> Iterator[bytes]:
        """Yield the UTF-8 bytes of all strings, in order; faster than calling `raw` for each."""
        for first in range(0, len(self), _READ):
            bounds = self.offsets[first : first + _READ + 1]
            block = self.data[bounds[0] : bounds[-1]].tobytes()
            positions = (bounds - bounds[0]).tolist()
            for start, end in pairwise(positions):
                yield block[start:end]

    def __iter__(self) -> Iterator[str]:
        return map(self._text, self.raws())

    def find_sorted(self, text: str) -> int | None:
        """Find `text` in a table sorted by UTF-8 bytes; None if absent. O(log n) reads."""
        encoded = text.encode("utf-8")
        position = self.place_sorted(encoded)
        return position if position < len(self) and self.raw(position) == encoded else None

    def place_sorted(self, text: bytes, low: int = 0, high: int | None = None) -> int:
        """Count the strings before `text` in a sorted table; the count is in `[low, high]`."""
        high = len(self) if high is None else high
        data, ends = self._bytes, self._ends
        while low < high:
            middle = (low + high) // 2
            if bytes(data[ends[middle] : ends[middle + 1]]) < text:
                low = middle + 1
            else:
                high = middle
        return low


class GrowingStrings:
    """A `StringTable` in two files, to which strings can be appended."""

    def __init__(self, folder: Path, name: str) -> None:
        self._data = GrowingFile(folder / f"{name}.utf8.npy", np.uint8)
        self._ends = GrowingFile(folder / f"{name}.offsets.npy", np.int64)
        self._ends.append(np.zeros(1, np.int64))

    def append(self, table: StringTable) -> None:
        """Append the strings of a table."""
        first, last = int(table.offsets[0]), int(table.offsets[-1])
        self._ends.append(table.offsets[1:] - first + self._data.length)
        self._data.append(table.data[first:last])

    def close(self) -> None:
        """Write the lengths into the headers and close the files."""
        self._data.close()
        self._ends.close()


BLOCK = 32_768
"""A block is full when it has this many bytes of UTF-8."""
_LEVEL = 6
_SUFFIXES = ("zlib", "blocks", "offsets")
_RATIO = 1032  # maximum ratio of decompressed to compressed bytes
_CACHED = 64  # decompressed blocks that are cached for each table


class BlockStrings(Strings):
    """Compressed strings; safe to read from several threads.

    `blocks` `[b, 2]` holds the number of each block's first string and the offset of the block in
    `data`. `bounds` `[n + 1]` holds the offsets of the strings in the uncompressed UTF-8. `where`
    names the table in error messages.
    """

    def __init__(
        self,
        data: npt.NDArray[np.uint8],
        blocks: npt.NDArray[np.int64],
        bounds: npt.NDArray[np.int64],
        where: str,
    ) -> None:
        self._data, self._blocks, self.offsets, self.where = data, blocks, bounds, where
        self._block = lru_cache(_CACHED)(partial(_decompressed, data, blocks, bounds, where))

    @classmethod
    def open(cls, array: Callable[[str], npt.NDArray[Any]], path: Path) -> BlockStrings:
        """Open the table that `write_strings` wrote at a path; `array` returns arrays by name."""
        data, blocks, bounds = (array(f"{path.name}.{each}") for each in _SUFFIXES)
        return cls(data, blocks, bounds, f"{path}.zlib.npy")

    def raw(self, i: int) -> bytes:
        """Return the UTF-8 bytes of string `i` (0-based, not negative)."""
        block, ends = int(self._firsts.searchsorted(i, "right")) - 1, self.offsets.data
        begin = ends[self._firsts[block]]
        return self._block(block)[ends[i] - begin : ends[i + 1] - begin]

    @cached_property
    def _firsts(self) -> npt.NDArray[np.int64]:
        """The first string of each block, contiguous for the binary search."""
        firsts: npt.NDArray[np.int64]
        firsts, begins = np.ascontiguousarray(self._blocks.T)
        for column, most in ((firsts, len(self)), (begins, len(self._data))):
            ends = np.concatenate(([0], column, [most]))
            if not len(column) or column[0] or (ends[1:] < ends[:-1]).any():
                raise damaged(self.where, f"block offsets do not ascend from 0 to {most}")
        return firsts

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StringTable:
        """Return an uncompressed table of the strings at `rows`, in that order."""
        return StringTable.pack_bytes(self.raw(row) for row in rows.tolist())


def _decompressed(
    data: npt.NDArray[np.uint8],
    blocks: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64],
    where: str,
    i: int,
) -> bytes:
    """Decompress block `i`; returns its strings as UTF-8."""
    last = i + 1 == len(blocks)
    end, next_string = (len(data), -1) if last else blocks[i + 1, ::-1].tolist()
    first, begin = blocks[i].tolist()
    size = int(bounds[next_string] - bounds[first])
    try:
        longest = min(max(size, 0), _RATIO * (end - begin))
        content = zlib.decompressobj().decompress(data[begin:end].data, longest + 1)
        if len(content) != size:
            raise zlib.error(f"its size is not {size}")
    except zlib.error as error:
        raise damaged(where, f"block {i} cannot be read ({error})") from None
    return content


class BlockWriter:
    """Writes a table of strings in compressed blocks; equal strings result in equal files."""

    def __init__(self, path: Path) -> None:
        kinds = (np.uint8, ()), (np.int64, (2,)), (np.int64, ())
        self._content, self._blocks, self._ends = self._files = [
            GrowingFile(path.with_name(f"{path.name}.{suffix}.npy"), dtype, width=width)
            for suffix, (dtype, width) in zip(_SUFFIXES, kinds, strict=True)
        ]
        self._ends.append(np.zeros(1, np.int64))
        self._pieces: list[bytes] = []
        self._count = self._size = self._before = 0

    def append(self, table: StringTable | BlockStrings) -> None:
        """Append the strings of a table."""
        self._ends.append(table.offsets[1:] + self._before)
        self._before += int(table.offsets[-1])
        for i in range(len(table)):
            self._pieces.append(table.raw(i))
            self._size += len(self._pieces[-1])
            if self._size >= BLOCK:
                self._end_block()

    def close(self) -> None:
        """Write the last block and the file headers."""
        if self._pieces:
            self._end_block()
        for file in self._files:
            file.close()

    def _end_block(self) -> None:
        self._blocks.append(np.array([(self._count, self._content.length)]))
        content = zlib.compress(b"".join(self._pieces), _LEVEL)
        self._content.append(np.frombuffer(content, np.uint8))
        self._count += len(self._pieces)
        self._pieces, self._size = [], 0


def write_strings(path: Path, table: StringTable | BlockStrings) -> None:
    """Write a table of strings in compressed blocks; see `BlockWriter`."""
    file = BlockWriter(path)
    file.append(table)
    file.close()
