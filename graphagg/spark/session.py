"""Spark sessions, classic or with Spark Connect. Their failures become graphagg errors.

Callers use DataFrames only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from graphagg import errors
from graphagg.errors import GraphAggError, JobFailed, needs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ERROR_LINE = re.compile(r"graphagg\.errors\.(\w+): (.*)")


SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Environment variable that `spark-submit` sets for Python."""


def paths_are_local() -> bool:
    """Whether Spark reads a path without a scheme from this machine, as far as we can detect."""
    if os.environ.keys() & {"HADOOP_CONF_DIR", "YARN_CONF_DIR"}:
        return False  # they may set another default file system
    if SUBMITTED not in os.environ:
        return True
    from pyspark.java_gateway import launch_gateway

    gateway: Any = launch_gateway()  # type: ignore[no-untyped-call]
    default = gateway.jvm.org.apache.spark.SparkConf().get("spark.hadoop.fs.defaultFS", "file:///")
    return str(default).startswith("file:")


def create_session(
    name: str,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    remote: str | None = None,
) -> SparkSession:
    """Start a session, or return the one that `spark-submit` started.

    `master` is for instance `local[2]` (None: the master of `spark-submit`, or `local[*]`).
    `remote` is a Spark Connect server, `sc://HOST:15002`, or `local[2]` to start one here.

    Raises:
        MissingExtra: PySpark or a dependency of Spark Connect is not installed.
        InvalidParameter: both master and remote are given.
        JobFailed: the session cannot be started.
    """
    with needs("pyspark", "spark"):
        from pyspark import SparkConf
        from pyspark.sql import SparkSession
    if master is not None and remote is not None:
        raise errors.InvalidParameter(
            f"both master {master!r} and remote {remote!r} are given, expected one of them; a "
            "Spark Connect server has its own master"
        )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers run this Python too
    builder = SparkSession.builder.appName(name)
    submitted = SUBMITTED in os.environ
    if remote is None and master is None and not submitted:
        remote = os.environ.get("SPARK_REMOTE")
        master = None if remote else "local[*]"
    if remote is not None:
        _check_connect()
        builder = builder.remote(remote)
    if master is not None:
        builder = builder.master(master)
    if (master or remote or "").startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for key, value in _LOCAL_SETTINGS.items():
            builder = builder.config(key, value)
    if submitted and not SparkConf().contains("spark.log.level"):
        builder = builder.config("spark.log.level", "WARN")  # else Spark logs 50 lines of INFO
    for key, value in (settings or {}).items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # Py4J, gRPC and PySpark errors share no base class
        raise JobFailed(
            f"no Spark session at {remote or master or 'the master of spark-submit'}: "
            f"{cause(error)}; check the address, Java 17 (JAVA_HOME) and the settings"
        ) from error


_LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
}


def _check_connect() -> None:
    for module in ("grpc", "grpc_status", "zstandard"):
        if importlib.util.find_spec(module) is None:
            raise errors.MissingExtra(module, "connect")


def is_classic(spark: SparkSession) -> bool:
    """Whether this process has the JVM of the session; with Spark Connect it has none."""
    return "connect" not in type(spark).__module__


@contextmanager
def session(
    name: str, master: str | None = None, remote: str | None = None
) -> Iterator[SparkSession]:
    """Context manager: a session for one job; an already active session is used and not stopped."""
    before = active_session()
    spark = before or create_session(name, master, remote=remote)
    try:
        yield spark
    finally:
        if before is None:
            with suppress(Exception):  # its JVM may be gone
                spark.stop()


def active_session() -> SparkSession | None:
    """Return the active session of this process, if any."""
    with needs("pyspark", "spark"):
        from pyspark.sql import SparkSession
    active: SparkSession | None = SparkSession.getActiveSession()
    return active


@contextmanager
def described(spark: SparkSession | None, group: str, text: str) -> Iterator[None]:
    """Context manager: name jobs that start inside it in the Spark UI; not with Spark Connect."""
    if spark is None or not is_classic(spark):
        yield
        return
    context, keys = spark.sparkContext, ("spark.jobGroup.id", "spark.job.description")
    before = [context.getLocalProperty(key) for key in keys]
    context.setJobGroup(group, text)
    try:
        yield
    finally:
        for key, value in zip(keys, before, strict=True):
            context.setLocalProperty(key, value)  # type: ignore[arg-type]  # None unsets it


@contextmanager
def with_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Context manager: change settings of a session, and restore them afterward."""
    before = {key: spark.conf.get(key, None) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)


SMALL_DRIVER = {
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
    "spark.sql.execution.rangeExchange.sampleSizePerPartition": "20",
}
"""Settings that keep data out of the driver.

Joins shuffle, so no side has to fit in the driver. A range sort samples 20 rows per partition in
the driver, a fifth of Spark's default; partition sizes stay within some 15 % of each other.
"""


@contextmanager
def named_errors() -> Iterator[None]:
    """Context manager: raise the graphagg error of a task instead of the Spark error around it.

    Raises:
        WriteFailed: a disk is full.
        JobFailed: the Spark job failed for another reason.
    """
    try:
        yield
    except Exception as failure:
        modules = {kind.__module__.partition(".")[0] for kind in type(failure).__mro__}
        of_spark = modules & {"pyspark", "py4j", "grpc"} or isinstance(failure, ConnectionError)
        if isinstance(failure, GraphAggError) or not of_spark:
            raise
        named = _named(str(failure))
        if named is not None:
            raise named from None
        if any(words in str(failure) for words in _FULL):
            raise errors.WriteFailed(
                f"a task found no space on the disk ({cause(failure)}); the existing index "
                "is unchanged. Free space for the index and spark.local.dir; the same "
                "command then resumes after the last finished stage"
            ) from failure
        hint = next((hint for words, hint in _HINTS if words in str(failure)), "")
        raise JobFailed(f"the Spark job failed: {cause(failure)}{hint}") from failure


_HINTS = (
    (
        "No module named 'graphagg'",
        "; executors run a different Python: set PYSPARK_PYTHON to one that has graphagg, on every "
        "machine, before the session starts, or ship it (--archives, --py-files)",
    ),
    (
        "S3AFileSystem not found",
        "; s3:// needs Hadoop's client: --packages org.apache.hadoop:hadoop-aws:VERSION, of the "
        "version of Spark's own Hadoop jars (hadoop-client-api-VERSION.jar)",
    ),
    (
        "org.apache.spark.sql.delta",
        "; Delta needs its jars: --packages io.delta:delta-spark, see the guide on clusters",
    ),
    (
        "org.apache.iceberg",
        "; Iceberg needs its jars: --packages org.apache.iceberg:iceberg-spark-runtime, see the "
        "guide on clusters",
    ),
)
"""Part of an error message, and a hint that says how to fix it."""


_FULL = ("No space left on device", "Disk quota exceeded")
"""Messages of Python and Java for a full disk."""


def cause(failure: BaseException) -> str:
    """Summarize a Spark failure with one line of its traceback."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    for match in map(_CAUSE_LINE.match, reversed(lines)):
        if match and not match[1].endswith(_WRAPPERS):
            return f"{match[1].rpartition('.')[2]}: {match[2]}"[:400]
    return (lines or [type(failure).__name__])[0][:400]


_CAUSE_LINE = re.compile(r"(?:Caused by: )?((?:\w+\.)*\w*(?:Error|Exception|Exit)): (.+)")
_WRAPPERS = ("SparkException", "PythonException", "Py4JJavaError")
"""Errors that only wrap another error."""


def _named(traceback: str) -> GraphAggError | None:
    """Return the graphagg error in a traceback, if any."""
    for line in traceback.splitlines():
        match = _ERROR_LINE.search(line)
        kind = getattr(errors, match[1], None) if match else None
        if match and isinstance(kind, type) and issubclass(kind, GraphAggError):
            error = kind.__new__(kind)  # some classes do not take a message as argument
            GraphAggError.__init__(error, match[2])
            return error
    return None
