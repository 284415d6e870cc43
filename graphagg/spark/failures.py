"""Failures of Spark, raised as errors of graphagg."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from graphagg import errors
from graphagg.errors import GraphAggError, JobFailed, WriteFailed

_ERROR_LINE = re.compile(r"graphagg\.errors\.(\w+): (.*)")


@contextmanager
def named_errors() -> Iterator[None]:
    """Context manager: raises an error of graphagg that a task raised in place of Spark's.

    Raises:
        WriteFailed: a disk is full.
        JobFailed: Spark gave up for another reason.
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
"""How Python and Java both word a full disk."""


def _is_of_spark(failure: Exception) -> bool:
    """Whether PySpark raised it, or the libraries that connect it to its JVM or server."""
    names = {kind.__module__.partition(".")[0] for kind in type(failure).__mro__}
    return bool(names & {"pyspark", "py4j", "grpc"}) or isinstance(failure, ConnectionError)


def cause(failure: BaseException) -> str:
    """Summarize a failure of Spark in one line of its traceback."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    for match in map(_CAUSE_LINE.match, reversed(lines)):
        if match and not match[1].endswith(_WRAPPERS):
            return f"{match[1].rpartition('.')[2]}: {match[2]}"[:400]
    return (lines or [type(failure).__name__])[0][:400]


_CAUSE_LINE = re.compile(r"(?:Caused by: )?((?:\w+\.)*\w*(?:Error|Exception|Exit)): (.+)")
_WRAPPERS = ("SparkException", "PythonException", "Py4JJavaError")
"""Errors that only wrap another one."""


def _named(traceback: str) -> GraphAggError | None:
    """Make the error of graphagg that a traceback shows; None if it shows none."""
    for line in traceback.splitlines():
        match = _ERROR_LINE.search(line)
        kind = getattr(errors, match[1], None) if match else None
        if match and isinstance(kind, type) and issubclass(kind, GraphAggError):
            error = kind.__new__(kind)  # some classes take other arguments than a message
            GraphAggError.__init__(error, match[2])
            return error
    return None
