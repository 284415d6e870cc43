"""Logs of jobs on stderr: `time level job stage message`.

Each finished stage logs a line. `spark-submit` redirects the stderr of Python to its own stdout;
lines therefore go to stderr through its JVM.
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

    from graphagg.cli.builds.build import LogLevel

_SPARK: dict[LogLevel, str] = {
    "debug": "INFO", "info": "WARN", "warning": "ERROR", "error": "ERROR",
}  # fmt: skip
_LOGGER = logging.getLogger("graphagg.jobs")


def start_logging(job: str, level: LogLevel) -> None:
    """Log to stderr from now on."""
    line = f"%(asctime)s %(levelname)s {job} %(stage)s %(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%SZ", defaults={"stage": "-"})
    formatter.converter = time.gmtime
    handler = _JvmHandler() if SUBMITTED in os.environ else logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    _LOGGER.handlers[:] = [handler]
    _LOGGER.propagate = False
    _LOGGER.setLevel(level.upper())


class _JvmHandler(logging.Handler):
    """Write lines to the stderr of the JVM that runs this Python process."""

    def __init__(self) -> None:
        super().__init__()
        from pyspark.java_gateway import launch_gateway

        gateway: Any = launch_gateway()  # type: ignore[no-untyped-call]
        self._stderr = gateway.jvm.java.lang.System.err

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, to this process's stderr if the JVM has ended."""
        try:
            self._stderr.println(self.format(record))
        except Exception:  # Py4J's
            print(self.format(record), file=sys.stderr)


def follow(spark: SparkSession, level: LogLevel) -> None:
    """Set Spark's log level to the job's; a Connect server keeps its own."""
    if is_classic(spark):
        spark.sparkContext.setLogLevel(_SPARK[level])


def say(message: str, *values: object, stage: str = "-", level: int = logging.INFO) -> None:
    """Log a line."""
    _LOGGER.log(level, message, *values, extra={"stage": stage})


class StageLog:
    """A `Progress` that logs each finished stage with its seconds.

    `stages` are all stages of the job in order, `finished` those of an earlier run.
    """

    def __init__(self, stages: Sequence[str], finished: Sequence[str] = ()) -> None:
        self.stages = tuple(stages)
        self.finished = list(finished)
        self._since = time.monotonic()
        if finished:
            say("%d of %d stages were finished before", len(finished), len(stages))

    @property
    def current(self) -> str:
        """The stage after the last finished one; stages without work are never reported."""
        done = [self.stages.index(stage) for stage in self.finished]
        return self.stages[min(max(done, default=-1) + 1, len(self.stages) - 1)]

    @property
    def place(self) -> str:
        """The current stage, as `name (n of m)`."""
        return f"{self.current} ({self.stages.index(self.current) + 1} of {len(self.stages)})"

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Log a stage when it is done."""
        if done < total or stage not in self.stages or stage in self.finished:
            say("%s: %d of %d", stage, done, total, stage=self.current, level=logging.DEBUG)
            return
        now = time.monotonic()
        self.finished.append(stage)
        rank = self.stages.index(stage) + 1
        say("stage %d of %d done, %.1f s", rank, len(self.stages), now - self._since, stage=stage)
        self._since = now
