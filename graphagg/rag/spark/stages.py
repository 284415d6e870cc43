"""Shared by the stages: the unfinished job, names of their pieces, and the models on executors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from graphagg.rag.models.by_name import Models
from graphagg.rag.models.by_name import NamedModels as NamedModels
from graphagg.spark.files import Files
from graphagg.spark.job import Work
from graphagg.spark.task_arrays import TaskArrays
from graphagg.spark.tasks import Stats

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

PASSAGES, SEGMENT, NAMES, MENTIONS, PAIRS = "passages", "segment", "names", "mentions", "pairs"
ENTITIES, GAZETTEER, TERMS, POSTINGS, IDS = "entities", "gazetteer", "terms", "postings", "ids"
STAGES = ("records", PASSAGES, IDS, SEGMENT, NAMES, MENTIONS, PAIRS, POSTINGS)
"""Those that are reported, in their order."""


class ModelLoader(Protocol):
    """Loads the models; pickled to the executors, equal loaders load the same."""

    def load(self) -> Models:
        """Encoder and extractor, for one process."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class GivenModels:
    """Models that the caller holds, sent to the executors; equal where they are called the same.

    Attributes:
        models: encoder, extractor and the rest.
    """

    models: Models

    def load(self) -> Models:
        """Encoder and extractor, for one process."""
        return self.models

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GivenModels) and self._named() == other._named()

    def __hash__(self) -> int:
        return hash(self._named())

    def _named(self) -> str:
        models = self.models
        return json.dumps([models.to_json(), models.given, models.profile], sort_keys=True)


_LOADED: dict[ModelLoader, Models] = {}


def loaded(loader: ModelLoader) -> Models:
    """The models of this process."""
    if loader not in _LOADED:
        _LOADED.clear()
        _LOADED[loader] = loader.load()
    return _LOADED[loader]


@dataclass(frozen=True)
class Stages:
    """An unfinished job.

    Attributes:
        work: where its stages are kept.
        files: those of the new version.
        models: how executors load the models.
        language: of words: a code, or `auto`.
        a_task: entries (mentions, postings) that one task holds.
        with_faithful: whether the names that were found get vectors.
    """

    work: Work
    files: Files
    models: ModelLoader
    language: str
    a_task: int
    with_faithful: bool = False

    def pieces(self, stage: str) -> TaskArrays:
        """The pieces of a stage."""
        return TaskArrays(self.work.blocks, stage)

    def noted(self, stage: str, make: Callable[[], list[Stats]]) -> list[Stats]:
        """The lengths of a stage's pieces; computed unless they were before."""
        found: list[Stats] = self.work.stage(stage, make)
        return found

    def frame(self, count: int, make: Callable[[int], dict[str, Any]], schema: str) -> DataFrame:
        """Rows that tasks make of pieces 0 to `count - 1`: `make(i)` gives a column a name."""

        def each(batches: Any) -> Any:
            import pyarrow as pa

            for batch in batches:
                for i in batch.column(0).to_pylist():
                    yield from _batches(pa, make(i))

        return self.work.spark.range(0, count, 1, count).mapInArrow(each, schema)


def _batches(pa: Any, columns: dict[str, Any]) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = pa.table(columns).to_batches(max_chunksize=65_536)
    return found
