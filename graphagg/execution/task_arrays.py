"""Arrays that the tasks of a stage write, and their concatenation.

Each task writes its share of every array. Arrays of bounds (`<name>.bounds` of `<name>`,
`<name>.offsets` of `<name>.utf8`) are shifted on concatenation, to count from the first task on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphagg.arrays import Array, offsets
from graphagg.execution.arrays import ArrayStore
from graphagg.execution.blocks import Blocks
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.store.strings import StringTable

_BOUNDED = {"bounds": "", "offsets": ".utf8"}
"""Ends of the names of bounds, and of the arrays that they count in."""
_WIDTH = "width of "


class TaskArrays:
    """The arrays that the tasks of a stage write; file names begin with `stage`."""

    def __init__(self, blocks: Blocks, stage: str) -> None:
        self.blocks, self.stage = blocks, stage

    def save(self, block: int, arrays: Mapping[str, Array], **more: int) -> Stats:
        """Write the arrays of task `block`, then a note that it is complete.

        Returns the length and item size of each array, and `more`.
        """
        self.blocks.save(self.stage, block, **arrays)
        stats: Stats = {name: len(array) for name, array in arrays.items()} | more
        stats |= {_WIDTH + name: array.itemsize for name, array in arrays.items()}
        self.blocks.note(self.stage, block, stats)
        return stats

    def known(self, block: int) -> Stats | None:
        """The result of `save` in an earlier run; None if the task had not finished."""
        stats: Stats | None = self.blocks.noted(self.stage, block)
        return stats

    def array(self, block: int, name: str) -> Array:
        """An array of task `block`."""
        return self.blocks.load(self.stage, block, name)

    def map(self, block: int, name: str) -> Array:
        """An array of task `block`, memory-mapped if it is in a file."""
        return self.blocks.map(self.stage, block, name)

    def strings(self, block: int, name: str) -> StringTable:
        """A string table of task `block`."""
        data = self.map(block, f"{name}.utf8")
        return StringTable(data, self.map(block, f"{name}.offsets"))

    def widest(self, stats: Sequence[Stats], name: str) -> Array:
        """The array of the task with the widest dtype."""
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

        `stats` are the results of `save`, in the order of the result; `bounds` maps an array of
        bounds to the array whose rows it counts, if their names do not match.
        """
        assert stats, f"stage {self.stage} has no arrays to join"
        owners = {name: owner for name in names if (owner := _counted(name, bounds or {}))}
        # Bounds are one longer than what they bound; each task's first repeats the one before.
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
    """The array that an array of bounds counts in; None for any other array."""
    if name in bounds:
        return bounds[name]
    stem, dot, suffix = name.rpartition(".")
    return stem + _BOUNDED[suffix] if dot and suffix in _BOUNDED else None


def _starts(lengths: Sequence[int]) -> list[int]:
    return list(map(int, offsets(lengths)))  # Python integers: they go to tasks
