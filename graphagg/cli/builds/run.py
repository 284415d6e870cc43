"""Runs a build in this process, or as a Spark job that logs its stages.

Exit codes of a job: 0 if it succeeded or there was nothing to do, 2 for invalid input, 1 for a
failed run, 130 for Ctrl-C. A failed job keeps its finished stages in the work folder, unless the
input is invalid.
"""

from __future__ import annotations

import logging
import platform
import traceback
from glob import glob
from pathlib import Path
from typing import Any

from graphagg import __version__
from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.builds.log import StageLog, follow, say, start_logging
from graphagg.cli.failures import FAILURES
from graphagg.cli.output import console
from graphagg.cli.output.console import current_version, resources
from graphagg.errors import GraphAggError, InvalidParameter, UnreadableFile
from graphagg.spark.build import SparkOptions, work_of
from graphagg.spark.job import finished
from graphagg.spark.session import session
from graphagg.spark.sources import seen_path
from graphagg.spark.storage import storage_at
from graphagg.spark.tasks import task_peak
from graphagg.store.addresses import parse_location
from graphagg.store.writing import SUMMARY, check_root


def run_build(build: Build, run: RunOptions) -> None:
    """Run a build in this process or with Spark."""
    if run.dry_run:
        _check(build, run)
        stages = build.stages() if run.engine == "spark" else ()
        done = finished(work_of(run.out, run.work), stages)
        states = {name: "finished" if name in done else "to do" for name in stages}
        text = "\n".join(["input and output are valid", *map(": ".join, states.items())])
        console.show({"input": build.source, "out": run.out, "stages": states}, text, run.json)
    elif run.engine == "spark":
        _run_job(build, run)
    else:
        _run_here(build, run)


def _run_here(build: Build, run: RunOptions) -> None:
    before = current_version(run.out)
    with console.progress_report() as progress:
        built = build.build(run, progress, None)
    console.print_built(run.out, built, before, run.json)
    for note in () if run.json else built.notes:
        console.err.print(note, markup=False, soft_wrap=True)


def _run_job(build: Build, run: RunOptions) -> None:
    """Run a build with Spark and log its stages; an error names the stage in which it occurred."""
    start_logging(build.name, run.log_level)
    log = None
    try:
        _check(build, run)
        before, stages = current_version(run.out), build.stages()
        job = build.job()
        work = work_of(run.out, run.work)
        log = StageLog(stages, () if run.force else finished(work, stages))
        with session(f"graphagg {build.name}", run.master, run.remote) as spark:
            size = getattr(build, build.task_size, None)
            follow(spark, run.log_level)
            built = build.build(run, log, SparkOptions(spark, run.work, size))
        unchanged = before is not None and before == current_version(run.out)
        if unchanged:
            say("nothing to do: the index was built from this input with these parameters")
        for note in built.notes:
            say("%s", note)
        console.print_built(run.out, built, before, run.json)
        parameters = {name: value for name, value in job.items() if name != "source"}
        _write_summary(
            run, job=build.name, input=build.source, unchanged=unchanged, parameters=parameters,
            rows=built.rows(), counts=built.counts, stages=log.done,
        )  # fmt: skip
    except FAILURES as error:
        if log is not None and getattr(error, "exit_code", 1) == 1:
            error.add_note(_place(run, log))
        if run.log_level == "debug":
            traceback.print_exception(error)
        elif getattr(error, "exit_code", 0) == 1:
            error.add_note("--log-level debug shows the traceback")
        raise


def _check(build: Build, run: RunOptions) -> None:
    """Check input and output before a session starts.

    Raises:
        UnreadableFile: the input does not exist.
        ArtifactError: the output is a file, or a folder with other content.
        GraphAggError: the first rows of the input are invalid, or columns are missing.
    """
    for source in [build.source] if isinstance(build.source, str) else build.source:
        path = seen_path(source)
        if path is not None and not path.exists() and not glob(str(path), recursive=True):
            raise UnreadableFile(f"{source}: no such file; check the path")
    target = parse_location(run.out)
    if isinstance(target, Path):
        check_root(target)
    build.check()


def _write_summary(run: RunOptions, **facts: Any) -> None:
    """Write `_summary.json` into the output of a job; log a warning if this fails."""
    import pyspark

    versions = {
        "graphagg": __version__, "python": platform.python_version(), "spark": pyspark.__version__,
    }  # fmt: skip
    used = resources() | {"task_peak_memory_mib": round(task_peak() / 2**20, 1)}
    summary = {"out": run.out, **facts, **used, "versions": versions}
    try:
        place = parse_location(run.out)
        if isinstance(place, Path) and seen_path(run.out) is None:
            raise InvalidParameter("only Spark can access this path")
        storage_at(place).write_json(SUMMARY, summary)
    except (GraphAggError, OSError) as error:
        say("%s: no summary written (%s): %s", run.out, error, summary, level=logging.WARNING)


def _place(run: RunOptions, log: StageLog) -> str:
    """Return a note with the stage in which a job stopped, and how to continue."""
    folder = work_of(run.out, run.work)
    advice = f"finished stages stay in {folder}; run the same command to continue from there"
    if isinstance(folder, Path) and not folder.exists():
        advice = "the same command starts from the beginning"
    return f"it stopped in stage {log.place}; {advice}"
