"""Spark sessions, and tasks that write blocks of numpy arrays.

DataFrames only, so that Spark Connect works. What grows with the input stays on the executors: they
write their arrays into a folder that all of them and the driver share (a local disk, NFS), and only
a row of statistics a block comes back.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg import errors
from graphagg.arrays import Array
from graphagg.errors import (
    GraphAggError,
    InvalidParameter,
    JobFailed,
    MissingExtra,
    WriteFailed,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Stats = dict[str, Any]

_ERROR_LINE = re.compile(r"graphagg\.errors\.(\w+): (.*)")


def create_session(
    name: str,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    remote: str | None = None,
) -> SparkSession:
    """Start a session, or take the one that `spark-submit` started.

    Args:
        name: what the application is called.
        master: for instance `local[2]`; None: what `spark-submit` says, else `local[*]`.
        settings: further Spark settings.
        remote: a Spark Connect server, `sc://HOST:15002`, or `local[2]` to start one here.

    Raises:
        MissingExtra: PySpark, or what Spark Connect needs, is not installed.
        InvalidParameter: both master and remote are given.
        JobFailed: no session can be had.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingExtra("pyspark", "spark") from None
    if master is not None and remote is not None:
        raise InvalidParameter(
            f"both master {master!r} and remote {remote!r} are given, wanted one of them; a Spark "
            "Connect server has its own master"
        )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers run this very Python
    builder = SparkSession.builder.appName(name)
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
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
    for key, value in (settings or {}).items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # Py4J's, gRPC's and PySpark's errors have no base in common
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
            raise MissingExtra(module, "connect")


def is_classic(spark: SparkSession) -> bool:
    """Whether the session has the driver's JVM in it; a Spark Connect session has none."""
    return "connect" not in type(spark).__module__


@contextmanager
def session(
    name: str, master: str | None = None, remote: str | None = None
) -> Iterator[SparkSession]:
    """A session for one job; one that was there before stays.

    Raises:
        As `create_session`.
    """
    before = _active()
    spark = before or create_session(name, master, remote=remote)
    try:
        yield spark
    finally:
        if before is None:
            with suppress(Exception):  # its JVM may be gone
                spark.stop()


def _active() -> SparkSession | None:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingExtra("pyspark", "spark") from None
    found: SparkSession | None = SparkSession.getActiveSession()
    return found


@contextmanager
def small_driver(spark: SparkSession) -> Iterator[None]:
    """Plan meanwhile for a driver that holds no data.

    Joins go by shuffle: no side of one has to fit the driver. A sort by ranges draws its limits
    from a fifth of Spark's own sample, all of which passes through the driver: 60 rows a partition,
    enough for partitions within some 15 % of each other.
    """
    before = {key: spark.conf.get(key, None) for key in _SMALL_DRIVER}
    for key, value in _SMALL_DRIVER.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)


_SMALL_DRIVER = {
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
    "spark.sql.execution.rangeExchange.sampleSizePerPartition": "20",
}


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


def run_tasks(spark: SparkSession, count: int, task: Callable[[int], Stats]) -> list[Stats]:
    """Run `task(i)` for i below `count`, each in a Spark task of its own; the results, by i.

    A result is a small dict of integers and bytes. A task may run more than once: it must write
    the same bytes to the same place each time.
    """
    if count == 0:
        return []

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield _stats_batch(pa, number, task(number))

    rows = spark.range(0, count, 1, count).mapInArrow(each, _STATS_SCHEMA)
    return _collected(rows)


def write_blocks(frame: DataFrame, write: Callable[[int, pa.Table], Stats]) -> list[Stats]:
    """Call `write(partition number, rows)` for each partition of a frame that is not empty.

    Returns:
        The results in the order of the partitions, with the number as `block`.
    """

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        held = [batch for batch in batches if batch.num_rows]
        if held:
            number = context.partitionId()
            yield _stats_batch(pa, number, write(number, pa.Table.from_batches(held)))

    return _collected(frame.mapInArrow(each, _STATS_SCHEMA))


_STATS_SCHEMA = "block long, name string, value long, content binary"


def _stats_batch(pa: Any, number: int, stats: Stats) -> pa.RecordBatch:
    values = [value if isinstance(value, int) else None for value in stats.values()]
    contents = [value if isinstance(value, bytes) else None for value in stats.values()]
    columns = [
        pa.array([number] * (len(stats) + 1), pa.int64()),
        pa.array(["block", *stats], pa.string()),
        pa.array([number, *values], pa.int64()),
        pa.array([None, *contents], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["block", "name", "value", "content"])


def _collected(rows: DataFrame) -> list[Stats]:
    found: dict[int, Stats] = {}
    for row in rows.collect():
        value = row["value"] if row["content"] is None else bytes(row["content"])
        found.setdefault(row["block"], {})[row["name"]] = value
    return [found[number] for number in sorted(found)]


class Blocks:
    """A folder of `.npy` files that tasks write and other tasks read.

    A driver may be killed while its tasks run on. Once the job was submitted again, over other
    partitions maybe, they are refused, as far as their file system shows them the newer run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = 0

    def begin(self) -> None:
        """Start a run: tasks that were sent before it may write no more."""
        self._run = max(self._newest_run() + 1, time.time_ns())
        runs = self.folder / _RUNS
        runs.mkdir(parents=True, exist_ok=True)
        (runs / str(self._run)).touch()

    def save(self, stage: str, number: int, **arrays: Array) -> None:
        """Write the arrays of a block; whole or not at all, also when a task runs twice.

        Raises:
            JobFailed: a newer run writes there; the block is as it was.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            path = self._path(stage, number, name)
            partial = path.with_suffix(f".{os.getpid()}.part")
            with partial.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
            if self._newest_run() > self._run:
                partial.unlink()
                raise JobFailed(f"{self.folder}: the job was submitted again; this run is over")
            os.replace(partial, path)

    def _newest_run(self) -> int:
        try:
            return max(map(int, os.listdir(self.folder / _RUNS)), default=0)
        except FileNotFoundError:
            return 0

    def load(self, stage: str, number: int, name: str) -> Array:
        """An array of a block."""
        array: Array = np.load(self._path(stage, number, name), allow_pickle=False)
        return array

    def _path(self, stage: str, number: int, name: str) -> Path:
        return self.folder / f"{stage}.{number:06d}.{name}.npy"


_RUNS = ".runs"


def preallocate(path: Path, dtype: Any, shape: Sequence[int]) -> None:
    """Make a `.npy` file of zeros, for tasks to write their ranges into.

    Its blocks are taken now: a task that maps a hole of the file on a full disk would be killed
    (SIGBUS) without a word.
    """
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
        np.lib.format.write_array_header_1_0(
            file, header | {"fortran_order": False, "shape": tuple(shape)}
        )
        size = file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, size)


def write_range(path: Path, start: int, values: Array) -> None:
    """Write rows `start` to `start + len(values)` of a preallocated `.npy` file."""
    if len(values):
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[start : start + len(values)] = values
        target.flush()
