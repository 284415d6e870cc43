"""`--dry-run`: the plan of a build, without reading all of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path
from typing import Any

from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.output.console import current_version, show
from graphagg.errors import UnreadableFile
from graphagg.spark.build import recall, work_of
from graphagg.spark.job import finished
from graphagg.spark.sources import seen_path
from graphagg.store.addresses import parse_location
from graphagg.store.work import local_path
from graphagg.store.writing import check_root

_STATES = {
    "none": "no index yet",
    "current": "an index of this input and these parameters: nothing to do",
    "not known": "an index exists; the build compares its input",
}


def plan_of(build: Build, run: RunOptions) -> dict[str, Any]:
    """The plan of a build as JSON; raises the errors of `check`."""
    source, job = check(build, run), build.job()
    state = "none" if current_version(run.out) is None else "not known"
    if recall(parse_location(run.out), build.kind, job) is not None:
        state = "current"
    work = work_of(run.out, run.work)
    stages = build.stages() if run.engine == "spark" else ()
    return {
        "job": build.name,
        "engine": run.engine,
        "master": run.remote or run.master,
        "input": source,
        "index": str(run.out),
        "state": state,
        "parameters": {name: value for name, value in job.items() if name != "source"},
        "work": str(work),
        "stages": stages,
        "finished": finished(work, stages),
    }


def check(build: Build, run: RunOptions) -> dict[str, Any]:
    """Check input and output before a session starts; returns path and size of the input.

    Raises:
        UnreadableFile: the input does not exist.
        ArtifactError: the output is a file, or a folder with other content.
        GraphAggError: the first rows of the input are wrong, or columns are missing.
    """
    source = _measure(build.source, seen_path if run.engine == "spark" else local_path)
    target = parse_location(run.out)
    if isinstance(target, Path):
        check_root(target)
    build.check(run.engine == "spark")
    return source


def _measure(source: str | list[str], path_of: Callable[[str], Path | None]) -> dict[str, Any]:
    sources = [source] if isinstance(source, str) else source
    names = ", ".join(sources)
    files: list[Path] = []
    for each in sources:
        path = path_of(each)
        if path is None:
            return {"path": names, "files": None, "bytes": None}
        matches = [path] if path.exists() else map(Path, sorted(glob(str(path), recursive=True)))
        below = [file for match in matches for file in _files(match)]
        if not below:
            raise UnreadableFile(f"{each}: no such file, or an empty folder; check the path")
        files += below
    return {"path": names, "files": len(files), "bytes": sum(f.stat().st_size for f in files)}


def _files(path: Path) -> Iterator[Path]:
    """The file, or all files below the folder that are not hidden."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file() and (file == path or not file.name.startswith((".", "_"))):
            yield file


def print_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print a plan."""
    source, state = plan["input"], _STATES[plan["state"]]
    has_size = source["files"] is not None
    size = "{files:,} file(s), {bytes:,} bytes" if has_size else "size unknown: only Spark reads it"
    described = {
        "input": f"{source['path']}: {size.format(**source)}",
        "index": f"{plan['index']}: {state}",
    }
    rows = {**plan, **described, **plan["parameters"]}
    rows |= {s: "finished" if s in plan["finished"] else "to do" for s in plan["stages"]}
    hidden = ("parameters", "stages", "finished", "state")
    text = "\n".join(f"{name}: {value}" for name, value in rows.items() if name not in hidden)
    show(plan, text, as_json)
