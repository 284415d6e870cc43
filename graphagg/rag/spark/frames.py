"""Passages for a column of questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidQuestion
from graphagg.spark.answers import answered, of_worker, one_by_one

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FIELDS = {"passage": "string", "score": "double", "title": "string", "text": "string"}


def passages_frame(
    frame: DataFrame, index: Any, column: str, models: tuple[Any, ...], options: Mapping[str, Any]
) -> DataFrame:
    """The rows with `rank` and `FIELDS`; see `PassageIndex.retrieve_on_spark`.

    `models` are the encoder and extractor that the index was opened with, or None; `options` are of
    `retrieve_batch`.
    """

    def ask(passages: Any, questions: list[str]) -> Any:
        try:
            return batch(passages, questions)
        except InvalidQuestion:  # ask one by one to find which
            return one_by_one(lambda q: batch(passages, [q])[0], questions, (InvalidQuestion,))

    def batch(passages: Any, questions: list[str]) -> list[Any]:
        return [
            [(h.passage.id, h.score, h.place.title, h.text) for h in hits]
            for hits in passages.retrieve_batch(questions, **options)
        ]

    worker = of_worker(index, encoder=models[0], extractor=models[1])
    return answered(frame, column, FIELDS, worker, ask)
