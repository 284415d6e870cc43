"""Arrays of `.npz` files: read without pickle, checked, and converted to tensors.

Errors name the file and the array, its shape and type, and the expected ones.
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
from graphagg.errors import InvalidDataset, UnreadableFile

Arrays = dict[str, Array]

INTEGERS, NUMBERS = "iu", "iufb"  # kinds of dtypes, as numpy's letters


def load_arrays(path: Path) -> Arrays:
    """All arrays of an `.npz` file; other members, such as a text, are left out.

    Raises `UnreadableFile` if it is missing, not `.npz`, broken, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":  # else numpy reads it as a pickle
                raise UnreadableFile(
                    f"{path}: no .npz file, which is a zip archive of arrays; write it with "
                    "graphagg.nn.save_npz (of PyG's Data) or numpy.savez"
                )
        with np.load(path, allow_pickle=False) as archive:
            return dict(_members(path, archive))
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except _BROKEN as error:
        why = "" if "pickle" in str(error) else f" ({error})"  # numpy advises to allow pickles
        raise UnreadableFile(
            f"{path}: not readable as .npz{why}; write it with numpy.savez"
        ) from None


# RuntimeError: encrypted; MemoryError: an impossible shape.
_BROKEN = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


def _members(path: Path, archive: np.lib.npyio.NpzFile) -> Iterator[tuple[str, Array]]:
    assert archive.zip is not None
    texts = set(archive.zip.namelist()) & set(archive.files)  # members without .npy
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
    """The arrays of these names; `InvalidDataset` if one is missing."""
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidDataset(
            f"{path}: no array {', '.join(missing)}; found {', '.join(sorted(arrays)) or 'none'}"
        )
    return [arrays[name] for name in names]


def misfit(path: Path, name: str, array: Array, requirement: str) -> InvalidDataset:
    """The error for an array of a wrong shape or type."""
    return InvalidDataset(f"{path}: {name} is {array.shape} of {array.dtype}; wanted {requirement}")


def offsets(path: Path, name: str, ptr: Array, rows: int) -> list[int]:
    """Check that offsets `[G + 1]` ascend from 0 to `rows`; else `InvalidDataset`."""
    good = ptr.ndim == 1 and len(ptr) > 0 and ptr.dtype.kind in INTEGERS
    if not good or ptr[0] != 0 or ptr[-1] != rows or (np.diff(ptr.astype(np.int64)) < 0).any():
        raise InvalidDataset(
            f"{path}: {name} must not decrease, from 0 to {rows:,}, the rows it cuts; "
            f"found {ptr.shape} of {ptr.dtype}, {ptr.reshape(-1)[:1]} to {ptr.reshape(-1)[-1:]}"
        )
    starts: list[int] = ptr.tolist()
    return starts


def columns(path: Path, name: str, values: Array) -> Tensor:
    """Convert to `[N, F]` float32, or int64 categories; `[N]` is one column."""
    if values.dtype.kind not in NUMBERS or values.ndim == 0 or 0 in values.shape[1:]:
        raise misfit(
            path, name, values, "numbers [rows] or [rows, columns], with at least one column"
        )
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    return torch.from_numpy(rows.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def label_tensor(path: Path, name: str, values: Array) -> Tensor:
    """Convert to `[n]` or `[n, T]` float32, or int64 classes."""
    if values.dtype.kind not in NUMBERS or values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise misfit(path, name, values, "numbers, one row per label")
    return torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def index_tensor(path: Path, name: str, pairs: Array) -> Tensor:
    """Convert pairs of vertices to `[2, E]` int64."""
    if pairs.ndim != 2 or len(pairs) != 2 or pairs.dtype.kind not in INTEGERS:
        raise misfit(path, name, pairs, "integers [2, E], in pairs")
    return torch.from_numpy(pairs.astype(np.int64))
