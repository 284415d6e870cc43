"""Logging of jobs on stderr: `time level job stage message`.

Each finished stage logs a line. `spark-submit` redirects Python's stderr to its own stdout, so the
lines are written to the stderr of its JVM.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphagg.spark.session import SUBMITTED, is_classic

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from graphagg.cli.builds.build import JobLogLevel

_SPARK: dict[JobLogLevel, str] = {
    "debug": "INFO", "info": "WARN", "warning": "ERROR", "error": "ERROR",
}  # fmt: skip
_TRACES = (
    "executor.Executor", "scheduler.TaskSetManager", "sql.execution.datasources", "util.Utils",
    "api.python.PythonRunner",
)  # fmt: skip
"""Loggers of Spark that print the stack traces of tasks."""
_LOGGER = logging.getLogger("graphagg.jobs")


def start_logging(job: str, level: JobLogLevel) -> None:
    """Configure logging to stderr."""
    line = f"%(asctime)s %(levelname)s {job} %(stage)s %(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%SZ", defaults={"stage": "-"})
    formatter.converter = time.gmtime
    handler = _JvmHandler() if SUBMITTED in os.environ else logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    _LOGGER.handlers[:] = [handler]
    _LOGGER.propagate = False
    _LOGGER.setLevel(level.upper())


class _JvmHandler(logging.Handler):
    """Writes log lines to the stderr of the JVM that started this Python process."""

    def __init__(self) -> None:
        super().__init__()
        from pyspark.java_gateway import launch_gateway

        gateway: Any = launch_gateway()  # type: ignore[no-untyped-call]
        self._stderr = gateway.jvm.java.lang.System.err

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; use this process's stderr if the JVM has ended."""
        try:
            self._stderr.println(self.format(record))
        except Exception:  # raised by Py4J
            print(self.format(record), file=sys.stderr)


def follow(spark: SparkSession, level: JobLogLevel) -> None:
    """Set Spark's log level to that of the job, unless a Connect server runs it."""
    if not is_classic(spark):
        return
    spark.sparkContext.setLogLevel(_SPARK[level])
    if level != "debug":  # the job logs the error of a task once, in one line
        log4j: Any = spark.sparkContext._jvm.org.apache.logging.log4j  # type: ignore[union-attr]
        for name in _TRACES:
            log4j.core.config.Configurator.setLevel(f"org.apache.spark.{name}", log4j.Level.OFF)


def say(message: str, *values: object, stage: str = "-", level: int = logging.INFO) -> None:
    """Log a line."""
    _LOGGER.log(level, message, *values, extra={"stage": stage})


def log_failure(job: str, message: str) -> None:
    """Log the error that ended a job."""
    start_logging(job, "error")
    say("%s", message, level=logging.ERROR)


class StageLog:
    """A `Progress` that logs each finished stage with its seconds.

    `stages` are all stages of the job in order; `finished` are the stages that an earlier run
    finished. `done` has the seconds of each stage.
    """

    def __init__(self, stages: Sequence[str], finished: Sequence[str] = ()) -> None:
        self.done: list[dict[str, Any]] = []
        self.stages = tuple(stages)
        self.finished = list(finished)
        self._since = time.monotonic()
        if finished:
            say("%d of %d stages are already finished", len(finished), len(stages))

    @property
    def place(self) -> str:
        """The stage after the last finished one, as `name (n of m)`; empty stages are skipped."""
        done = [self.stages.index(stage) for stage in self.finished]
        rank = min(max(done, default=-1) + 1, len(self.stages) - 1)
        return f"{self.stages[rank]} ({rank + 1} of {len(self.stages)})"

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Log a stage when it is finished."""
        if done < total or stage not in self.stages or stage in self.finished:
            say("%d of %d", done, total, stage=stage, level=logging.DEBUG)
            return
        now = time.monotonic()
        self.finished.append(stage)
        rank = self.stages.index(stage) + 1
        seconds = now - self._since
        say("stage %d of %d done, %.1f s", rank, len(self.stages), seconds, stage=stage)
        self.done.append({"stage": stage, "seconds": round(seconds, 1)})
        self._since = time.monotonic()
