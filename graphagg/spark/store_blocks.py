"""Blocks on a store: an object an array, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import time
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import JobFailed
from graphagg.spark.files import store_of
from graphagg.spark.scratch import scratch_folder
from graphagg.store.remote.addresses import Address
from graphagg.store.remote.files import Store, in_parallel

_RUNS = ".runs"
_BLOCK = re.compile(r"\.[0-9]{6,}\.[^.]+\.npy")


class StoreBlocks:
    """What `Blocks` is on a shared disk, below an address.

    Args:
        place: the address.
        run: what names the scratch folder of this run on every machine.
    """

    def __init__(self, place: Address, run: str) -> None:
        self.place, self.run = place, run
        self._number = 0

    @property
    def _store(self) -> Store:
        return store_of(self.place)

    def begin(self) -> None:
        """Start a run: tasks of earlier runs may write no more."""
        self._number = max(self._newest_run() + 1, time.time_ns())
        self._store.write(f"{_RUNS}/{self._number}", b"")

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Put the arrays of a block.

        Raises:
            JobFailed: a newer run has begun; the block is left as it was.
        """
        self.check_run()

        def put(name: str) -> None:
            content = io.BytesIO()
            array = np.ascontiguousarray(arrays[name])
            np.lib.format.write_array(content, array, allow_pickle=False)
            self._store.write(_name(stage, block, name), content.getvalue())

        in_parallel(put, list(arrays))

    def check_run(self) -> None:
        """Raise `JobFailed` where a newer run writes: the tasks of this one may write no more."""
        if self._newest_run() > self._number:
            raise JobFailed(f"{self.place}: the job was submitted again; this run is over")

    def _newest_run(self) -> int:
        names = self._store.listed(_RUNS)
        return max((int(name.rpartition("/")[2]) for name in names), default=0)

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block."""
        content = io.BytesIO(self._store.read(_name(stage, block, name)))
        array: Array = np.lib.format.read_array(content, allow_pickle=False)
        return array

    def map(self, stage: str, block: int, name: str) -> Array:
        """An array of a block, brought to this machine and mapped."""
        path = scratch_folder(self.run) / f"blocks.{_name(stage, block, name)}"
        if not path.exists():
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            partial.write_bytes(self._store.read(_name(stage, block, name)))
            os.replace(partial, path)
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def remove(self, stage: str) -> None:
        """Remove the blocks of a stage, where there are any."""
        names = self._store.listed()
        own = [name for name in names if name.startswith(f"{stage}.")]
        self._store.remove(name for name in own if _BLOCK.fullmatch(name[len(stage) :]))

    def note(self, stage: str, block: int, value: Any) -> None:
        """Note that a block is complete, with what is known of it."""
        self._store.write(f"{stage}.{block:06d}.json", json.dumps(value).encode())

    def noted(self, stage: str, block: int) -> Any:
        """What `note` wrote; None: nothing."""
        try:
            return json.loads(self._store.read(f"{stage}.{block:06d}.json"))
        except FileNotFoundError:
            return None


def _name(stage: str, block: int, name: str) -> str:
    return f"{stage}.{block:06d}.{name}.npy"
