"""Read edges from tables: Parquet files, and Arrow, pandas and polars in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphagg.arrays import Doubles
from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts
from graphagg.graph.reading.columns import Columns, named_columns
from graphagg.graph.reading.settings import EdgeReading
from graphagg.tables import parquet_batches

EDGES_AT_ONCE = 1 << 18


def read_parquet(path: Path, counts: ReadCounts, reading: EdgeReading) -> Iterator[EdgeBatch]:
    """Read the edges of a Parquet file; columns are found by name, as in a text header."""
    try:
        file = pq.ParquetFile(path)
        columns = named_columns(file.schema_arrow.names, reading, str(path))
        names = _column_names(columns, reading)
        batches = parquet_batches(file, EDGES_AT_ONCE, names)
        yield from _edges(batches, columns, str(path), counts, reading)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile(f"{path}: not a Parquet file, or damaged ({error})") from None


def read_stream(
    table: Any, name: str, counts: ReadCounts, reading: EdgeReading
) -> Iterator[EdgeBatch]:
    """Read edges from any object with `__arrow_c_stream__`: pandas, polars, Arrow, DuckDB."""
    try:
        stream = pa.RecordBatchReader.from_stream(table)
        columns = named_columns(stream.schema.names, reading, name)
        yield from _edges(stream, columns, name, counts, reading)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidGraph(
            f"{name}: a column holds values of several types ({str(error).splitlines()[0]}), "
            "expected integers or strings; convert it"
        ) from None


def _column_names(columns: Columns, reading: EdgeReading) -> list[str]:
    weighted = reading.wants_weights and columns.weight >= 0
    positions = columns[:3] if weighted else columns[:2]
    return [columns.names[position] for position in positions]


def _edges(
    batches: Iterable[pa.RecordBatch],
    columns: Columns,
    where: str,
    counts: ReadCounts,
    reading: EdgeReading,
) -> Iterator[EdgeBatch]:
    counts.columns = counts.columns or columns
    names, rows_read = _column_names(columns, reading), 0
    for batch in batches:
        if columns.weight >= 0:
            counts.weights_ignored += len(batch)
        values = [batch.column(name) for name in names]
        valid = _without_nulls(values, names, where, rows_read, counts, reading)
        rows_read += len(batch)
        if valid is not None:
            values = [column.filter(valid) for column in values]
        sources, targets = (_ids(values[end], where, names[end]) for end in (0, 1))
        weights = _weights(values[2], where, names[2]) if len(names) == 3 else None
        yield EdgeBatch(sources, targets, weights)


def _without_nulls(
    values: list[pa.Array],
    names: list[str],
    where: str,
    rows_read: int,
    counts: ReadCounts,
    reading: EdgeReading,
) -> pa.Array | None:
    """Mask of the rows without nulls; None if there are no nulls. Raise if they are not skipped."""
    if not reading.skip_bad_rows:
        for column, name in zip(values[:2], names[:2], strict=True):
            if column.null_count:
                raise InvalidGraph(
                    f"{where}: column {name} holds {column.null_count:,} nulls, expected an id in "
                    "every row; remove those rows, or leave them out (`skip_bad_rows=True`)"
                )
        return None
    valid = np.ones(len(values[0]), dtype=np.bool_)
    for column in values:
        valid &= column.is_valid().to_numpy(zero_copy_only=False)
    if valid.all():
        return None
    row = int(np.argmin(valid))
    counts.bad_rows += int(np.count_nonzero(~valid))
    counts.first_bad = counts.first_bad or f"{where}, row {rows_read + row + 1}: a null"
    return pa.array(valid)


def _weights(column: pa.Array, where: str, name: str) -> Doubles:
    """Convert a column of numbers to float64; nulls become NaN, which is rejected later."""
    try:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            raise pa.ArrowNotImplementedError("bytes")  # Arrow would parse digits, Spark would not
        weights: Doubles = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidGraph(
            f"{where}: column {name} is {column.type} ({error}), expected numbers; convert it, or "
            "ignore the weights (`weighted=False`)"
        ) from None
    return weights


def _ids(column: pa.Array, where: str, name: str) -> Ids:
    if pa.types.is_integer(column.type):
        try:
            values: Ids = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise InvalidGraph(
                f"{where}: column {name} is out of range ({error}), expected integers of 0 to 2^63 "
                "- 1; renumber the vertices, or write the ids as strings"
            ) from None
        return values
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string()).dictionary_encode()
    raise InvalidGraph(
        f"{where}: column {name} is {column.type}, expected integers or strings; convert it"
    )
