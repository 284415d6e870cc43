"""Blocks: `.npy` files that tasks write into a folder which they share with the driver."""

from __future__ import annotations

import json
import os
import re
import time
from glob import escape
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import JobFailed
from graphagg.store.work import write_json


class AnyBlocks(Protocol):
    """Arrays that tasks write, a block at a time, and other tasks read."""

    def begin(self) -> None:
        """Start a run: tasks of earlier runs may write no more."""

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write the arrays of a block; whole or not at all, also when a task runs twice."""

    def check_run(self) -> None:
        """Raise `JobFailed` where a newer run writes."""

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block."""

    def map(self, stage: str, block: int, name: str) -> Array:
        """An array of a block, memory-mapped."""

    def remove(self, stage: str) -> None:
        """Remove the blocks of a stage, where there are any."""

    def note(self, stage: str, block: int, value: Any) -> None:
        """Note that a block is complete, with what is known of it."""

    def noted(self, stage: str, block: int) -> Any:
        """What `note` wrote; None: nothing."""


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

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write the arrays of a block; whole or not at all, also when a task runs twice.

        Raises:
            JobFailed: a newer run has begun; the block is left as it was.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            path = self._path(stage, block, name)
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

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block."""
        array: Array = np.load(self._path(stage, block, name), allow_pickle=False)
        return array

    def map(self, stage: str, block: int, name: str) -> Array:
        """An array of a block, memory-mapped."""
        path = self._path(stage, block, name)
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def note(self, stage: str, block: int, value: Any) -> None:
        """Note that a block is complete, with what is known of it."""
        write_json(self._note(stage, block), value)

    def noted(self, stage: str, block: int) -> Any:
        """What `note` wrote; None: nothing."""
        note = self._note(stage, block)
        return json.loads(note.read_text(encoding="utf-8")) if note.exists() else None

    def _note(self, stage: str, block: int) -> Path:
        return self.folder / f"{stage}.{block:06d}.json"

    def remove(self, stage: str) -> None:
        """Remove the blocks of a stage, where there are any."""
        for path in self.folder.glob(f"{escape(stage)}.[0-9]*.npy"):
            if _BLOCK.fullmatch(path.name[len(stage) :]):
                path.unlink(missing_ok=True)

    def _path(self, stage: str, block: int, name: str) -> Path:
        return self.folder / f"{stage}.{block:06d}.{name}.npy"


_RUNS = ".runs"
_BLOCK = re.compile(r"\.[0-9]{6,}\.[^.]+\.npy")
