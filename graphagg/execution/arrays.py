"""Named arrays of a build, in memory or in files, with the same values.

Arrays over all rows have a name; tasks write ranges of them. Arrays of a block (a piece of a graph,
the output of a task) have a stage, a number and a name; see `graphagg.execution.blocks`. The blocks
of all tasks are concatenated. Arrays of offsets (`<name>.bounds` for `<name>`, `<name>.offsets` for
`<name>.utf8`) are shifted, so that they count from the first task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.execution.blocks import Blocks, MemoryBlocks
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile, map_array, preallocate, take_rows, write_range
from graphagg.store.strings import StringTable
from graphagg.store.work import FolderStorage
from graphagg.store.writing import ArrayWriter

_BOUNDED = {"bounds": "", "offsets": ".utf8"}
"""Maps the name suffix of an array of offsets to the suffix of the array that it indexes."""
_WIDTH = "width of "


class ArrayStore(Protocol):
    """The arrays of a build."""

    @property
    def folder(self) -> Path | None:
        """The folder of the arrays; None if they are in memory or on a store."""

    @property
    def blocks(self) -> Blocks:
        """The arrays of blocks."""

    @property
    def writer(self) -> ArrayWriter:
        """Writer for whole arrays and string tables."""

    def write_whole(self, arrays: Mapping[str, Array]) -> None:
        """Write whole arrays, by name."""

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Create an array of zeros; `write` fills its ranges."""

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows from `start` up to `start + len(rows)`."""

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append after the first `length` values of an array; return the new length."""

    def map(self, name: str) -> Array:
        """Map a complete array."""

    def select(self, name: str, rows: Array, columns: slice = slice(None)) -> Array:
        """Return some rows, ascending, and some of their columns."""

    def exists(self, name: str) -> bool:
        """Whether an array with this name exists."""

    def drop(self, name: str) -> None:
        """Remove an array, and the blocks of a stage with this name."""

    def gather(self, writer: ArtifactWriter, names: Iterable[str]) -> None:
        """Copy the named arrays that exist to the folder of a new version."""


class MemoryArrays:
    """Arrays in memory."""

    folder = None

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.blocks = MemoryBlocks()
        self._parts: dict[str, list[Array]] = {}

    @property
    def writer(self) -> MemoryArrays:
        """Writer for whole arrays."""
        return self

    def array(self, name: str, array: Array) -> None:
        """Store array `name`."""
        self.arrays[name] = array

    def strings(self, name: str, strings: Iterable[str]) -> None:
        """Store string table `name`."""
        table = StringTable.pack(strings)
        self.arrays |= {f"{name}.utf8": table.data, f"{name}.offsets": table.offsets}

    def write_whole(self, arrays: Mapping[str, Array]) -> None:
        """Store whole arrays, by name."""
        self.arrays.update(arrays)

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Create an array of zeros; `write` fills its ranges."""
        self.arrays[name] = np.zeros(shape, dtype)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows from `start` up to `start + len(rows)`."""
        self.arrays[name][start : start + len(rows)] = rows

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append after the first `length` values of an array; return the new length."""
        self._parts.setdefault(name, []).append(values)
        return length + len(values)

    def map(self, name: str) -> Array:
        """Map a complete array."""
        if name in self._parts:
            self.arrays[name] = np.concatenate(self._parts.pop(name))
        return self.arrays[name]

    def select(self, name: str, rows: Array, columns: slice = slice(None)) -> Array:
        """Return some rows, ascending, and some of their columns."""
        return np.asarray(self.arrays[name][rows, columns])

    def exists(self, name: str) -> bool:
        """Whether an array with this name exists."""
        return name in self.arrays or name in self._parts

    def drop(self, name: str) -> None:
        """Remove an array, and the blocks of a stage with this name."""
        self.arrays.pop(name, None)
        self.blocks.remove(name)

    def gather(self, writer: ArtifactWriter, names: Iterable[str]) -> None:
        """Write the named arrays that exist to the folder of a new version."""
        for name in filter(self.exists, names):
            writer.array(name, self.map(name))


class FileArrays:
    """Memory-mapped `.npy` files in a folder; `StoreArrays` uses objects of a store instead."""

    def __init__(self, folder: Path | None, blocks: Blocks | None = None) -> None:
        self.folder = folder
        self.blocks = blocks or Blocks(FolderStorage(self._local_folder / "blocks"))

    @property
    def writer(self) -> ArtifactWriter:
        """Writer for whole arrays."""
        return ArtifactWriter(self._local_folder)

    @property
    def _local_folder(self) -> Path:
        assert self.folder is not None, "the arrays are on a store"
        return self.folder

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Create an array of zeros; `write` fills its ranges."""
        preallocate(self.path(f"{name}.npy"), dtype, shape)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows from `start` on; raise `JobFailed` if a newer run of the job has begun."""
        self.blocks.check_run()
        write_range(self.path(f"{name}.npy"), start, rows)

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append after the first `length` values of an array; return the new length."""
        file = GrowingFile(self.path(f"{name}.npy"), dtype, length)
        file.append(values)
        file.close()
        return file.length

    def map(self, name: str) -> Array:
        """Map a complete array, read-only."""
        return map_array(self.path(f"{name}.npy"))

    array = map

    def strings(self, name: str) -> StringTable:
        """Map a complete string table."""
        return StringTable(self.map(f"{name}.utf8"), self.map(f"{name}.offsets"))

    def __contains__(self, file_name: str) -> bool:
        return self.exists(file_name.removesuffix(".npy"))

    def select(self, name: str, rows: Array, columns: slice = slice(None)) -> Array:
        """Return some rows, ascending; only a part of the file is in memory at a time."""
        return take_rows(self.map(name), rows, columns)

    def exists(self, name: str) -> bool:
        """Whether an array with this name exists."""
        return self.path(f"{name}.npy").exists()

    def drop(self, name: str) -> None:
        """Remove an array, and the blocks of a stage with this name."""
        self._remove(name)
        self.blocks.remove(name)

    def _remove(self, name: str) -> None:
        self.path(f"{name}.npy").unlink(missing_ok=True)

    def write_whole(self, arrays: Mapping[str, Array | StringTable]) -> None:
        """Write whole arrays and string tables, by name."""
        with self.written() as folder:
            writer = ArtifactWriter(folder)
            for name, array in arrays.items():
                if isinstance(array, StringTable):
                    writer.strings(name, array)
                else:
                    writer.array(name, array)

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Context manager: a local folder; files written to it are kept."""
        yield self._local_folder

    def path(self, file_name: str) -> Path:
        """Return the local path of a file."""
        return self._local_folder / file_name

    def gather(self, writer: ArtifactWriter, names: Iterable[str] | None = None) -> None:
        """Copy arrays to the folder of a new version: those of `names` that exist, or all."""
        if names is None:
            files = self._all_files()
        else:
            files = [f"{name}.npy" for name in filter(self.exists, names)]
        for file_name in files:
            self._publish(file_name, writer)

    def _publish(self, file_name: str, writer: ArtifactWriter) -> None:
        if self._local_folder != writer.folder.absolute():
            writer.link(self.path(file_name), file_name)

    def _all_files(self) -> list[str]:
        return sorted(path.name for path in self._local_folder.iterdir() if path.is_file())


class TaskArrays:
    """The arrays that the tasks of a stage write; file names start with `stage`."""

    def __init__(self, blocks: Blocks, stage: str) -> None:
        self.blocks, self.stage = blocks, stage

    def save(self, block: int, arrays: Mapping[str, Array], **more: int) -> Stats:
        """Write the arrays of task `block`, then mark it as complete.

        Returns the length and item size of each array, and `more`.
        """
        self.blocks.save(self.stage, block, **arrays)
        stats: Stats = {name: len(array) for name, array in arrays.items()} | more
        stats |= {_WIDTH + name: array.itemsize for name, array in arrays.items()}
        self.blocks.note(self.stage, block, stats)
        return stats

    def known(self, block: int) -> Stats | None:
        """Return the result of `save` in an earlier run; None if the task did not finish."""
        stats: Stats | None = self.blocks.noted(self.stage, block)
        return stats

    def array(self, block: int, name: str) -> Array:
        """Read an array of task `block`."""
        return self.blocks.load(self.stage, block, name)

    def map(self, block: int, name: str) -> Array:
        """Read an array of task `block`, memory-mapped if it is in a file."""
        return self.blocks.map(self.stage, block, name)

    def strings(self, block: int, name: str) -> StringTable:
        """Map a string table of task `block`."""
        data = self.map(block, f"{name}.utf8")
        return StringTable(data, self.map(block, f"{name}.offsets"))

    def widest(self, stats: Sequence[Stats], name: str) -> Array:
        """Return the array of the task with the widest dtype."""
        widest = max(stats, key=lambda each: int(each[_WIDTH + name]))
        return self.map(widest["block"], name)

    def join(
        self,
        runner: TaskRunner,
        stats: Sequence[Stats],
        target: ArrayStore,
        names: Sequence[str],
        bounds: Mapping[str, str] | None = None,
    ) -> None:
        """Concatenate the named arrays of all tasks into `target`, with the widest dtype of each.

        `stats` are the results of `save`, in the order of the output; `bounds` maps an array of
        offsets to the array that it indexes, if their names do not match.
        """
        assert stats, f"stage {self.stage} has no arrays to join"
        owners = {name: owner for name in names if (owner := _counted(name, bounds or {}))}
        # n parts have n + 1 offsets; the first offset of a task equals the last one before it.
        starts = {name: _starts([s[name] - (name in owners) for s in stats]) for name in names}
        bases = {name: _starts([s[owner] for s in stats]) for name, owner in owners.items()}
        tasks = [s["block"] for s in stats]
        for name in names:
            like = self.widest(stats, name)
            rows = starts[name][-1] + (name in owners)
            target.create(name, like.dtype, (rows, *like.shape[1:]))

        def write(i: int) -> None:
            for name in names:
                array, start = self.array(tasks[i], name), starts[name][i]
                if name in owners:
                    array, start = array[1:] + bases[name][i], start + 1
                target.write(name, start, array)

        runner.run(len(stats), write)


def _counted(name: str, bounds: Mapping[str, str]) -> str | None:
    """Return the name of the array that an array of offsets indexes; None for other arrays."""
    if name in bounds:
        return bounds[name]
    stem, dot, suffix = name.rpartition(".")
    return stem + _BOUNDED[suffix] if dot and suffix in _BOUNDED else None


def _starts(lengths: Sequence[int]) -> list[int]:
    return list(map(int, offsets(lengths)))  # Python integers, since they are sent to tasks
