"""The arrays that an index must have, checked before compiled code reads them.

A checksum says that a file is what the manifest lists; it does not say that the author was honest.
Compiled functions index arrays without a check, so an offset out of range would read or write
memory of other objects. Each kind of index therefore declares its arrays. Dtypes and shapes are
compared at opening, from the manifest alone. Values are read once, in blocks, before the first
answer: offsets ascend from 0 to the length of what they index, numbers lie in their range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact
from graphagg.store.manifest import Manifest
from graphagg.store.npy import map_array, plain_header

ANY_END = "*"
POSITIVE = 5e-324
"""The least number above 0."""
NARROW = "|u1 <u2 <i4"
"""The dtypes of `graphagg.arrays.narrow`."""
_BLOCK = 1 << 20  # bytes that are checked at once
Size = int | str
"""A number, or a letter for one that is the same in all arrays of an index; `R+1` is one more."""


@dataclass(frozen=True)
class ArrayRule:
    """What one array of an index looks like.

    Attributes:
        name: of the array.
        dtypes: numpy's names of the dtypes it may have, separated by blanks.
        shape: sizes; the first array with a letter sets its number.
        least, below: bounds of the values; floats are finite then. None: any.
        ends: the values are offsets: they ascend from 0 to this number, or to any for `ANY_END`.
        rows: name of the offsets of rows, in each of which the values ascend, none twice; empty:
            the array is one row.
        optional: the index may lack the array.
    """

    name: str
    dtypes: str
    shape: tuple[Size, ...]
    least: float | None = None
    below: Size | None = None
    ends: Size | None = None
    rows: str | None = None
    optional: bool = False


def array(
    name: str,
    dtypes: str,
    *shape: Size,
    least: float | None = None,
    below: Size | None = None,
    rows: str | None = None,
    optional: bool = False,
) -> ArrayRule:
    """An array; the arguments are those of `ArrayRule`."""
    return ArrayRule(name, dtypes, shape, least, below, None, rows, optional)


def bounds(name: str, count: Size, ends: Size, *, optional: bool = False) -> ArrayRule:
    """Offsets of `count` rows into an array of length `ends`."""
    return ArrayRule(name, "<i8", (_plus(count, 1),), ends=ends, optional=optional)


def strings(name: str, count: Size) -> list[ArrayRule]:
    """A table of `count` strings."""
    size = f"{name} bytes"
    return [array(f"{name}.utf8", "|u1", size), bounds(f"{name}.offsets", count, size)]


def csr(name: str, rows: Size, columns: Size, *, values: bool) -> list[ArrayRule]:
    """A sparse matrix in compressed rows, with positive values or without values."""
    size, indptr = f"{name} entries", f"{name}.indptr"
    indices = array(f"{name}.indices", "<i4", size, least=0, below=columns, rows=indptr)
    rules = [bounds(indptr, rows, size), indices]
    return [*rules, array(f"{name}.data", "<f8", size, least=POSITIVE)] if values else rules


def _plus(size: Size, more: int) -> Size:
    return size + more if isinstance(size, int) else f"{size}+{more}"


class Layout:
    """The declared arrays of a version.

    Args:
        folder: holds the files.
        manifest: lists them.

    Attributes:
        sizes: the number that each letter stands for.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.sizes: dict[str, int] = {}
        self._folder, self._manifest = folder, manifest
        self._unread: list[ArrayRule] = []
        self._further: list[Callable[[], None]] = []

    def add(self, rules: Iterable[ArrayRule], further: Sequence[Callable[[], None]] = ()) -> None:
        """Declare arrays; `CorruptArtifact` if one is missing or has another dtype or shape.

        Args:
            rules: of the arrays.
            further: checks of values that follow those of the rules.
        """
        self._unread += [rule for rule in rules if self._is_there(rule)]
        self._further += further

    def check_values(self) -> None:
        """Read the arrays, unless that was done; `CorruptArtifact` names a bad one."""
        for rule in self._unread:
            blocks, problem = _blocks(self._path(rule)), None
            if rule.ends is not None:
                end = None if rule.ends == ANY_END else self._number(rule.ends)
                problem = _not_offsets(blocks, end)
            elif rule.dtypes == "|b1":
                problem = _outside(blocks, 0, 2)
            elif rule.least is not None:
                below = np.inf if rule.below is None else self._number(rule.below)
                problem = _outside(blocks, rule.least, below)
            if problem is None and rule.rows is not None:
                starts = map_array(self._folder / f"{rule.rows}.npy") if rule.rows else np.zeros(1)
                problem = _descends_in_rows(_blocks(self._path(rule)), starts)
            if problem is not None:
                raise _corrupt(self._path(rule), problem)
        for check in self._further:
            check()
        self._unread, self._further = [], []

    def _path(self, rule: ArrayRule) -> Path:
        return self._folder / f"{rule.name}.npy"

    def _is_there(self, rule: ArrayRule) -> bool:
        """Compare dtype and shape; False for an optional array that the index lacks."""
        entry = self._manifest.files.get(f"{rule.name}.npy")
        if entry is None:
            if rule.optional:
                return False
            raise _corrupt(self._path(rule), "the manifest does not list this array")
        shape = entry.shape or ()
        fits = entry.dtype in rule.dtypes.split() and len(shape) == len(rule.shape)
        for size, wanted in zip(shape, rule.shape, strict=False):
            letter, _, more = str(wanted).partition("+")
            if isinstance(wanted, str):
                self.sizes.setdefault(letter, size - int(more or 0))
            fits = fits and size == self._number(wanted) >= int(more or 0)
        if not fits:
            raise _corrupt(
                self._path(rule),
                f"dtype {entry.dtype} and shape {shape}, wanted {rule.dtypes} and "
                f"({', '.join(map(str, rule.shape))}) where {self.sizes}",
            )
        return True

    def _number(self, size: Size) -> int:
        if isinstance(size, int):
            return size
        letter, _, more = size.partition("+")
        return self.sizes[letter] + int(more or 0)


def _blocks(path: Path) -> Iterator[Array]:
    """The values of an array, block by block; bytes for booleans."""
    with path.open("rb") as file:
        dtype, shape = plain_header(file) or (np.dtype(np.uint8), ())
        left = math.prod(shape) * dtype.itemsize
        while left:
            block = file.read(min(left, _BLOCK))
            if len(block) < min(left, _BLOCK):
                raise _corrupt(path, "shorter than its header says")
            left -= len(block)
            yield np.frombuffer(block, np.uint8 if dtype == np.bool_ else dtype)


def _not_offsets(blocks: Iterable[Array], end: int | None) -> str | None:
    """Say why values do not ascend from 0 to `end` (None: to any number); None: they do."""
    last, wanted = None, f"wanted offsets that ascend from 0 to {'any' if end is None else end}"
    for block in blocks:
        if block[0] < (last or 0) or (last is None and block[0]) or _descends(block):
            return f"offsets that descend, {wanted}"
        last = int(block[-1])
    return None if end in (None, last) else f"the last offset is {last}, {wanted}"


def _descends_in_rows(blocks: Iterable[Array], starts: Array) -> str | None:
    """Say whether values descend, or come twice, within rows that begin at checked `starts`."""
    start, last = 0, np.zeros(0)
    for block in blocks:
        values = np.concatenate((last, block)) if len(last) else block
        at = np.flatnonzero(values[1:] <= values[:-1]) + (start + 1 - len(last))
        near = starts[slice(*np.searchsorted(starts, (at[0], at[-1] + 1)))] if len(at) else at
        if not np.isin(at, near).all():
            return "values that do not ascend within a row, wanted each row sorted, none twice"
        start, last = start + len(block), block[-1:]
    return None


def _descends(block: Array) -> bool:
    return bool((block[1:] < block[:-1]).any())


def _outside(blocks: Iterable[Array], least: float, below: float) -> str | None:
    """Name a value that is not at least `least` and less than `below`; None: there is none."""
    for block in blocks:
        for value in (block.min().item(), block.max().item()):
            if not least <= value < below:  # NaN, too
                return f"holds {value}, wanted numbers from {least} to below {below}"
    return None


def _corrupt(path: Path, problem: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path}: {problem}; restore the file, or build the index again")
