"""Answer a column of questions in a DataFrame with an index that each worker opens once.

Rows stay on the executors: an Arrow batch of questions becomes a batch with one row per answer.
Each row keeps the columns of its question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from graphagg.errors import ArtifactBusy, GraphAggError, InvalidParameter
from graphagg.spark.sources import check_columns
from graphagg.store.addresses import Location

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

Answers = Sequence[Sequence[Any]] | str
"""The answers to a question, best first: a value for each field that follows `rank`. A string is
the reason why there is no answer."""
Ask = Callable[[Any, list[Any]], Sequence[Answers]]
"""Function that answers a batch of questions with the opened index."""


_OPENED: dict[tuple[str, str], Any] = {}


def opened(
    open_index: Callable[[Location], Any], kind: str, location: Location, version: str
) -> Any:
    """Return the index, opened once per worker process.

    Executors read `location` directly if it is a directory, and download an address to their cache.
    Raises `ArtifactBusy` if the current version is not the caller's.
    """
    key = kind, str(location)
    index = _OPENED.get(key)
    if index is None or index.manifest.data != version:
        if index is not None:
            index.close()
        index = _OPENED[key] = open_index(location)
    if index.manifest.data != version:
        raise ArtifactBusy(
            f"{location}: version {index.manifest.data} is current, but the questions are for "
            f"version {version}; reopen the index and ask again"
        )
    return index


def worker_index(index: Any, **models: Any) -> Callable[[], Any]:
    """Return a function that opens this version of `index` in a worker, with the given `models`."""
    open_index = partial(type(index).open, **models)
    return partial(opened, open_index, index.KIND, index.location, index.manifest.data)


def answered(
    frame: DataFrame, column: str, fields: Mapping[str, str], index: Callable[[], Any], ask: Ask
) -> DataFrame:
    """Return a lazy DataFrame with one row per answer, joined to the row of its question.

    `fields` are the answer columns and their types (`long`, `double` or `string`); `rank`, from
    1, comes before them, and `reason` after them. A question without an answer yields one row, in
    which only `reason` is not null. `index` opens the index in a worker; `ask` answers a batch of
    questions.

    Raises `InvalidParameter` if the column is missing, or if an answer column has a name in use.
    """
    from pyspark.sql import types

    if column not in frame.columns:
        raise InvalidParameter(
            f"the table has the columns {frame.columns}, but not {column!r}; name the column to "
            "read in `column`"
        )
    check_columns(frame, [column], InvalidParameter)
    more = {"rank": "long", **fields, "reason": "string"}
    clash = sorted(more.keys() & set(frame.columns))
    if clash:
        raise InvalidParameter(
            f"the table and the answers both have a column {clash[0]!r}; rename it in the table"
        )
    of_spark = {"long": types.LongType, "double": types.DoubleType, "string": types.StringType}
    added = [types.StructField(name, of_spark[kind]()) for name, kind in more.items()]
    schema = types.StructType([*frame.schema.fields, *added])
    names = [*frame.columns, *more]

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        of_arrow = {"long": pa.int64(), "double": pa.float64(), "string": pa.string()}
        for batch in batches:
            questions = batch.column(batch.schema.get_field_index(column)).to_pylist()
            present = [question for question in questions if question is not None]
            answers = iter(ask(index(), present) if present else [])
            flat = list(_flat(column, questions, answers, len(fields)))
            rows, *columns = map(list, zip(*flat, strict=True)) if flat else [[]] * (1 + len(more))
            repeated = [values.take(pa.array(rows, pa.int64())) for values in batch.columns]
            arrays = [
                pa.array(values, of_arrow[kind])
                for values, kind in zip(columns, more.values(), strict=True)
            ]
            yield pa.RecordBatch.from_arrays([*repeated, *arrays], names=names)

    return frame.mapInArrow(each, schema)


def _flat(
    column: str, questions: list[Any], answers: Iterator[Answers], width: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the result: row number of the question, rank, fields and reason."""
    for row, question in enumerate(questions):
        answer = f"column {column!r} is null" if question is None else next(answers)
        if not isinstance(answer, str):
            yield from ((row, rank, *each, None) for rank, each in enumerate(answer, start=1))
        else:
            yield (row, *[None] * (1 + width), answer)


def one_by_one(
    ask: Callable[[Any], Answers], questions: Sequence[Any], errors: tuple[type[GraphAggError], ...]
) -> list[Answers]:
    """Answer questions one at a time; if one of `errors` is raised, its text is the answer."""
    answers: list[Answers] = []
    for question in questions:
        try:
            answers.append(ask(question))
        except errors as error:
            answers.append(str(error))
    return answers
