"""Arrays of `.npz` files, read without pickle and checked, as tensors.

Every error names the file and the array, says what it holds and what was wanted.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphagg.arrays import Array
from graphagg.errors import InvalidDataset, InvalidFeatures, UnreadableFile

Arrays = dict[str, Array]

INTEGERS, NUMBERS, BOOLEANS = "iu", "iufb", "b"  # kinds of dtypes, as numpy's letters
_WIDEST = 2**20  # columns of a dense matrix
_LARGEST = 2**31  # its numbers: 8 GiB


def load_arrays(path: Path) -> Arrays:
    """All arrays of an `.npz` file; members that are none, such as a text, are left out.

    Raises:
        UnreadableFile: it is missing, no `.npz` file, broken, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":  # else numpy takes it for a pickle
                raise UnreadableFile(
                    f"{path}: no .npz file, which is a zip archive of arrays; write it with "
                    "graphagg.nn.save_npz (of PyG's Data) or numpy.savez"
                )
        with np.load(path, allow_pickle=False) as archive:
            return dict(_members(path, archive))
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except _BROKEN as error:
        why = "" if "pickle" in str(error) else f" ({error})"  # which is no advice to follow
        raise UnreadableFile(
            f"{path}: not readable as .npz{why}; write it with numpy.savez"
        ) from None


_BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # encrypted
    MemoryError,  # a shape that no memory holds
    zipfile.BadZipFile,
    zlib.error,
)


def _members(path: Path, archive: np.lib.npyio.NpzFile) -> Iterator[tuple[str, Array]]:
    assert archive.zip is not None  # it is open
    texts = set(archive.zip.namelist()) & set(archive.files)  # names that do not end in .npy
    for name in archive.files:
        try:
            array = archive[name]
        except ValueError as error:
            if "pickle" not in str(error):
                raise
            raise UnreadableFile(
                f"{path}: its array {name} holds Python objects; wanted numbers, written with "
                "numpy.savez"
            ) from None
        if isinstance(array, np.ndarray):
            yield name, array
        elif name not in texts:
            raise UnreadableFile(
                f"{path}: its member {name}.npy is no array; write the file with numpy.savez"
            )


def take(path: Path, arrays: Arrays, *names: str) -> list[Array]:
    """The arrays of these names.

    Raises:
        InvalidDataset: one is missing.
    """
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidDataset(
            f"{path}: no array {', '.join(missing)}; found {', '.join(sorted(arrays)) or 'none'}"
        )
    return [arrays[name] for name in names]


def misfit(path: Path, name: str, array: Array, requirement: str) -> InvalidDataset:
    """The error about an array of another shape or type than wanted."""
    return InvalidDataset(f"{path}: {name} is {array.shape} of {array.dtype}; wanted {requirement}")


def offsets(path: Path, name: str, ptr: Array, rows: int) -> list[int]:
    """Offsets `[G + 1]` that cut `rows` rows.

    Raises:
        InvalidDataset: they decrease, or do not go from 0 to `rows`.
    """
    good = ptr.ndim == 1 and len(ptr) > 0 and ptr.dtype.kind in INTEGERS
    if not good or ptr[0] != 0 or ptr[-1] != rows or (np.diff(ptr.astype(np.int64)) < 0).any():
        raise InvalidDataset(
            f"{path}: {name} must not decrease, from 0 to {rows:,}, the rows it cuts; "
            f"found {ptr.shape} of {ptr.dtype}, {ptr.reshape(-1)[:1]} to {ptr.reshape(-1)[-1:]}"
        )
    starts: list[int] = ptr.tolist()
    return starts


def columns(path: Path, name: str, values: Array) -> Tensor:
    """`[N, F]` float32, or int64 categories; `[N]` is one column.

    Raises:
        InvalidDataset: they are no numbers, or have no column.
    """
    if values.dtype.kind not in NUMBERS or values.ndim == 0 or 0 in values.shape[1:]:
        raise misfit(
            path, name, values, "numbers [rows] or [rows, columns], with at least one column"
        )
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    return torch.from_numpy(rows.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def one_hot(path: Path, name: str, categories: Tensor) -> Tensor:
    """Categories `[N, F]` as columns of 0 and 1, side by side.

    Raises:
        InvalidDataset: they are too many for that.
        InvalidFeatures: one is negative.
    """
    if not len(categories):
        return torch.zeros(0, categories.size(1))
    if int(categories.min()) < 0:
        raise InvalidFeatures(
            f"{path}: {name} holds the category {int(categories.min())}; wanted 0, 1, ..."
        )
    counts = [int(top) + 1 for top in categories.amax(dim=0)]
    _fits(f"{path}: {name} has {sum(counts):,} categories", len(categories), sum(counts))
    dense = torch.zeros(len(categories), sum(counts))
    first = torch.tensor([0, *counts[:-1]]).cumsum(0)
    return dense.scatter_(1, categories + first, 1.0)


def sparse_rows(path: Path, arrays: Arrays) -> Tensor:
    """`x_indptr`, `x_indices`, `x_values` and `num_features` as `[N, F]` float32.

    Raises:
        InvalidDataset: they do not fit each other.
    """
    ptr, at, values, width = take(path, arrays, "x_indptr", "x_indices", "x_values", "num_features")
    if width.size != 1 or width.dtype.kind not in INTEGERS:
        raise misfit(path, "num_features", width, "one integer")
    if at.ndim != 1 or at.dtype.kind not in INTEGERS:
        raise misfit(path, "x_indices", at, "integers [K]")
    if values.shape != at.shape or values.dtype.kind not in NUMBERS:
        raise misfit(path, "x_values", values, f"numbers [{len(at)}], as many as x_indices")
    starts, count = offsets(path, "x_indptr", ptr, len(at)), int(width.item())
    rows = len(starts) - 1
    _fits(f"{path}: num_features is {count:,}", rows, count)
    if len(at) and not (at.min() >= 0 and at.max() < count):
        raise InvalidDataset(
            f"{path}: x_indices holds {at.min()} to {at.max()}; wanted 0 to {count - 1}"
        )
    dense = np.zeros((rows, count), dtype=np.float32)
    dense[np.repeat(np.arange(rows), np.diff(starts)), at.astype(np.int64)] = values
    return torch.from_numpy(dense)


def _fits(problem: str, rows: int, count: int) -> None:
    """Refuse a wrong size before memory for it is asked for."""
    most = min(_WIDEST, _LARGEST // max(rows, 1))
    if not 1 <= count <= most:
        raise InvalidDataset(f"{problem}; wanted 1 to {most:,}, as {rows:,} rows are made dense")


def label_tensor(path: Path, name: str, values: Array) -> Tensor:
    """`[n]` or `[n, T]` float32, or int64 classes.

    Raises:
        InvalidDataset: they are no numbers, or not one row each.
    """
    if values.dtype.kind not in NUMBERS or values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise misfit(path, name, values, "numbers, one row per label")
    return torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def index_tensor(path: Path, name: str, pairs: Array, *, by_row: bool = False) -> Tensor:
    """Pairs of vertices as `[2, E]` int64; `by_row`: they are there as `[E, 2]`.

    Raises:
        InvalidDataset: they are no such pairs of integers.
    """
    two = pairs.ndim == 2 and pairs.shape[1 if by_row else 0] == 2
    if not two or pairs.dtype.kind not in INTEGERS:
        raise misfit(path, name, pairs, f"integers {'[E, 2]' if by_row else '[2, E]'}, in pairs")
    rows = pairs.T if by_row else pairs
    return torch.from_numpy(np.ascontiguousarray(rows).astype(np.int64))
