"""The arrays of the blocks of a build: in memory, or in folders that outlast a killed build."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.build.block import Arrays
from graphagg.store import writing
from graphagg.store.reading import map_array
from graphagg.store.strings import StringTable


class Blocks:
    """The arrays of several blocks by name.

    Args:
        folder: where they lie; None: in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: list[Arrays] = []
        self._places: list[Path] = []

    def __len__(self) -> int:
        return len(self._kept) + len(self._places)

    def add(self, name: str, make: Callable[[], Arrays]) -> bool:
        """Add a block, unless there are files of this name already: then those; whether so."""
        if self._folder is None:
            self._kept.append(make())
            return False
        place = self._folder / name
        self._places.append(place)
        if place.exists():
            return True
        part = self._folder / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for array_name, array in make().items():
            np.save(part / f"{array_name}.npy", array, allow_pickle=False)
            writing.sync(part / f"{array_name}.npy")
        os.rename(part, place)
        writing.sync(self._folder)
        return False

    def array(self, i: int, name: str) -> Array:
        """An array of block `i`; mapped, where it is in a file."""
        if self._folder is None:
            return self._kept[i][name]
        return map_array(self._places[i] / f"{name}.npy")

    def strings(self, i: int, name: str) -> StringTable:
        """A table of strings of block `i`."""
        return StringTable(self.array(i, f"{name}.utf8"), self.array(i, f"{name}.offsets"))

    def every(self, name: str) -> Sequence[StringTable]:
        """A table of strings of each block."""
        return [self.strings(i, name) for i in range(len(self))]

    def forget(self) -> None:
        """Remove the files, and the folder around theirs where nothing else is in it."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(OSError):
                self._folder.parent.rmdir()


def block_name(recorded: object, digests: Array, vectors: Array | None) -> str:
    """The name of a block: a digest of all that its arrays follow from.

    Args:
        recorded: models and parameters, as JSON.
        digests: `[p, 32]` of its passages.
        vectors: `[p, d]`, those that are given.
    """
    found = hashlib.sha256(json.dumps(recorded, sort_keys=True).encode())
    for part in (digests, vectors):
        if part is not None:
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()[:32]
