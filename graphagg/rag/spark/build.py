"""The passage index by Spark, the same artifact as `PassageIndex.build` writes.

Each stage ends on disk in `<directory>.work`, so that a killed job resumes:

1. records, passages: read, checked, split where they are long, and written in blocks of consecutive
   rows, in the order of the input (`records`).
2. The order of ids, in one task (`whole`).
3. segment: entities, sentences, vectors, names and words of each block; models load once per worker
   process.
4. The stages of `graphagg.rag.indexing.engine`, as tasks.
5. Metadata (`whole`).

One process writes the same files, byte for byte, on machines of one kind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphagg.arrays import offsets
from graphagg.execution.runner import Stats
from graphagg.nearest.search import SearchType
from graphagg.progress import silent
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.indexing.block import block_of
from graphagg.rag.indexing.build import Recipe, publish_build
from graphagg.rag.indexing.engine import MENTIONS, TableStages
from graphagg.rag.indexing.state import SEGMENT_STAGE, BuildArrays
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.snapshot.snapshot import KIND
from graphagg.rag.spark.records import (
    PASSAGES,
    PassageInput,
    join_passages,
    load_passages,
    write_passages,
)
from graphagg.rag.spark.whole import write_order, write_tables
from graphagg.spark.build import SparkBuild
from graphagg.spark.job import SparkJob
from graphagg.store import Publication

PASSAGES_PER_TASK = 2_000
ENTRIES_PER_TASK = 1_000_000
"""Pairs or postings that a task holds; about 100 bytes each."""
STAGES = ("records", PASSAGES, SEGMENT_STAGE, MENTIONS)
"""The stages that are reported, in their order."""


def write_with_spark(
    spark_build: SparkBuild,
    passages: Any,
    columns: RowConfig,
    chunking: ChunkConfig | None,
    loader: ModelLoader,
    search: SearchType,
    passages_per_task: int = PASSAGES_PER_TASK,
) -> None:
    """Index a corpus by Spark; see `PassageIndex.build` and `records.read_records`.

    Tasks split long texts, and annotate and encode `passages_per_task` passages each.
    """
    source = PassageInput.from_source(passages, columns)
    recipe = Recipe(loaded(loader), chunking, search)

    def write(job: SparkJob, publication: Publication) -> None:
        arrays = BuildArrays(job.blocks, job.arrays, job.version(publication))
        passages = write_passages(job, source, recipe.chunking, passages_per_task)
        starts = [int(bound) for bound in offsets([s["rows"] for s in passages])]
        write_order(job, arrays, passages)
        digest = _digest(arrays, passages)
        if not spark_build.force and recipe.is_built(publication.location, digest):
            return
        blocks = _annotate(job, arrays, passages, loader)
        join_passages(job, arrays, passages)
        counts = TableStages(starts, arrays, job, ENTRIES_PER_TASK).run(blocks, search)
        write_tables(job, arrays, passages)
        arrays.version.gather(publication.writer)
        sentences = len(arrays.version.map("s0.sentences"))
        counts |= {"passages": starts[-1], "sentences": sentences}
        publish_build(publication, recipe, digest, counts)

    spark_build.publish(KIND, job_of(source, recipe), source, write, STAGES)


def job_of(source: PassageInput, recipe: Recipe) -> dict[str, Any]:
    """Identity of a job: its input, its models, and how long texts are split."""
    return {
        "source": source.identity(),
        "models": recipe.models.to_json(),
        "parameters": recipe.parameters(),
    }


def _annotate(
    job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats], loader: ModelLoader
) -> list[Stats]:
    """Stage `segment`: a task annotates and encodes a block, unless an earlier run did."""
    stage = arrays.stage(SEGMENT_STAGE)

    def annotate(i: int) -> Stats:
        finished = stage.known(i)
        if finished is not None:
            return finished
        block = load_passages(arrays, passages[i]["block"])
        return stage.save(i, block_of(block, loaded(loader), None, silent))

    return job.run(len(passages), annotate, SEGMENT_STAGE)


def _digest(arrays: BuildArrays, passages: Sequence[Stats]) -> str:
    """`corpus_digest`, block by block."""
    total = hashlib.sha256()
    for s in passages:
        digests: Any = arrays.stage(PASSAGES).array(s["block"], "s0.passages.digests")
        total.update(digests.tobytes())
    return total.hexdigest()


class ModelLoader(Protocol):
    """Loads the models; pickled to the executors, equal loaders load the same."""

    def load(self) -> Models:
        """Encoder and extractor, for one process."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class GivenModels:
    """Models of the caller, sent to the executors; equal if their names are equal."""

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
        return json.dumps(
            [models.to_json(), models.language_override, models.profile], sort_keys=True
        )


_LOADED: dict[ModelLoader, Models] = {}


def loaded(loader: ModelLoader) -> Models:
    """The models of this process."""
    if loader not in _LOADED:
        _LOADED.clear()
        _LOADED[loader] = loader.load()
    return _LOADED[loader]
