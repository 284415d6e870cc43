"""Running a job: the plan or the work, logged, with the exit code that its end has.

0: done, also where nothing was to do. 2: input that must change. 1: a failed run, also of Spark.
130: Ctrl-C. What was finished stays in the work folder, except where the input is at fault.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from graphagg.cli.jobs.log import LogLevel, StageLog, follow, say, start_logging
from graphagg.cli.jobs.options import Common
from graphagg.cli.jobs.plan import Plan, print_plan
from graphagg.cli.output.console import current_version, print_json
from graphagg.errors import GraphAggError
from graphagg.progress import Progress
from graphagg.spark.job import finished, work_folder
from graphagg.spark.session import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_INTERRUPTED = 130


@dataclass(frozen=True)
class Job:
    """A job with its options.

    Attributes:
        name: as the script is called.
        stages: in their order.
        plan: what it would do.
        build: does it; what it made, for `--json`.
        line: says the same in words.
    """

    name: str
    stages: tuple[str, ...]
    plan: Callable[[], Plan]
    build: Callable[[SparkSession, Progress], dict[str, Any]]
    line: Callable[[dict[str, Any]], str]


def run(job: Job, common: Common) -> None:
    """Plan or run a job; raises `typer.Exit` with the exit code."""
    start_logging(job.name, common.level)
    if common.dry_run:
        with _exit_codes(common, None):
            print_plan(job.plan(), common.json)
        return
    before = [] if common.force else finished(work_folder(common.out), job.stages)
    log = StageLog(job.stages, before)
    version = current_version(common.out)
    with _exit_codes(common, log):
        with session(f"graphagg {job.name}", common.master, common.remote) as spark:
            follow(spark, common.level)
            made = job.build(spark, log)
        unchanged = version is not None and version == current_version(common.out)
        if unchanged:
            say("nothing to do: the index is of this input and these parameters")
        if common.json:
            print_json({"index": str(common.out), "unchanged": unchanged, **made})
        else:
            print(f"{'unchanged: ' if unchanged else ''}{common.out}: {job.line(made)}")


@contextmanager
def _exit_codes(common: Common, log: StageLog | None) -> Iterator[None]:
    """Turn the end of a job into a line on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        _end(f"interrupted{_where(common, log)}", _INTERRUPTED)
    except OSError as error:
        what = f"{error.filename or 'file system'}: {error.strerror or error}"
        _end(what + _where(common, log), 1)
    except GraphAggError as error:
        message = f"{type(error).__name__} error: {error}"
        if error.exit_code == 1:
            message += _where(common, log)
        if common.level is LogLevel.debug:
            traceback.print_exception(error)
        elif error.exit_code == 1:
            message += " (--log-level debug shows the traceback)"
        _end(message, error.exit_code)


def _where(common: Common, log: StageLog | None) -> str:
    """The stage that a run ended in, and what is left of it."""
    if log is None:
        return ""
    folder = work_folder(common.out)
    left = f"what is finished stays in {folder}, and the same command goes on from there"
    if not folder.exists():
        left = "the same command starts anew"
    return f", in stage {log.place}; {left}"


def _end(message: str, code: int) -> NoReturn:
    say("%s", message, level=logging.ERROR)
    raise typer.Exit(code) from None


def main(command: Callable[..., None], name: str) -> None:
    """Run a job by the command line, the environment and the TOML file; never returns."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name, context_settings={"auto_envvar_prefix": "GRAPHAGG"})(command)
    try:
        app(prog_name=f"{name}.py")
    except GraphAggError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
