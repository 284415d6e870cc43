"""Failures of Spark become errors of graphagg that say what to do; no Spark is needed for them."""

from __future__ import annotations

import pytest

from graphagg.errors import InvalidGraph, JobFailed, WriteFailed
from graphagg.spark.session import named_errors

PythonException = type("PythonException", (Exception,), {"__module__": "pyspark.errors"})
TRACE = "An exception was thrown from the Python worker.\n  File worker.py, line 1\n{}\n\tat org.X"


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (
            "ModuleNotFoundError: No module named 'graphagg'", JobFailed,
            "No module named 'graphagg'; executors run a different Python: set PYSPARK_PYTHON",
        ),
        ("OSError: [Errno 28] No space left on device", WriteFailed, "no space on the disk"),
        ("graphagg.errors.InvalidGraph: negative id -2", InvalidGraph, "^negative id -2$"),
        ("ZeroDivisionError: task 0", JobFailed, "Spark job failed: ZeroDivisionError: task 0$"),
    ],
)  # fmt: skip
def test_a_failure_of_a_task_says_what_to_do(line: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message), named_errors():
        raise PythonException(TRACE.format(line))


def test_errors_of_others_pass():
    with pytest.raises(ZeroDivisionError), named_errors():
        raise ZeroDivisionError
