"""Blocks: `.npy` files that tasks write into a folder which they share with the driver."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import JobFailed


class Blocks:
    """A folder of `.npy` files that tasks write and other tasks read.

    A driver may be killed while its tasks run on. Once the job was submitted again, perhaps with
    other partitions, they may write no more: each looks for a newer run before it renames a file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = 0

    def begin(self) -> None:
        """Start a run: tasks of earlier runs may write no more."""
        self._run = max(self._newest_run() + 1, time.time_ns())
        runs = self.folder / _RUNS
        runs.mkdir(parents=True, exist_ok=True)
        (runs / str(self._run)).touch()

    def save(self, stage: str, number: int, **arrays: Array) -> None:
        """Write the arrays of a block; whole or not at all, also when a task runs twice.

        Raises:
            JobFailed: a newer run has begun; the block is left as it was.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            path = self._path(stage, number, name)
            partial = path.with_suffix(f".{os.getpid()}.part")
            with partial.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
            try:
                self.check_run()
            except JobFailed:
                partial.unlink()
                raise
            os.replace(partial, path)

    def check_run(self) -> None:
        """Raise `JobFailed` where a newer run writes: the tasks of this one may write no more."""
        if self._newest_run() > self._run:
            raise JobFailed(f"{self.folder}: the job was submitted again; this run is over")

    def _newest_run(self) -> int:
        try:
            return max(map(int, os.listdir(self.folder / _RUNS)), default=0)
        except FileNotFoundError:
            return 0

    def load(self, stage: str, number: int, name: str) -> Array:
        """An array of a block."""
        array: Array = np.load(self._path(stage, number, name), allow_pickle=False)
        return array

    def map(self, stage: str, number: int, name: str) -> Array:
        """An array of a block, memory-mapped."""
        path = self._path(stage, number, name)
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def _path(self, stage: str, number: int, name: str) -> Path:
        return self.folder / f"{stage}.{number:06d}.{name}.npy"


_RUNS = ".runs"


def write_json(path: Path, value: Any) -> None:
    """Write a file of JSON; whole or not at all, also when two processes write it."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(value), encoding="utf-8")
    os.replace(partial, path)


def preallocate(path: Path, dtype: Any, shape: Sequence[int]) -> None:
    """Make a `.npy` file of zeros, for tasks to write their ranges into.

    Its disk blocks are allocated now: on a full disk, a task that writes into a mapped hole of the
    file would be killed by SIGBUS without a message.
    """
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
        np.lib.format.write_array_header_1_0(
            file, header | {"fortran_order": False, "shape": tuple(shape)}
        )
        size = file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, size)


def write_range(path: Path, start: int, values: Array) -> None:
    """Write rows `start` to `start + len(values)` of a preallocated `.npy` file."""
    if len(values):
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[start : start + len(values)] = values
        target.flush()
