"""Read edges with Spark as `load_graph` does: from paths, tables and DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.errors import EmptyGraph, InvalidGraph, InvalidParameter
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts, wrong_weights
from graphagg.graph.reading.columns import SAMPLE, named_columns
from graphagg.graph.reading.files import PARQUET, mixed_folder
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.reading.text import TextLayout
from graphagg.spark import sources
from graphagg.spark.job import SparkJob
from graphagg.spark.sources import SparkInput

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_BAD = "bad"  # column that describes why a row is skipped
_IDS = ("tinyint", "smallint", "int", "bigint", "string")
_NUMBERS = (*_IDS, "float", "double", "decimal", "boolean")
_RECURSIVE = {"recursiveFileLookup": "true"}  # folders such as `dt=2024` do not become columns


@dataclass(frozen=True)
class EdgeInput(SparkInput):
    """Edges that Spark reads, and the options for reading them."""

    reading: EdgeReading  # the options

    @classmethod
    def of(cls, edges: DataFrame | str | Sequence[str], reading: EdgeReading) -> EdgeInput:
        """Create the input from a DataFrame, a path or table name, or several paths."""
        if sources.is_frame(edges):
            return cls(edges, (), reading)  # type: ignore[arg-type]
        paths = (edges,) if isinstance(edges, str) else tuple(map(str, edges))  # type: ignore[arg-type]
        if len(paths) > 1 and any(map(sources.is_table, paths)):
            raise InvalidParameter(
                f"{sources.called(paths)}: a table cannot be combined with other sources; union "
                "them in Spark"
            )
        return cls(None, paths, reading)

    def identity(self) -> list[Any]:
        """Return the identity of the input and the options, as far as it can be determined."""
        return [*self.seen(), self.reading.changed_fields()]

    def job(self, config: Any) -> dict[str, Any]:
        """Return the identity of a job: its input, and the configuration of its index."""
        return {"source": self.identity(), "config": config.to_json()}

    def frame(self, job: SparkJob, kind: GraphKind) -> DataFrame:
        """Run phase `edges`: columns `src`, `dst` and optionally `weight`, without bad rows."""
        facts: dict[str, Any] = {}

        def read() -> DataFrame:
            frame, counts = read_edges(job.spark, self, kind)
            columns = counts.columns.describe(kind == "two-mode") if counts.columns else None
            facts.update(header=counts.header, columns=columns)
            return frame

        frame = job.phase("edges", read)
        job.note("columns", lambda: facts)
        if not self.reading.skip_bad_rows:
            return frame
        bad = frame.filter(f"{_BAD} IS NOT NULL").withColumnRenamed(_BAD, "reason")

        def summary() -> dict[str, Any]:
            row = bad.selectExpr("count(*) AS rows", "min(reason) AS first").collect()[0]
            return {"bad_rows": row["rows"], "first_bad": row["first"]}

        job.note("bad", summary)
        return frame.filter(f"{_BAD} IS NULL").drop(_BAD)

    def counts(self, job: SparkJob) -> dict[str, Any]:
        """Return the fields of `ReadReport` that phase `edges` counted."""
        bad = job.note("bad", dict) if self.reading.skip_bad_rows else {}
        return {**job.note("columns", dict), **bad}


def read_edges(
    spark: SparkSession, source: EdgeInput, kind: GraphKind
) -> tuple[DataFrame, ReadCounts]:
    """Read columns `src`, `dst` and optionally `weight`; also return the header and the columns.

    Any path that Hadoop reads works. A folder includes its subfolders, and is read as Parquet if
    the file suffixes say so; other files are read as text, as in `load_graph`, and gzip is detected
    by `.gz`. Ids become longs or strings, weights doubles. With `skip_bad_rows`, column `bad`
    describes the fault of skipped rows; otherwise a task raises `InvalidGraph` for a bad weight.
    """
    counts = ReadCounts()
    table = sources.frame_of(spark, source.origin)
    if table is not None:
        return _typed(table, source, counts, kind), counts
    with sources.readable(source):
        if _is_parquet(spark, source):
            frame = spark.read.options(**_RECURSIVE).parquet(*source.hadoop_paths)
            return _typed(frame, source, counts, kind), counts
        return _read_text(spark, source, counts), counts


def _is_parquet(spark: SparkSession, source: EdgeInput) -> bool:
    """Return whether the files are Parquet, judged by their names."""
    suffixes = sources.suffixes_at(source.paths, spark)
    if suffixes & {*PARQUET} and not suffixes <= {*PARQUET}:
        raise InvalidGraph(mixed_folder(str(source), f"*{min(suffixes - {*PARQUET})}"))
    return bool(suffixes & {*PARQUET})


def _typed(frame: DataFrame, source: EdgeInput, counts: ReadCounts, graph: GraphKind) -> DataFrame:
    """Select the edge columns of a table by name, and cast them to the types of edges."""
    from pyspark.sql import functions

    name, reading = str(source), source.reading
    types = dict(frame.dtypes)
    columns = counts.columns = named_columns(frame.columns, reading, name)
    weighted = reading.wants_weights and columns.weight >= 0
    used = [frame.columns[position] for position in (columns[:3] if weighted else columns[:2])]
    sources.check_columns(frame, used, InvalidGraph)
    casts = []
    for end, alias in zip(columns[:2], ("src", "dst"), strict=True):
        column = frame.columns[end]
        kind = types[column]
        if kind not in _IDS:
            raise InvalidGraph(
                f"{name}: column {column} is {kind}, expected integers or strings; convert it"
            )
        plain = frame[sources.quoted(column)].cast("string" if kind == "string" else "long")
        casts.append(plain.alias(alias))
    ends = {column: types[column] for column in used[:2]}
    if graph != "two-mode" and len({kind == "string" for kind in ends.values()}) > 1:
        raise InvalidGraph(f"{name}: columns have the types {ends}, expected one; convert a column")
    if weighted:
        kind = types[used[2]]
        if kind.partition("(")[0] not in _NUMBERS:
            raise InvalidGraph(f"{name}: column {used[2]} is {kind}, expected numbers; convert it")
        casts.append(frame[sources.quoted(used[2])].cast("double").alias("weight"))
    typed = frame.select(*casts)
    missing = " OR ".join(f"{column} IS NULL" for column in typed.columns)
    if reading.skip_bad_rows:
        fault = functions.lit(f"{name}: a row with a null")
        typed = typed.withColumn(_BAD, functions.when(functions.expr(missing), fault))

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not reading.skip_bad_rows:
                _check_ids(batch, name, used)
            yield _check_weights(batch, name) if weighted else batch

    # Check while reading the rows: a second pass over a DataFrame may be slow or return other rows.
    return typed.mapInArrow(check, typed.schema)


def _check_ids(edges: pa.RecordBatch, name: str, columns: Sequence[str]) -> None:
    """Raise `InvalidGraph` for an edge without an id."""
    for end, column in zip(("src", "dst"), columns, strict=False):
        nulls = edges.column(end).null_count
        if nulls:
            raise InvalidGraph(
                f"{name}: a row has no id, column {column} holds nulls ({nulls:,} in a batch), "
                "expected an id in every row; remove those rows, or leave them out "
                "(`skip_bad_rows=True`)"
            )


def _read_text(spark: SparkSession, source: EdgeInput, counts: ReadCounts) -> DataFrame:
    name, reading = str(source), source.reading
    lines = spark.read.options(**_RECURSIVE).text(source.hadoop_paths)
    top = "\n".join(row["value"] for row in lines.limit(SAMPLE).collect()) + "\n"

    sniffed = TextLayout.sniff(top.encode(), name, reading, counts)
    if sniffed is None:
        raise EmptyGraph(f"{name}: contains no edges; check the path and format")
    head = counts.header
    layout = replace(sniffed, header=0, numbered=False)

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.column(0)
            if head is not None:
                rows = rows.filter(pc.not_equal(pc.utf8_trim_whitespace(rows), head))
            text = pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), "\n")[0]
            batch_counts = ReadCounts(faults=[])
            parsed = layout.parse(text.as_buffer().to_pybytes() + b"\n", batch_counts)
            edges = _record_batch(parsed, layout.lenient)
            yield edges if parsed.weights is None else _check_weights(edges, name)
            if batch_counts.faults:
                bad = [{_BAD: fault} for fault in batch_counts.faults]
                yield pa.RecordBatch.from_pylist(bad, edges.schema)

    types = ["long" if i else "string" for i in layout.integer]
    schema = f"src {types[0]}, dst {types[1]}"
    if layout.weighted:
        schema += ", weight double"
    return lines.mapInArrow(parse, f"{schema}, {_BAD} string" if layout.lenient else schema)


def _record_batch(edges: EdgeBatch, lenient: bool) -> pa.RecordBatch:
    """Convert edges to a record batch for Spark."""
    columns = {"src": _plain(edges.sources), "dst": _plain(edges.targets)}
    if edges.weights is not None:
        columns["weight"] = pa.array(edges.weights)
    if lenient:
        columns[_BAD] = pa.nulls(len(edges.sources), pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _check_weights(edges: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """Return the edges; `InvalidGraph` if a weight is negative, infinite or NaN."""
    weights = edges.column("weight").to_numpy(zero_copy_only=False)
    wrong = wrong_weights(weights)
    if _BAD in edges.schema.names:  # these rows are skipped anyway
        wrong &= edges.column(_BAD).is_null().to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(wrong)
    if len(bad):
        source, target = (edges.column(end)[bad[0]].as_py() for end in ("src", "dst"))
        raise InvalidGraph(
            f"{name}: edge {source!r} - {target!r} has the weight {weights[bad[0]]}, expected a "
            "number of 0 or more; correct or drop such edges"
        )
    return edges


def _plain(ids: Ids) -> pa.Array:
    """Convert the ids of a batch to a plain Arrow array for Spark."""
    if isinstance(ids, np.ndarray):
        return pa.array(ids)
    return ids.dictionary_decode().cast(pa.string())
