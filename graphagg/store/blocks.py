"""Strings in compressed blocks: a third of the bytes, and any string is read by itself.

A block holds strings of 32 KiB in all, or one longer one, compressed by zlib, which is part of
Python; zstd would save 1.5 % more of English text and read three times as fast, but needs a package
of 24 MiB.
"""

from __future__ import annotations

import zlib
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.store.manifest import damaged
from graphagg.store.ranges import GrowingFile
from graphagg.store.strings import Strings, StringTable

if TYPE_CHECKING:
    from graphagg.store.reading import ArrayFolder
    from graphagg.store.writing import ArtifactWriter

BLOCK = 32_768
"""A block is full when it has this many bytes of UTF-8."""
_LEVEL = 6
_RATIO = 1032  # of decompressed to compressed bytes, at most
_CACHED = 64  # decompressed blocks that are cached for each table


class BlockStrings(Strings):
    """Compressed strings; safe to read from several threads.

    `blocks` `[b, 2]` holds the first string of each block and where the block begins in `data`;
    `bounds` `[n + 1]` the start of each string in the UTF-8 of all. `where` names the table in
    errors.
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
    def open(cls, artifact: ArrayFolder, name: str) -> BlockStrings:
        """Map the table that `write` wrote."""
        data, blocks, bounds = (
            artifact.array(f"{name}.{suffix}") for suffix in ("zlib", "blocks", "offsets")
        )
        return cls(data, blocks, bounds, str(artifact.folder / f"{name}.zlib.npy"))

    def raw(self, i: int) -> bytes:
        """The UTF-8 bytes of string `i` (0-based, not negative)."""
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
                raise damaged(self.where, f"its blocks do not ascend from 0 to {most}")
        return firsts

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StringTable:
        """A plain table of the strings at `rows`, in that order."""
        return StringTable.pack_bytes(self.raw(row) for row in rows.tolist())


def _decompressed(
    data: npt.NDArray[np.uint8],
    blocks: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64],
    where: str,
    i: int,
) -> bytes:
    """The strings of block `i`, as UTF-8."""
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
    """Writes a table of strings in blocks; equal strings give equal bytes."""

    def __init__(self, writer: ArtifactWriter, name: str) -> None:
        self._writer, self._name = writer, name
        self._content = GrowingFile(writer.path(f"{name}.zlib.npy"), np.uint8)
        self._ends = GrowingFile(writer.path(f"{name}.offsets.npy"), np.int64)
        self._ends.append(np.zeros(1, np.int64))
        self._blocks: list[tuple[int, int]] = []
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
        """Write the last block, and the start of each."""
        if self._pieces:
            self._end_block()
        self._content.close()
        self._ends.close()
        blocks = np.array(self._blocks, np.int64).reshape(-1, 2)
        self._writer.array(f"{self._name}.blocks", blocks)

    def _end_block(self) -> None:
        self._blocks.append((self._count, self._content.length))
        content = zlib.compress(b"".join(self._pieces), _LEVEL)
        self._content.append(np.frombuffer(content, np.uint8))
        self._count += len(self._pieces)
        self._pieces, self._size = [], 0


def write(writer: ArtifactWriter, name: str, table: StringTable | BlockStrings) -> None:
    """Write a table of strings in blocks: equal strings give equal bytes, by one zlib."""
    file = BlockWriter(writer, name)
    file.append(table)
    file.close()
