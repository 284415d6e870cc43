"""An immutable sequence of strings in two flat arrays, so that it can be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

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
        encoded = [s.encode("utf-8") for s in strings]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(b) for b in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

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
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.raw(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.raw(low) == wanted else None
