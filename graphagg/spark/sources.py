"""Input that only Spark can read: DataFrames of the caller's session, and tables by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.spark.session import active_session, cause, is_classic, paths_are_local
from graphagg.store.addresses import Address, Location, hadoop_settings, parse_location, spark_path
from graphagg.store.work import fingerprint, local_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TABLE = "table:"
"""A source that begins so names a table: `table:sales.edges`, ``table:delta.`s3a://lake/e` ``."""


@dataclass(frozen=True)
class SparkInput:
    """The source of a job's input.

    Attributes:
        dataframe: a DataFrame; None: paths.
        paths: a table (`table:NAME`), or files, folders and patterns, on any path that Spark reads.
    """

    dataframe: DataFrame | None
    paths: tuple[str, ...]

    @property
    def is_frame(self) -> bool:
        """Whether it is a DataFrame, which a later run cannot compare."""
        return self.dataframe is not None

    @property
    def origin(self) -> DataFrame | str:
        """The DataFrame, or the table or the first path."""
        return self.paths[0] if self.dataframe is None else self.dataframe

    @property
    def hadoop_paths(self) -> list[str]:
        """The paths as Spark reads them."""
        return [hadoop_path(path) for path in self.paths]

    def seen(self) -> list[Any]:
        """What identifies the input: its paths, and size and time of each file, if all are seen."""
        if self.is_frame:
            return ["DataFrame", []]
        paths, files = zip(*map(fingerprint, self.paths), strict=True)
        return [list(paths), list(files) if all(files) else []]

    def __str__(self) -> str:
        return called(self.origin if self.is_frame else self.paths)


def is_frame(source: Any) -> bool:
    """Whether a source is a Spark DataFrame, classic or of Spark Connect; loads no PySpark."""
    home = type(source).__module__
    return home.startswith("pyspark.sql.") and hasattr(source, "sparkSession")


def is_table(source: Any) -> bool:
    """Whether a source names a table of Spark."""
    return isinstance(source, str) and source.startswith(TABLE)


def is_of_spark(source: Any) -> bool:
    """Whether only Spark can read a source."""
    return is_frame(source) or is_table(source)


def by_spark(engine: str | None, source: Any) -> bool:
    """Whether Spark builds: by its name, or because only Spark reads the source."""
    if engine is not None:
        one_of("engine", engine, ("local", "spark"))
    if engine == "local" and is_of_spark(source):
        raise InvalidParameter(
            'engine is "local", but only Spark reads the input; give `engine="spark"`, or what '
            "the DataFrame holds as Arrow: frame.toArrow()"
        )
    return engine == "spark" or is_of_spark(source)


def session_of(source: Any) -> SparkSession:
    """The session of a DataFrame, else the active one; `InvalidParameter` if there is none."""
    if is_frame(source):
        session: SparkSession = source.sparkSession
        return session
    active = active_session()
    if active is None:
        raise InvalidParameter(
            f"{source}: no Spark session is active; start one, or give it as "
            "`engine=SparkOptions(session)`"
        )
    return active


def frame_of(spark: SparkSession, source: Any) -> DataFrame | None:
    """The DataFrame, or the table that a source names; None for paths."""
    if is_frame(source):
        frame: DataFrame = source
        return frame
    if not is_table(source):
        return None
    with readable(source):
        table = spark.table(source.removeprefix(TABLE))
        _ = table.schema  # Spark Connect looks for the table only when it is asked something
    return table


@contextmanager
def readable(source: object) -> Iterator[None]:
    """Context manager: raise what Spark cannot find or understand as `UnreadableFile`."""
    from pyspark.errors import AnalysisException

    try:
        yield
    except AnalysisException as error:
        raise UnreadableFile(f"{source}: {str(error).splitlines()[0]}") from None


def read_table(spark: SparkSession, source: Any, *more: str) -> DataFrame:
    """The rows of a DataFrame, of `table:NAME` or of Parquet."""
    table = frame_of(spark, source)
    if table is not None:
        return table
    with readable(source):
        frame = spark.read.parquet(*map(hadoop_path, (source, *more)))
        _ = frame.schema
    return frame


def seen_path(source: str) -> Path | None:
    """The local path of what Spark reads or writes; None elsewhere."""
    path = local_path(source)
    return path if source.startswith("file:") or paths_are_local() else None


def suffixes_at(paths: Sequence[str], spark: SparkSession | None = None) -> set[str]:
    """Suffixes of the files at paths except hidden ones, in lower case and without `.gz`.

    Spark lists a path without a suffix that this machine does not see.
    """
    seen = [path for path in map(seen_path, paths) if path is not None and path.exists()]
    names = [path.rstrip("/").rpartition("/")[2] for path in paths]
    if len(seen) == len(paths):
        below = (file for path in seen for file in (path.rglob("*") if path.is_dir() else [path]))
        names = [file.name for file in below if file.is_file()]
    elif spark is not None and not all("." in name for name in names):
        reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        suffix = r"regexp_extract(path, '[.][A-Za-z]+([.]gz)?$', 0)"
        with readable(called(paths)):
            files = reader.load([*map(hadoop_path, paths)]).selectExpr(suffix).distinct()
            names = [f"x{row[0]}" for row in files.collect()]
    visible = (name.lower().removesuffix(".gz") for name in names if name[0] not in "._")
    return {PurePosixPath(name).suffix for name in visible}


def called(source: Any) -> str:
    """The name of a source in messages."""
    if is_frame(source):
        return "the DataFrame"
    return source if isinstance(source, str) else ", ".join(map(str, source))[:200]


def check_columns(frame: DataFrame, names: Sequence[str], error: type[Exception]) -> None:
    """Raise `error` if a used column occurs twice, as after a join."""
    plain = [column.casefold() for column in frame.columns]  # as Spark compares them
    for name in names:
        count = plain.count(name.casefold())
        if count > 1:
            raise error(
                f"the DataFrame: column {name!r} occurs {count} times, expected once; select or "
                "rename one of them"
            )


def hadoop_path(source: str) -> str:
    """A path as Spark reads it: a store with Hadoop's scheme, else unchanged."""
    try:
        return spark_path(source)
    except InvalidParameter:
        return source  # Spark may know what graphagg does not


def settings_for(*locations: Location) -> dict[str, str]:
    """Hadoop settings for the stores of some locations."""
    settings: dict[str, str] = {}
    for location in locations:
        with suppress(InvalidParameter):
            parsed = parse_location(location)
            settings |= hadoop_settings(parsed) if isinstance(parsed, Address) else {}
    return settings


def check_stores(spark: SparkSession, *locations: Location) -> None:
    """Raise `InvalidParameter` if Spark lacks the file system of a store, which needs jars."""
    if not is_classic(spark):
        return  # the server checks
    settings = spark.sparkContext._jsc.hadoopConfiguration()
    jvm: Any = spark.sparkContext._jvm
    for scheme in sorted({str(_scheme_of(each)) for each in locations} & set(_PACKAGES)):
        try:
            jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, settings)
        except Exception as error:  # Py4J's
            version = jvm.org.apache.hadoop.util.VersionInfo.getVersion()
            how = f": --packages {_PACKAGES[scheme].format(version)}"
            raise InvalidParameter(
                f"{scheme}://: Spark has no file system for it ({cause(error)}); start Spark with "
                f"the jars of its client{how}"
            ) from None


_PACKAGES = {
    "s3a": "org.apache.hadoop:hadoop-aws:{}",
    "abfs": "org.apache.hadoop:hadoop-azure:{}",
    "abfss": "org.apache.hadoop:hadoop-azure:{}",
}


def _scheme_of(location: Location) -> str | None:
    """Hadoop's scheme of a location on a store; None for a table and a local path."""
    text = str(location)
    if is_table(text):
        return None
    scheme, mark, _ = hadoop_path(text).partition("://")
    return scheme if mark and scheme != "file" else None


def refuse(**given: Any) -> None:
    """Raise `InvalidParameter` for an argument that Spark does not take."""
    for name, value in given.items():
        if value is not None and value != ():
            raise InvalidParameter(
                f"Spark does not support `{name}`; leave it out, or build in this process: "
                '`engine="local"`'
            )


def quoted(column: str) -> str:
    """A column's name in SQL, where a dot would mean a field."""
    return "`" + re.sub("`", "``", column) + "`"
