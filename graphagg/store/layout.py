"""The arrays that an index must have, and checks of their dtypes, shapes and values.

A checksum shows that a file is the one that the manifest lists, not that its content is valid. Each
kind of index therefore declares its arrays. Opening an index compares dtypes and shapes, which are
in the manifest, and checks the first and last value of offset arrays. All values are checked when
an operation reads the whole index, by `graphagg verify`, and after a query fails: offsets must
ascend from 0 to the length of the array that they index, numbers must be within their bounds. A
query reads few arrays and does not check their values first: compiled functions check each index
(`graphagg.kernels`), as numpy does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.store.manifest import Manifest, damaged
from graphagg.store.ranges import ends_of, forget, will_need

ANY_END = "*"
NARROW = "|u1 <u2 <i4"
"""The dtypes of `graphagg.arrays.narrow`."""
_BLOCK = 1 << 18  # bytes that are checked at once; they fit in a CPU cache
_LARGE = 1 << 24  # bytes; a larger array is dropped from memory, part by part, after the check
Arrays = Callable[[str], Array]
"""Function that maps an array into memory by its name."""
Check = Callable[[Arrays], tuple[str, str] | None]
"""A check of several arrays. Returns the name of a damaged array and the problem, or None."""
Size = int | str
"""A number, or a letter for a size that several arrays share; `R+1` is that size plus one."""


@dataclass(frozen=True)
class ArrayRule:
    """The declaration of one array of an index.

    Attributes:
        name: name of the array, without `.npy`.
        dtypes: numpy's names of the allowed dtypes, separated by spaces.
        shape: size of each dimension; the first array that has a letter sets the letter's number.
        least, below: bounds of the values (`below` excluded, floats finite); None: no bound.
        ends: if set, the values are offsets: they ascend from 0 to this number, or any (`ANY_END`).
        rows: if set, values strictly ascend within each row; name of the array of row offsets, or
            an empty string if the whole array is one row.
        optional: whether an index may lack the array.
    """

    name: str
    dtypes: str
    shape: tuple[Size, ...]
    least: float | None = None
    below: Size | None = None
    ends: Size | None = None
    rows: str | None = None
    optional: bool = False


def array(name: str, dtypes: str, *shape: Size, **values: Any) -> ArrayRule:
    """Declare an array; the arguments are those of `ArrayRule`."""
    return ArrayRule(name, dtypes, shape, **values)


def bounds(name: str, count: Size, ends: Size, *, optional: bool = False) -> ArrayRule:
    """Declare the offsets of `count` rows into an array of length `ends`."""
    size = count + 1 if isinstance(count, int) else f"{count}+1"
    return ArrayRule(name, "<i8", (size,), ends=ends, optional=optional)


def strings(name: str, count: Size) -> list[ArrayRule]:
    """Declare the two arrays of a table of `count` strings."""
    size = f"{name} bytes"
    return [array(f"{name}.utf8", "|u1", size), bounds(f"{name}.offsets", count, size)]


def csr(name: str, rows: Size, columns: Size) -> list[ArrayRule]:
    """Declare the index arrays (`indptr`, `indices`) of a sparse CSR matrix."""
    size, indptr = f"{name} entries", f"{name}.indptr"
    indices = array(f"{name}.indices", "<i4", size, least=0, below=columns, rows=indptr)
    return [bounds(indptr, rows, size), indices]


class ArrayLayout:
    """The declared arrays of a version; `sizes` maps each letter of their shapes to a number."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.sizes: dict[str, int] = {}
        self._folder, self._manifest = folder, manifest
        self._unread: dict[str, ArrayRule] = {}
        self._further: list[Check] = []

    def add(self, rules: Iterable[ArrayRule], array: Arrays, further: Sequence[Check] = ()) -> None:
        """Declare arrays and `further` checks.

        Raises `CorruptArtifact` for a wrong dtype or shape, or if the first or last offset is
        wrong, which would allow rows of any length.
        """
        for rule in list(filter(self._is_there, rules)):  # sets all sizes first
            limits = (rule.least, rule.below, rule.ends, rule.rows)
            if rule.dtypes != "|b1" and limits == (None, None, None, None):
                continue  # any value is valid
            if rule.ends is not None:
                problem = self._problem(rule, lambda name: ends_of(array(name)))
                if problem is not None:
                    raise damaged(self._path(rule.name), problem)
            self._unread[rule.name] = rule
        self._further += further

    def check_values(self, array: Arrays) -> None:
        """Check all values, once; `CorruptArtifact` names the first bad array."""
        for name, rule in list(self._unread.items()):
            if (problem := self._problem(rule, array)) is not None:
                raise damaged(self._path(name), problem)
            self._unread.pop(name, None)  # another thread may have checked it
        large: list[Array] = []

        def read(name: str) -> Array:
            if (values := array(name)).nbytes > _LARGE:
                large.append(values)
            return values

        for check in self._further:
            if (found := check(read)) is not None:
                raise damaged(self._path(found[0]), found[1])
        forget(*large)
        self._further = []

    def _problem(self, rule: ArrayRule, array: Arrays) -> str | None:
        """Return the problem with the values of an array, or None."""
        values = array(rule.name)
        if rule.ends is not None:
            end = None if rule.ends == ANY_END else self._number(rule.ends)
            return _not_offsets(_blocks(values), end)
        problem = None
        if rule.dtypes == "|b1":
            problem = _outside(_blocks(values), 0, 2)
        elif rule.below is not None or values.dtype.kind != "u":
            below = np.inf if rule.below is None else self._number(rule.below)
            least = -np.inf if rule.least is None else rule.least
            problem = _outside(_blocks(values), least, below)
        if problem is None and rule.rows is not None:
            starts = array(rule.rows) if rule.rows else np.zeros(1, np.int64)
            problem = _not_sorted(_blocks(values), starts)
        return problem

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def _is_there(self, rule: ArrayRule) -> bool:
        """Compare dtype and shape; False for an optional array that the index lacks."""
        entry = self._manifest.files.get(f"{rule.name}.npy")
        if entry is None:
            if rule.optional:
                return False
            raise damaged(self._path(rule.name), "the manifest does not list this array")
        shape = entry.shape or ()
        fits = entry.dtype in rule.dtypes.split() and len(shape) == len(rule.shape)
        for size, declared in zip(shape, rule.shape, strict=False):
            letter, _, more = str(declared).partition("+")
            if isinstance(declared, str):
                self.sizes.setdefault(letter, size - int(more or 0))
            fits = fits and size == self._number(declared) >= int(more or 0)
        if not fits:
            raise damaged(
                self._path(rule.name),
                f"it has dtype {entry.dtype} and shape {shape}, expected {rule.dtypes} and "
                f"({', '.join(map(str, rule.shape))}) where {self.sizes}",
            )
        return True

    def _number(self, size: Size) -> int:
        if isinstance(size, int):
            return size
        letter, _, more = size.partition("+")
        return self.sizes[letter] + int(more or 0)


def _blocks(array: Array) -> Iterator[Array]:
    """Yield flat blocks of an array; booleans as uint8."""
    values = array.reshape(-1).view(np.uint8 if array.dtype == np.bool_ else array.dtype)
    step, part = (max(1, size // values.itemsize) for size in (_BLOCK, _LARGE))
    for begin in range(0, len(values), part):
        end = min(begin + part, len(values))
        will_need(values[begin:end])
        for first in range(begin, end, step):
            yield values[first : min(first + step, end)]
        if len(values) > part:
            forget(values[begin:end])


def _not_offsets(blocks: Iterable[Array], end: int | None) -> str | None:
    """Return the problem if values do not ascend from 0 to `end` (None: any end), else None."""
    last, expected = None, f"expected offsets that ascend from 0 to {'any' if end is None else end}"
    for block in blocks:
        descends = block[0] != 0 if last is None else block[0] < last
        if descends or (block[1:] < block[:-1]).any():
            return f"offsets that descend, {expected}"
        last = int(block[-1])
    return None if end in (None, last) else f"the last offset is {last}, {expected}"


def _not_sorted(blocks: Iterable[Array], starts: Array) -> str | None:
    """Return the problem if values do not strictly ascend in rows that begin at `starts`."""
    first, last = 0, None
    for block in blocks:
        values = block if last is None else np.concatenate((last, block))
        descends = values[1:] <= values[:-1]
        low, high = np.searchsorted(starts, (first + 1, first + len(values)))
        descends[starts[low:high] - first - 1] = False
        if descends.any():
            return "values that do not ascend within a row, expected sorted rows without repeats"
        first, last = first + len(values) - 1, values[-1:]
    return None


def _outside(blocks: Iterable[Array], least: float, below: float) -> str | None:
    """Return the problem if a value is not in `[least, below)`, else None."""
    for block in blocks:
        for value in (block.min().item(), block.max().item()):
            if not least <= value < below:  # also true for NaN
                return f"holds {value}, expected numbers from {least} to below {below}"
    return None
