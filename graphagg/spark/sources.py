"""Input that only Spark can read: DataFrames of the caller's session, and named tables."""

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
"""Prefix of a source that names a table: `table:sales.edges`, ``table:delta.`s3a://lake/e` ``."""


@dataclass(frozen=True)
class SparkInput:
    """The source of a job's input.

    Attributes:
        dataframe: a DataFrame, or None if the source is `paths`.
        paths: a table (`table:NAME`), or paths of files and folders, or patterns, that Spark reads.
    """

    dataframe: DataFrame | None
    paths: tuple[str, ...]

    @property
    def is_frame(self) -> bool:
        """Whether the source is a DataFrame, which a later run cannot compare."""
        return self.dataframe is not None

    @property
    def origin(self) -> DataFrame | str:
        """The DataFrame, the table, or the first path."""
        return self.paths[0] if self.dataframe is None else self.dataframe

    @property
    def hadoop_paths(self) -> list[str]:
        """The paths in the form that Spark reads."""
        return [hadoop_path(path) for path in self.paths]

    def seen(self) -> list[Any]:
        """Return the input's identity: its paths, and each file's size and time if all are seen."""
        if self.is_frame:
            return ["DataFrame", []]
        paths, files = zip(*map(fingerprint, self.paths), strict=True)
        return [list(paths), list(files) if all(files) else []]

    def __str__(self) -> str:
        return called(self.origin if self.is_frame else self.paths)


def is_frame(source: Any) -> bool:
    """Whether a source is a DataFrame of Spark or Spark Connect. Does not import PySpark."""
    home = type(source).__module__
    return home.startswith("pyspark.sql.") and hasattr(source, "sparkSession")


def is_table(source: Any) -> bool:
    """Whether a source names a Spark table."""
    return isinstance(source, str) and source.startswith(TABLE)


def is_of_spark(source: Any) -> bool:
    """Whether only Spark can read a source."""
    return is_frame(source) or is_table(source)


def by_spark(engine: str | None, source: Any) -> bool:
    """Whether Spark builds: `engine` is "spark", or only Spark can read the source."""
    if engine is not None:
        one_of("engine", engine, ("local", "spark"))
    if engine == "local" and is_of_spark(source):
        raise InvalidParameter(
            'engine is "local", but only Spark reads the input; use `engine="spark"`, or '
            "convert the DataFrame to Arrow: frame.toArrow()"
        )
    return engine == "spark" or is_of_spark(source)


def session_of(source: Any) -> SparkSession:
    """Return the session of a DataFrame, or the active one; `InvalidParameter` if there is none."""
    if is_frame(source):
        session: SparkSession = source.sparkSession
        return session
    active = active_session()
    if active is None:
        raise InvalidParameter(
            f"{source}: no Spark session is active; start one, or pass it as "
            "`engine=SparkOptions(session)`"
        )
    return active


def frame_of(spark: SparkSession, source: Any) -> DataFrame | None:
    """Return the DataFrame, or the table that a source names; None for paths."""
    if is_frame(source):
        frame: DataFrame = source
        return frame
    if not is_table(source):
        return None
    with readable(source):
        table = spark.table(source.removeprefix(TABLE))
        _ = table.schema  # Spark Connect does not look up the table before its first use
    return table


@contextmanager
def readable(source: object) -> Iterator[None]:
    """Context manager: raise `UnreadableFile` if Spark cannot find or read the source."""
    from pyspark.errors import AnalysisException

    try:
        yield
    except AnalysisException as error:
        raise UnreadableFile(f"{source}: {str(error).splitlines()[0]}") from None


def read_table(spark: SparkSession, source: Any, *more: str) -> DataFrame:
    """Return the rows of a DataFrame, of `table:NAME` or of Parquet files."""
    table = frame_of(spark, source)
    if table is not None:
        return table
    with readable(source):
        frame = spark.read.parquet(*map(hadoop_path, (source, *more)))
        _ = frame.schema
    return frame


def seen_path(source: str) -> Path | None:
    """Return the local path of a source; None if Spark reads it from another file system."""
    path = local_path(source)
    return path if source.startswith("file:") or paths_are_local() else None


def suffixes_at(paths: Sequence[str], spark: SparkSession | None = None) -> set[str]:
    """Return the suffixes of the visible files at paths, in lower case and without `.gz`.

    Spark lists the files if this machine cannot see all paths and a path has no suffix.
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
    """Return the name of a source in messages."""
    if is_frame(source):
        return "the DataFrame"
    return source if isinstance(source, str) else ", ".join(map(str, source))[:200]


def check_columns(frame: DataFrame, names: Sequence[str], error: type[Exception]) -> None:
    """Raise `error` if a used column occurs more than once, as after a join."""
    plain = [column.casefold() for column in frame.columns]  # Spark ignores case
    for name in names:
        count = plain.count(name.casefold())
        if count > 1:
            raise error(
                f"the DataFrame: column {name!r} occurs {count} times, expected once; select or "
                "rename one of them"
            )


def hadoop_path(source: str) -> str:
    """Return a path for Spark: a store gets Hadoop's scheme, other paths stay unchanged."""
    try:
        return spark_path(source)
    except InvalidParameter:
        return source  # Spark may support schemes that graphagg does not


def settings_for(*locations: Location) -> dict[str, str]:
    """Return the Hadoop settings for the stores at some locations."""
    settings: dict[str, str] = {}
    for location in locations:
        with suppress(InvalidParameter):
            parsed = parse_location(location)
            settings |= hadoop_settings(parsed) if isinstance(parsed, Address) else {}
    return settings


def check_stores(spark: SparkSession, *locations: Location) -> None:
    """Raise `InvalidParameter` if Spark lacks the jars for the file system of a store."""
    if not is_classic(spark):
        return  # the server checks
    settings = spark.sparkContext._jsc.hadoopConfiguration()
    jvm: Any = spark.sparkContext._jvm
    for scheme in sorted({str(_scheme_of(each)) for each in locations} & set(_PACKAGES)):
        try:
            jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, settings)
        except Exception as error:  # a Py4J error
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
    """Return Hadoop's scheme for a location on a store; None for a table or a local path."""
    text = str(location)
    if is_table(text):
        return None
    scheme, mark, _ = hadoop_path(text).partition("://")
    return scheme if mark and scheme != "file" else None


def refuse(**given: Any) -> None:
    """Raise `InvalidParameter` for an argument that a build with Spark does not support."""
    for name, value in given.items():
        if value is not None and value != ():
            raise InvalidParameter(
                f"Spark does not support `{name}`; leave it out, or build in this process: "
                '`engine="local"`'
            )


def quoted(column: str) -> str:
    """Quote a column name for SQL, where an unquoted dot would mean a field."""
    return "`" + re.sub("`", "``", column) + "`"
