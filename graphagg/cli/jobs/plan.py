"""What a job would do: its stages, its tasks, and the sizes to expect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from graphagg.cli.jobs.sizes import Input
from graphagg.cli.output.console import current_version, out, print_json
from graphagg.spark.job import finished, recall, work_folder


@dataclass(frozen=True)
class Expected:
    """A size that is reckoned from the input.

    Attributes:
        what: of what.
        bytes: the size.
        formula: how, in words.
    """

    what: str
    bytes: int
    formula: str


@dataclass(frozen=True)
class Plan:
    """The plan of a job.

    Attributes:
        job: its name.
        input: what is known of the input.
        index: the folder.
        state: `none`, `current` or `not known` (whether the index there is of this input).
        work: the folder of the unfinished job.
        finished: stages that a job before has finished.
        stages: all stages, each with how many tasks it has.
        expected: sizes.
    """

    job: str
    input: Input
    index: str
    state: str
    work: str
    finished: tuple[str, ...]
    stages: dict[str, int]
    expected: tuple[Expected, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def make_plan(
    name: str,
    directory: Path,
    kind: str,
    job: dict[str, Any],
    source: Input,
    stages: dict[str, int],
    expected: Sequence[Expected],
) -> Plan:
    """The plan of a job; `job` is what it would claim its work folder with."""
    state = "none" if current_version(directory) is None else "not known"
    if recall(directory, kind, job) is not None:
        state = "current"
    work = work_folder(directory)
    done = tuple(finished(work, tuple(stages)))
    return Plan(name, source, str(directory), state, str(work), done, stages, tuple(expected))


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print a plan; what it rests on stands beside each figure."""
    if as_json:
        print_json(plan.to_json())
        return
    state = {
        "none": "no index yet",
        "current": "of this very input and these parameters: nothing to do",
        "not known": "an index is there; whether it is of this input shows when it is read",
    }[plan.state]
    write: Callable[[str], None] = lambda text: out.print(text, markup=False)  # noqa: E731
    write(f"{plan.job}: {plan.input.describe()}")
    write(f"{plan.index}: {state}")
    write(f"{plan.work}: {len(plan.finished)} of {len(plan.stages)} stages finished")
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "tasks", "state"):
        table.add_column(column, justify="right" if column == "tasks" else "left")
    for stage, tasks in plan.stages.items():
        table.add_row(stage, f"{tasks:,}", "finished" if stage in plan.finished else "to do")
    out.print(table)
    for size in plan.expected:
        write(f"{size.what}: about {_readable(size.bytes)} ({size.formula})")


def _readable(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.4g} TB"
