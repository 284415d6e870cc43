"""The dry run: what a build would do, as far as it is known without reading the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from glob import glob
from pathlib import Path
from typing import Any

from rich.table import Table

from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.output.console import current_version, out, print_json
from graphagg.errors import UnreadableFile
from graphagg.spark.build import recall, work_of
from graphagg.spark.job import finished
from graphagg.store.addresses import parse_location
from graphagg.store.work import local_path
from graphagg.store.writing import check_root

_STATES = {
    "none": "no index yet",
    "current": "an index of this very input and these parameters: nothing to do",
    "not known": "an index is there; whether it is of this input shows when it is read",
}


@dataclass(frozen=True)
class Plan:
    """The plan of a build.

    Attributes:
        job: its name.
        engine: `local` or `spark`.
        master: where Spark runs; None: what spark-submit says.
        input: path, and how many files of how many bytes; None where only Spark can read it.
        index: the folder.
        state: `none`, `current` or `not known` (whether the index there is of this input).
        parameters: what the index is built with.
        work: the folder of the unfinished job of Spark.
        stages: of Spark, in their order; none in process.
        finished: stages that an earlier job finished.
    """

    job: str
    engine: str
    master: str | None
    input: dict[str, Any]
    index: str
    state: str
    parameters: dict[str, Any]
    work: str
    stages: tuple[str, ...]
    finished: tuple[str, ...]


def plan_of(build: Build, run: RunOptions) -> Plan:
    """The plan of a build; raises what `check` raises."""
    source, job = check(build, run), build.job()
    state = "none" if current_version(run.out) is None else "not known"
    if recall(parse_location(run.out), build.kind, job) is not None:
        state = "current"
    work = work_of(run.out, run.work)
    stages = build.stages() if run.engine == "spark" else ()
    parameters = {name: value for name, value in job.items() if name != "source"}
    return Plan(
        build.name, run.engine, run.remote or run.master, source, str(run.out), state, parameters,
        str(work), stages, tuple(finished(work, stages)),
    )  # fmt: skip


def check(build: Build, run: RunOptions) -> dict[str, Any]:
    """Check what can be known before a session starts, and before anything is claimed.

    Returns:
        The path of the input, and how many files of how many bytes; see `Plan.input`.

    Raises:
        UnreadableFile: the input is not there.
        ArtifactError: the output is a file, or a folder that holds something else.
        GraphAggError: the first rows of the input are wrong, or name no known columns.
    """
    source = _measure(build.source)
    target = parse_location(run.out)
    if isinstance(target, Path):
        check_root(target)
    build.check()
    return source


def _measure(source: str | list[str]) -> dict[str, Any]:
    sources = [source] if isinstance(source, str) else source
    shown = ", ".join(sources)
    files: list[Path] = []
    for each in sources:
        path = local_path(each)
        if path is None:
            return {"path": shown, "files": None, "bytes": None}
        matches = [path] if path.exists() else map(Path, sorted(glob(str(path), recursive=True)))
        below = [file for match in matches for file in _files(match)]
        if not below:
            raise UnreadableFile(f"{each}: no such file, or no file in it; check the path")
        files += below
    return {"path": shown, "files": len(files), "bytes": sum(f.stat().st_size for f in files)}


def _files(path: Path) -> Iterator[Path]:
    """The file, or all files below the folder that are not hidden."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file() and (file == path or not file.name.startswith((".", "_"))):
            yield file


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        print_json(asdict(plan))
        return
    size = "sizes are not known: only Spark reads it"
    if plan.input["files"] is not None:
        size = "{files:,} file(s), {bytes:,} bytes".format(**plan.input)
    where = f" at {plan.master}" if plan.master else ""
    lines = [
        f"{plan.job}, engine {plan.engine}{where}",
        f"input {plan.input['path']}: {size}",
        f"index {plan.index}: {_STATES[plan.state]}",
        *(f"{name}: {value}" for name, value in plan.parameters.items()),
    ]
    if plan.stages:
        done = f"{len(plan.finished)} of {len(plan.stages)} stages finished"
        lines.append(f"work folder {plan.work}: {done}")
    for line in lines:
        out.print(line, markup=False)
    if plan.stages:
        table = Table("stage", "state", box=None, pad_edge=False)
        for stage in plan.stages:
            table.add_row(stage, "finished" if stage in plan.finished else "to do")
        out.print(table)
