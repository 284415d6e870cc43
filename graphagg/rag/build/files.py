"""Files of a new version that are written part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.build.blocks import Blocks
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile, preallocate


def save(folder: Path, name: str, array: Array) -> None:
    """Write a whole array."""
    ArtifactWriter(folder).array(name, array)


def write_columns(
    folder: Path, table: str, columns: Mapping[str, Any], parts: Iterable[Sequence[Array]]
) -> None:
    """Write the columns of a table as `<table>.<column>`.

    Args:
        folder: of the version.
        table: begins the names of the files.
        columns: the type of each, in the order of the parts.
        parts: the columns, part by part.
    """
    files = [GrowingFile(folder / f"{table}.{n}.npy", dtype) for n, dtype in columns.items()]
    for part in parts:
        for file, values in zip(files, part, strict=True):
            file.append(values)
    for file in files:
        file.close()


def join(blocks: Blocks, folder: Path, name: str, dtype: Any, width: tuple[int, ...] = ()) -> None:
    """Write an array of all blocks, one after another."""
    file = GrowingFile(folder / f"{name}.npy", dtype, width=width)
    for i in range(len(blocks)):
        file.append(blocks.array(i, name))
    file.close()


def join_bounds(blocks: Blocks, folder: Path, name: str) -> None:
    """Write `<name>.bounds` of the lengths `<name>.lengths` of all blocks."""
    write_bounds(
        folder, f"{name}.bounds", (blocks.array(i, f"{name}.lengths") for i in range(len(blocks)))
    )


def write_bounds(folder: Path, name: str, lengths: Iterable[Array]) -> None:
    """Write where each of consecutive ranges begins, and where the last ends; int64."""
    file, total = GrowingFile(folder / f"{name}.npy", np.int64), 0
    file.append(np.zeros(1, np.int64))
    for part in lengths:
        file.append(total + np.cumsum(part, dtype=np.int64))
        total += int(part.sum())
    file.close()


class Allocated:
    """Makes the arrays of a view: in files of the version, which are mapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, dtype: type[np.generic], length: int) -> Array:
        """Array `name`, of zeros."""
        path = self._folder / f"view.{name}.npy"
        preallocate(path, dtype, (length,))
        if not length:  # an empty file cannot be mapped
            return np.zeros(0, dtype)
        return np.asarray(np.load(path, mmap_mode="r+", allow_pickle=False))
