"""Arrays that tasks lay down piece by piece, and their joining into the `.npy` files of an index.

A piece is what one task computed of every array of a stage. Joined, the files are byte for byte
what one process would write of the concatenated arrays. Arrays of bounds (`<name>.bounds` of
`<name>`, `<name>.offsets` of `<name>.utf8`) count from the first piece on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.spark.blocks import Blocks, preallocate, write_range
from graphagg.spark.tasks import Stats, run_tasks
from graphagg.store import ArtifactWriter
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BOUNDS = {".bounds": "", ".offsets": ".utf8"}


class PieceWriter(ArtifactWriter):
    """Takes what an `ArtifactWriter` would write, and keeps it in memory.

    Attributes:
        arrays: by name, without `.npy`.
    """

    def __init__(self) -> None:
        super().__init__(Path())
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, array: Array) -> None:
        """Keep array `name`."""
        self.arrays[name] = array


class Pieces:
    """The pieces of a stage.

    Args:
        blocks: where they lie.
        stage: their name there.
    """

    def __init__(self, blocks: Blocks, stage: str) -> None:
        self.blocks, self.stage = blocks, stage

    def save(self, number: int, arrays: Mapping[str, Array], **more: int) -> Stats:
        """Write a piece; the lengths of its arrays, by name, and `more`.

        A piece is known only when all of it is written.
        """
        self.blocks.save(self.stage, number, **arrays)
        stats = {name: len(array) for name, array in arrays.items()} | more
        note = self._note(number)
        partial = note.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(stats), encoding="utf-8")
        os.replace(partial, note)
        return stats

    def known(self, number: int) -> Stats | None:
        """What `save` returned, if the piece was written before."""
        note = self._note(number)
        if not note.exists():
            return None
        found: Stats = json.loads(note.read_text(encoding="utf-8"))
        return found

    def array(self, number: int, name: str) -> Array:
        """An array of a piece."""
        return self.blocks.load(self.stage, number, name)

    def strings(self, number: int, name: str) -> StringTable:
        """A string table of a piece."""
        data = self.array(number, f"{name}.utf8")
        return StringTable(data, self.array(number, f"{name}.offsets"))

    def _note(self, number: int) -> Path:
        return self.blocks.folder / f"{self.stage}.{number:06d}.json"

    def join(
        self,
        spark: SparkSession,
        stats: Sequence[Stats],
        folder: Path,
        names: Sequence[str],
        bounds: Mapping[str, str] | None = None,
    ) -> None:
        """Write `<name>.npy` for each name: the pieces one after another, a task a piece.

        Args:
            spark: the session.
            stats: of all pieces, in order; their `block` is the number of the piece.
            folder: where the files go.
            names: which arrays.
            bounds: which of them count in another one, where their name does not tell.
        """
        if not stats:
            raise ValueError(f"stage {self.stage} has no pieces")
        owners = {name: owner for name in names if (owner := _counted(name, bounds or {}))}
        starts = {name: _starts([s[name] - (name in owners) for s in stats]) for name in names}
        bases = {name: _starts([s[owner] for s in stats]) for name, owner in owners.items()}
        numbers = [s["block"] for s in stats]
        for name in names:
            like = self.array(numbers[0], name)
            rows = starts[name][-1] + (name in owners)
            preallocate(folder / f"{name}.npy", like.dtype, (rows, *like.shape[1:]))

        def place(i: int) -> Stats:
            for name in names:
                array, start = self.array(numbers[i], name), starts[name][i]
                if name in owners:
                    array, start = array[1:] + bases[name][i], start + 1
                write_range(folder / f"{name}.npy", start, array)
            return {}

        run_tasks(spark, len(stats), place)


def _counted(name: str, given: Mapping[str, str]) -> str | None:
    """The array that an array of bounds counts in; None for any other array."""
    if name in given:
        return given[name]
    for suffix, of in _BOUNDS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix) + of
    return None


def _starts(lengths: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(np.array(lengths, np.int64)).tolist()]


def mapped(path: Path) -> Any:
    """A `.npy` file, memory-mapped; an empty one cannot be mapped and is read."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape = np.lib.format.read_array_header_1_0(file)[0]
    empty = 0 in shape
    return np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
