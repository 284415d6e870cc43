"""Failures of Spark, as the errors of graphagg that they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from graphagg import errors
from graphagg.errors import GraphAggError, JobFailed, WriteFailed

_ERROR_LINE = re.compile(r"graphagg\.errors\.(\w+): (.*)")


@contextmanager
def named_errors() -> Iterator[None]:
    """Raise what a task found wrong with its input as the error of graphagg that it is.

    Raises:
        WriteFailed: a disk is full.
        JobFailed: anything else for which Spark gave up.
    """
    try:
        yield
    except Exception as failure:
        if isinstance(failure, GraphAggError) or not _is_of_spark(failure):
            raise
        named = _named(str(failure))
        if named is not None:
            raise named from None
        if any(words in str(failure) for words in _FULL):
            raise WriteFailed(
                f"a task found no room on the disk ({cause(failure)}); the index that was there "
                "is unchanged. Make room where the index and spark.local.dir lie; the same "
                "command then goes on after the last finished stage"
            ) from failure
        raise JobFailed(f"Spark gave up: {cause(failure)}") from failure


_FULL = ("No space left on device", "Disk quota exceeded")
"""What Python and Java both say."""


def _is_of_spark(failure: Exception) -> bool:
    """PySpark's own errors, and those of the ways to its JVM or server."""
    names = {kind.__module__.partition(".")[0] for kind in type(failure).__mro__}
    return bool(names & {"pyspark", "py4j", "grpc"}) or isinstance(failure, ConnectionError)


def cause(failure: BaseException) -> str:
    """One line that says what went wrong, out of the traceback of a failure of Spark."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    for found in map(_CAUSE_LINE.match, reversed(lines)):
        if found and not found[1].endswith(_WRAPPERS):
            return f"{found[1].rpartition('.')[2]}: {found[2]}"[:400]
    return (lines or [type(failure).__name__])[0][:400]


_CAUSE_LINE = re.compile(r"(?:Caused by: )?((?:\w+\.)*\w*(?:Error|Exception|Exit)): (.+)")
_WRAPPERS = ("SparkException", "PythonException", "Py4JJavaError")
"""Errors that only say that there was another one."""


def _named(traceback: str) -> GraphAggError | None:
    for line in traceback.splitlines():
        found = _ERROR_LINE.search(line)
        kind = getattr(errors, found[1], None) if found else None
        if found and isinstance(kind, type) and issubclass(kind, GraphAggError):
            error = kind.__new__(kind)
            GraphAggError.__init__(error, found[2])
            return error
    return None
