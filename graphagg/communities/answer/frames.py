"""Communities of a column of seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidSeeds, UnknownVertex
from graphagg.spark.answers import answered, of_worker, one_by_one

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def communities_frame(
    frame: DataFrame, index: Any, column: str, skip: bool, options: dict[str, Any]
) -> DataFrame:
    """The rows with `rank`, `member` and `score`; see `CommunityIndex.query_on_spark`."""
    fields = {"member": "long" if index.vertices.is_integer else "string", "score": "double"}

    def ask(communities: Any, questions: list[Any]) -> Any:
        def one(seeds: Any) -> Any:
            many = seeds if isinstance(seeds, list) else [seeds]
            return [(m.id, m.score) for m in communities.query(many, **options).members]

        return one_by_one(one, questions, (UnknownVertex, InvalidSeeds) if skip else ())

    return answered(frame, column, fields, of_worker(index), ask)
