"""Run a build as a command, or as a Spark job that logs its stages.

Exit codes of a job: 0 if it is done or nothing was to do, 2 for invalid input, 1 for a failed run,
130 for Ctrl-C. A failed job keeps its finished stages in the work folder, unless the input is
invalid.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import typer

from graphagg.cli.builds.build import Build, LogLevel, RunOptions
from graphagg.cli.builds.log import StageLog, follow, pulse, say, start_logging
from graphagg.cli.builds.plan import check, plan_of, print_plan
from graphagg.cli.options import command, with_flags
from graphagg.cli.output.console import (
    Built,
    Meter,
    current_version,
    err,
    print_built,
    progress_report,
)
from graphagg.errors import GraphAggError
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions, work_of
from graphagg.spark.job import finished
from graphagg.spark.session import session, settings_as_environment

_INTERRUPTED = 130


def build_command(build: type[Build]) -> Callable[..., None]:
    """The command that builds an index, for typer."""
    return command(_function(build, as_job=False), table=build.name, fixed={"log_level": "info"})


def main(build: type[Build]) -> None:
    """Run a build as a job of Spark: `spark-submit jobs/X.py --option ...`; never returns."""
    run_alone(build.name, job_command(build))


def run_alone(name: str, job: Callable[..., None]) -> None:
    """Run a job with the arguments of this process; never returns."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(job)
    try:
        settings_as_environment()
        app(prog_name=f"{name}.py")
    except GraphAggError as error:
        start_logging(name, "error")
        message = with_flags(str(error), typer.main.get_command(app))
        say("%s error: %s", type(error).__name__, message, level=logging.ERROR)
        sys.exit(error.exit_code)


def job_command(build: type[Build]) -> Callable[..., None]:
    """The Spark job that builds an index, for typer."""
    return command(
        _function(build, as_job=True),
        table=build.name,
        fixed={"engine": "spark"},
        hidden=build.local_only,
        positional=False,
    )


def _function(kind: type[Build], *, as_job: bool) -> Callable[..., None]:
    def function(build: Any, run: RunOptions) -> None:
        (run_job if as_job else run_build)(build, run)

    function.__annotations__ |= {"build": kind}
    function.__doc__ = (kind.__doc__ or "").partition("\n")[0]
    return function


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
        if level is None or not isinstance(progress, StageLog):
            return build.build(run, progress, engine)
        follow(spark, level)
        with pulse(spark, progress):
            return build.build(run, progress, engine)


def merge_indices(
    index_class: Any, shards: Sequence[PathLike[str]], out: PathLike[str], as_json: bool
) -> None:
    """Merge indices with progress on stderr, and print the sizes of the result."""
    meter, before = Meter(), current_version(out)
    with progress_report() as progress:
        with index_class.merge(shards, out, progress=progress) as index:
            built = Built.of(index.manifest)
    print_built(out, built, before, meter, as_json)


# --- jobs ----------------------------------------------------------------------------------------


def run_job(build: Build, run: RunOptions) -> None:
    """Run a build with Spark and log its stages; raises `typer.Exit` if it fails."""
    start_logging(build.name, run.log_level)
    with _exit_codes(build, run, None):
        if run.dry_run:
            print_plan(plan_of(build, run), run.json)
            return
        check(build, run)
    meter, before, stages = Meter(), current_version(run.out), build.stages()
    log = StageLog(stages, () if run.force else finished(work_of(run.out, run.work), stages))
    with _exit_codes(build, run, log):
        built = _by_spark(build, run, log, run.log_level)
        if before is not None and before == current_version(run.out):
            say("nothing to do: the index has this input and these parameters")
        for note in built.notes:
            say("%s", note)
        print_built(run.out, built, before, meter, run.json)


@contextmanager
def _exit_codes(build: Build, run: RunOptions, log: StageLog | None) -> Iterator[None]:
    """Context manager: turn exceptions of a job into a log line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        _end(f"interrupted{_place(run, log)}", _INTERRUPTED)
    except OSError as error:
        _end(f"{error.filename or 'file system'}: {error.strerror or error}{_place(run, log)}", 1)
    except GraphAggError as error:
        app = typer.Typer()
        app.command()(job_command(type(build)))
        message = with_flags(str(error), typer.main.get_command(app))
        message = f"{type(error).__name__} error: {message}"
        if error.exit_code == 1:
            message += _place(run, log)
        if run.log_level == "debug":
            traceback.print_exception(error)
        elif error.exit_code == 1:
            message += " (--log-level debug shows the traceback)"
        _end(message, error.exit_code)


def _place(run: RunOptions, log: StageLog | None) -> str:
    """The stage in which a job ended, and how to continue."""
    if log is None:
        return ""
    folder = work_of(run.out, run.work)
    left = f"finished stages stay in {folder}, and the same command continues from there"
    if isinstance(folder, Path) and not folder.exists():
        left = "the same command starts from the beginning"
    return f", in stage {log.place}; {left}"


def _end(message: str, code: int) -> NoReturn:
    say("%s", message, level=logging.ERROR)
    raise typer.Exit(code) from None
