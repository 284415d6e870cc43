"""Check a FAISS file with inverted lists before FAISS reads it.

FAISS trusts its files: numbers in them index memory, and "on disk" lists name another file that
FAISS opens. So the whole file is compared with the layout that FAISS writes for the index type of
`search.indexed`. Centroids and codes may have any values, since FAISS only computes with them.
The id of each vector must occur exactly once.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.store.manifest import damaged

_PACKED = b"IwPf"
_HEAD, _BLANK = "4siqqqBi", 1 << 20  # type, dimension, vectors, unused, unused, trained, metric
_BLOCK = 32  # vectors whose codes are packed together


def check_lists(path: Path, content: Array, count: int, dimension: int) -> None:
    """Raise `CorruptArtifact` unless `content` is an inner-product index of `count` vectors."""
    file = _File(path, content)
    kind = bytes(content[:4])
    file.check(kind == _PACKED, f"an index of type {kind!r}")
    file.take(_HEAD, kind, dimension, count, _BLANK, _BLANK, 1, 0)
    lists, probes = file.take("QQ", None, None)
    file.check(1 <= probes <= lists <= count, f"{lists} lists, of which a query reads {probes}")
    file.take(f"{_HEAD}Q", b"IxFI", dimension, lists, _BLANK, _BLANK, 1, 0, lists * dimension)
    file.skip(4 * lists * dimension)
    file.take("BQ", 0, 0)  # no map of ids to lists
    _packed(file, lists, dimension)
    file.check(file.at == len(content), f"{len(content) - file.at} bytes after the end")
    is_there = np.zeros(count, np.bool_)
    for ids in file.ids:
        file.check(ids.min() >= 0 and ids.max() < count, f"vector {ids.min()} to {ids.max()}")
        is_there[ids] = True
    is_right = sum(map(len, file.ids)) == count and is_there.all()
    file.check(is_right, "ids that are missing or occur twice")


class _File:
    """Reads numbers from a file and checks them; collects the `ids` of the lists."""

    def __init__(self, path: Path, content: Array) -> None:
        self.path, self.content, self.at, self.ids = path, content, 0, list[Ints]()

    def check(self, is_right: Any, problem: str) -> None:
        if not is_right:
            wanted = "expected the lists of packed 4-bit codes that this version writes"
            raise damaged(self.path, f"{problem}, before byte {self.at}; {wanted}")

    def take(self, layout: str, *wanted: object) -> tuple[Any, ...]:
        """Read the next values and check that they equal `wanted`; None allows any value."""
        start, layout = self.at, f"<{layout}"
        self.skip(struct.calcsize(layout))
        values = struct.unpack_from(layout, self.content.data, start)
        is_right = all(w in (None, v) for w, v in zip(wanted, values, strict=True))
        self.check(is_right, f"the values {values} instead of {wanted} (None: any)")
        return values

    def skip(self, size: int) -> None:
        self.at += size
        self.check(self.at <= len(self.content), f"the end after {len(self.content)} bytes")

    def take_ids(self, size: int) -> None:
        start = self.at
        self.skip(8 * size)
        if size:
            self.ids.append(np.frombuffer(self.content, "<i8", size, start))


def _packed(file: _File, lists: int, dimension: int) -> None:
    """Check a 4-bit product quantizer, and read lists of ids and packed codes."""
    is_residual, code_size, _, width, _, _, _, parts, *_ = file.take(
        "BQiQiQQQQQ", None, None, _BLOCK, None, 0, 0, dimension, None, 4, 16 * dimension
    )
    is_right = is_residual <= 1 and parts >= 1 and dimension % parts == 0
    is_right &= (code_size, width) == (-(-parts // 2), parts + parts % 2)
    file.check(is_right, f"{parts} parts of {dimension} components in {code_size} bytes")
    file.skip(4 * 16 * dimension)
    file.take("4sQQQQ", b"ilbl", lists, (1 << 64) - 1, _BLOCK, code_size * _BLOCK)
    for _ in range(lists):
        (size,) = file.take("Q", None)
        file.take_ids(size)
        length = -(-size // _BLOCK) * code_size * _BLOCK
        file.take("Q", length)
        file.skip(length)
