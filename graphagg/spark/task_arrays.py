"""Arrays of which each task writes a share, and their joining into the `.npy` files of an index.

Each task writes its share of every array of a stage. Joined, the arrays are byte for byte what one
process would write of the concatenated arrays. Arrays of bounds (`<name>.bounds` of `<name>`,
`<name>.offsets` of `<name>.utf8`) are shifted: joined, they count from the first task on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphagg.arrays import Array, offsets
from graphagg.spark.blocks import Blocks
from graphagg.spark.files import Files
from graphagg.spark.tasks import Stats, run_tasks
from graphagg.store import ArtifactWriter
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BOUNDED = {"bounds": "", "offsets": ".utf8"}
"""Suffixes of the names of bounds, and of the arrays that the bounds count in."""
_WIDTH = "width of "


class ArrayCollector(ArtifactWriter):
    """An `ArtifactWriter` that keeps arrays in memory in place of writing them.

    Args:
        folder: for files of other kinds; None: there are none.

    Attributes:
        arrays: by name, without `.npy`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder or Path())
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, array: Array) -> None:
        """Keep array `name`."""
        self.arrays[name] = array


class TaskArrays:
    """The arrays that the tasks of a stage write.

    Args:
        blocks: where tasks write.
        stage: name of the stage, which begins the names of its files.
    """

    def __init__(self, blocks: Blocks, stage: str) -> None:
        self.blocks, self.stage = blocks, stage

    def save(self, task: int, arrays: Mapping[str, Array], **more: int) -> Stats:
        """Write the arrays of task `task`; the last file written says that all are there.

        Returns:
            The length of each array, by name, `more`, and the bytes of a value of each.
        """
        self.blocks.save(self.stage, task, **arrays)
        stats: Stats = {name: len(array) for name, array in arrays.items()} | more
        stats |= {_WIDTH + name: array.itemsize for name, array in arrays.items()}
        self.blocks.note(self.stage, task, stats)
        return stats

    def known(self, task: int) -> Stats | None:
        """Read the result of `save`; None if the task has not finished before."""
        stats: Stats | None = self.blocks.noted(self.stage, task)
        return stats

    def array(self, task: int, name: str) -> Array:
        """An array of task `task`."""
        return self.blocks.load(self.stage, task, name)

    def strings(self, task: int, name: str) -> StringTable:
        """A string table of task `task`."""
        data = self.array(task, f"{name}.utf8")
        return StringTable(data, self.array(task, f"{name}.offsets"))

    def join(
        self,
        spark: SparkSession,
        stats: Sequence[Stats],
        files: Files,
        names: Sequence[str],
        bounds: Mapping[str, str] | None = None,
    ) -> None:
        """Write `<name>.npy` for each name: the tasks' arrays one after another, by as many tasks.

        Where their types differ, as narrow integers do, the widest holds all.

        Args:
            spark: the session.
            stats: results of `save`, in the order of the joined arrays; `block` is the task.
            files: where the arrays go.
            names: which arrays.
            bounds: for arrays of bounds whose name does not tell, the array that they count in.
        """
        assert stats, f"stage {self.stage} has no arrays to join"
        owners = {name: owner for name in names if (owner := _counted(name, bounds or {}))}
        # Bounds are one longer than what they bound; each task's first repeats the one before.
        starts = {name: _starts([s[name] - (name in owners) for s in stats]) for name in names}
        bases = {name: _starts([s[owner] for s in stats]) for name, owner in owners.items()}
        tasks = [s["block"] for s in stats]
        for name in names:
            widest = max(range(len(stats)), key=lambda i: stats[i][_WIDTH + name])
            like = self.array(tasks[widest], name)
            rows = starts[name][-1] + (name in owners)
            files.create(name, like.dtype, (rows, *like.shape[1:]))

        def write(i: int) -> Stats:
            for name in names:
                array, start = self.array(tasks[i], name), starts[name][i]
                if name in owners:
                    array, start = array[1:] + bases[name][i], start + 1
                files.write(name, start, array)
            return {}

        run_tasks(spark, len(stats), write)


def _counted(name: str, bounds: Mapping[str, str]) -> str | None:
    """The array that an array of bounds counts in; None for any other array."""
    if name in bounds:
        return bounds[name]
    stem, dot, suffix = name.rpartition(".")
    return stem + _BOUNDED[suffix] if dot and suffix in _BOUNDED else None


def _starts(lengths: Sequence[int]) -> list[int]:
    return list(map(int, offsets(lengths)))  # Python integers: they go to tasks
