"""Questions in a column of a DataFrame, answered by an index that each worker opens once.

Rows stay on the executors: a batch of Arrow goes in, and comes out with one row per answer, which
keeps the columns of its question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from graphagg.errors import ArtifactBusy, GraphAggError, InvalidParameter
from graphagg.spark.sources import check_columns
from graphagg.store.addresses import Location

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

Answers = Sequence[Sequence[Any]]
"""The answers to a question, best first: a value for each field that follows `rank`."""
Ask = Callable[[Any, list[Any]], Sequence[Answers]]
"""Answers the questions of a batch by the opened index."""


class Opened(Protocol):
    """An index that a worker keeps open."""

    @property
    def manifest(self) -> Any:
        """The manifest of the opened version."""

    def close(self) -> None:
        """Give up the version."""


_OPENED: dict[tuple[str, str], Any] = {}


def opened(
    open_index: Callable[[Location], Opened], kind: str, location: Location, version: str
) -> Any:
    """The index of this worker process, opened once.

    Args:
        open_index: opens an index.
        kind: of the index.
        location: a directory as the executors see it, or an address, from which each of them brings
            the index into its cache.
        version: the version that the caller has open.

    Raises:
        ArtifactBusy: another version is current by now.
        NotAnArtifact: the executors do not see the directory.
    """
    key = kind, str(location)
    index = _OPENED.get(key)
    if index is None or index.manifest.data != version:
        if index is not None:
            index.close()
        index = _OPENED[key] = open_index(location)
    if index.manifest.data != version:
        raise ArtifactBusy(
            f"{location}: version {index.manifest.data} is current, and the questions were asked "
            f"of {version}; reopen the index and ask again"
        )
    return index


def of_worker(index: Any, **models: Any) -> Callable[[], Any]:
    """A function that gives the index of a worker, of the version that `index` has open.

    Args:
        index: the opened index.
        models: further arguments of its `open`.
    """
    open_index = partial(type(index).open, **models)
    return partial(opened, open_index, index.KIND, index.location, index.manifest.data)


def answered(
    frame: DataFrame,
    column: str,
    fields: Mapping[str, str],
    index: Callable[[], Any],
    ask: Ask,
) -> DataFrame:
    """The rows of a frame, each as often as its question has answers: a lazy DataFrame.

    Args:
        frame: of questions.
        column: which of its columns holds them.
        fields: names of the columns of an answer, and their types: `long`, `double` or `string`;
            `rank`, from 1, comes before them.
        index: the index of a worker, as `opened` gives it.
        ask: answers a batch of questions.

    Raises:
        InvalidParameter: there is no such column, or one of an answer's name. When the DataFrame is
            computed also: a row holds no question.
    """
    from pyspark.sql import types

    if column not in frame.columns:
        raise InvalidParameter(
            f"the DataFrame: columns are {frame.columns}, wanted also {column!r}; name the one "
            "that holds the questions"
        )
    check_columns(frame, [column], InvalidParameter)
    clash = sorted({"rank", *fields} & set(frame.columns))
    if clash:
        raise InvalidParameter(
            f"the DataFrame: column {clash[0]!r} has the name of a column of answers; rename it"
        )
    names = [*frame.columns, "rank", *fields]
    of_spark = {"long": types.LongType, "double": types.DoubleType, "string": types.StringType}
    kinds = ["long", *fields.values()]
    more = [
        types.StructField(name, of_spark[kind]())
        for name, kind in zip(("rank", *fields), kinds, strict=True)
    ]
    schema = types.StructType([*frame.schema.fields, *more])

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        of_arrow = {"long": pa.int64(), "double": pa.float64(), "string": pa.string()}
        types_of_answers = [of_arrow[kind] for kind in kinds]
        for batch in batches:
            questions = batch.column(batch.schema.get_field_index(column)).to_pylist()
            if None in questions:
                raise InvalidParameter(
                    f"the DataFrame: column {column!r} holds a null, wanted a question in every "
                    "row; filter such rows out"
                )
            rows, answers = _flat(ask(index(), questions) if questions else [])
            columns = [pa.array(v, t) for v, t in zip(answers, types_of_answers, strict=True)] or [
                pa.array([], t) for t in types_of_answers
            ]
            kept = [values.take(pa.array(rows, pa.int64())) for values in batch.columns]
            yield pa.RecordBatch.from_arrays([*kept, *columns], names=names)

    return frame.mapInArrow(each, schema)


def _flat(answers: Sequence[Answers]) -> tuple[list[int], list[list[Any]]]:
    """The row of each answer, and the columns of all: rank and fields; no columns without one."""
    flat = [
        (row, rank, *answer)
        for row, of_row in enumerate(answers)
        for rank, answer in enumerate(of_row, start=1)
    ]
    rows, *columns = map(list, zip(*flat, strict=True)) if flat else ([],)
    return rows, columns


def one_by_one(
    ask: Callable[[Any], Answers], questions: Sequence[Any], skip: tuple[type[GraphAggError], ...]
) -> list[Answers]:
    """Answers one at a time; questions whose answer is an error of `skip` have none."""
    answers: list[Answers] = []
    for question in questions:
        try:
            answers.append(ask(question))
        except skip:
            answers.append(())
    return answers
