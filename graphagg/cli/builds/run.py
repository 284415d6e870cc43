"""Run a build as a command, or as a Spark job that logs its stages.

Exit codes of a job: 0 if it is done or nothing was to do, 2 for invalid input, 1 for a failed run,
130 for Ctrl-C. A failed job keeps its finished stages in the work folder, unless the input is
invalid.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphagg.cli.builds.build import Build, LogLevel, RunOptions
from graphagg.cli.builds.log import StageLog, follow, say, start_logging
from graphagg.cli.builds.plan import check, plan_of, print_plan
from graphagg.cli.failures import FAILURES
from graphagg.cli.output.console import (
    Built,
    Meter,
    current_version,
    err,
    print_built,
    progress_report,
)
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions, work_of
from graphagg.spark.job import finished
from graphagg.spark.session import session


def run_build(build: Build, run: RunOptions) -> None:
    """Run a build, with progress on stderr; or only print its plan."""
    if run.dry_run:
        print_plan(plan_of(build, run), run.json)
        return
    meter, before = Meter(), current_version(run.out)
    with progress_report() as progress:
        if run.engine == "spark":
            check(build, run)
            built = _by_spark(build, run, progress)
        else:
            built = build.build(run, progress, None)
    print_built(run.out, built, before, meter, run.json)
    if not run.json:
        for note in built.notes:
            err.print(note, markup=False, soft_wrap=True)


def _by_spark(
    build: Build, run: RunOptions, progress: Progress, level: LogLevel | None = None
) -> Built:
    with session(f"graphagg {build.name}", run.master, run.remote) as spark:
        engine = SparkOptions(spark, run.work, getattr(build, build.task_size, None))
        if level is not None:
            follow(spark, level)
        return build.build(run, progress, engine)


def merge_indices(index_class: Any, shards: Sequence[str], out: str, as_json: bool) -> None:
    """Merge indices with progress on stderr, and print the sizes of the result."""
    meter, before = Meter(), current_version(out)
    with progress_report() as progress:
        with index_class.merge(shards, out, progress=progress) as index:
            built = Built.of(index.manifest)
    print_built(out, built, before, meter, as_json)


# --- jobs ----------------------------------------------------------------------------------------


def run_job(build: Build, run: RunOptions) -> None:
    """Run a build with Spark and log its stages; an error names the stage in which it came."""
    start_logging(build.name, run.log_level)
    log = None
    try:
        if run.dry_run:
            print_plan(plan_of(build, run), run.json)
            return
        check(build, run)
        meter, before, stages = Meter(), current_version(run.out), build.stages()
        log = StageLog(stages, () if run.force else finished(work_of(run.out, run.work), stages))
        built = _by_spark(build, run, log, run.log_level)
        if before is not None and before == current_version(run.out):
            say("nothing to do: the index has this input and these parameters")
        for note in built.notes:
            say("%s", note)
        print_built(run.out, built, before, meter, run.json)
    except FAILURES as error:
        if log is not None and getattr(error, "exit_code", 1) == 1:
            error.add_note(_place(run, log))
        if run.log_level == "debug":
            traceback.print_exception(error)
        elif getattr(error, "exit_code", 0) == 1:
            error.add_note("--log-level debug shows the traceback")
        raise


def _place(run: RunOptions, log: StageLog) -> str:
    """The stage in which a job ended, and how to continue."""
    folder = work_of(run.out, run.work)
    left = f"finished stages stay in {folder}, and the same command continues from there"
    if isinstance(folder, Path) and not folder.exists():
        left = "the same command starts from the beginning"
    return f"it ended in stage {log.place}; {left}"
