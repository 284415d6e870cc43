"""Build a passage index with Spark; the artifact is the same as that of `PassageIndex.build`.

Each stage writes its result to `<directory>.work`, so that a killed job resumes:

1. records, passages: read and check passages, split long ones, and write them in blocks of
   consecutive rows, in the order of the input (`records`).
2. The order of ids, in one task.
3. segment: entities, sentences, vectors, names and words of each block; models load once per worker
   process.
4. The stages of `graphagg.rag.indexing.engine`, as tasks.
5. The order of texts, and metadata.

A build in one process writes the same files, byte for byte, on the same kind of machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from graphagg.arrays import offsets
from graphagg.errors import InvalidQuestion
from graphagg.execution.runner import Stats
from graphagg.progress import Progress, silent
from graphagg.rag.config.limits import DEFAULT_LIMITS
from graphagg.rag.documents.passages import SAMPLE, language_of_corpus
from graphagg.rag.indexing.arrays import SEGMENT_STAGE, BuildArrays
from graphagg.rag.indexing.block import block_of
from graphagg.rag.indexing.build import Recipe, publish_build
from graphagg.rag.indexing.engine import MENTIONS, TableStages
from graphagg.rag.models.by_name import Models, with_names
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.operations.config import PassageConfig
from graphagg.rag.snapshot.snapshot import KIND
from graphagg.rag.spark.records import (
    PASSAGES,
    PassageInput,
    join_passages,
    load_passages,
    write_order,
    write_passages,
    write_tables,
)
from graphagg.spark.answers import answered, one_by_one, worker_index
from graphagg.spark.build import SparkOptions
from graphagg.spark.job import SparkJob
from graphagg.spark.sources import refuse
from graphagg.store import Publication

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PASSAGES_PER_TASK = 2_000
ENTRIES_PER_TASK = 1_000_000
"""Pairs or postings that a task keeps in memory; about 100 bytes each."""
STAGES = ("records", PASSAGES, SEGMENT_STAGE, MENTIONS)
"""The stages that report progress, in order."""


def build_by_spark(
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    options: SparkOptions,
    progress: Progress,
    force: bool,
) -> tuple[Encoder | None, EntityExtractor | None]:
    """Build with Spark; returns encoder and extractor if the caller gave objects."""
    limits = None if config.limits == DEFAULT_LIMITS else config.limits
    refuse(limits=limits, processes=config.processes)
    encoder = None if isinstance(config.encoder, str) else config.encoder
    extractor = None if isinstance(config.extractor, str) else config.extractor
    by_name = (
        encoder is None and extractor is None and isinstance(config.known_names, str | Path | None)
    )
    config = replace(config, processes=1)
    # Executors load models by name; other models are sent to them.
    loader: ModelLoader = config if by_name else GivenModels(config.load())
    detects_language = by_name and (config.language, config.extractor) == (None, None)
    in_language = (lambda code: replace(config, language=code)) if detects_language else None
    write_with_spark(options, passages, directory, config, loader, in_language, progress, force)
    return encoder, None if extractor is None else with_names(extractor, config.known_names)


def write_with_spark(
    options: SparkOptions,
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    loader: ModelLoader,
    in_language: Callable[[str | None], ModelLoader] | None,
    progress: Progress,
    force: bool,
) -> None:
    """Index a corpus with Spark; see `PassageIndex.build` and `records.write_passages`.

    Tasks split long texts; each annotates and encodes `items_per_task` passages. `in_language`
    returns the models for the language of a sample.
    """
    columns, chunking = config.columns, config.chunking
    source = PassageInput.from_source(passages, columns)
    first = Recipe(loaded(loader), chunking, columns)

    def write(job: SparkJob, publication: Publication) -> None:
        arrays = BuildArrays(job.blocks, job.arrays, job.version())
        passages = write_passages(
            job, source, chunking, options.items_per_task or PASSAGES_PER_TASK
        )
        starts = [int(bound) for bound in offsets([s["rows"] for s in passages])]
        write_order(job, arrays, passages)
        digest = _digest(arrays, passages)
        models = loader
        if in_language is not None:
            models = in_language(_language(job, arrays, passages, starts))
        recipe = Recipe(loaded(models), chunking, columns)
        if not force and recipe.is_built(publication.location, digest):
            return
        blocks = _annotate(job, arrays, passages, models)
        join_passages(job, arrays, passages)
        counts = TableStages(starts, arrays, job, ENTRIES_PER_TASK).run(blocks)
        write_tables(job, arrays, passages)
        arrays.version.gather(publication.writer)
        sentences = len(arrays.version.map("s0.sentences"))
        counts |= {"passages": starts[-1], "sentences": sentences}
        publish_build(publication, recipe, digest, counts)

    options.publish(
        KIND, job_of(source, first), source, directory, write,
        stages=STAGES, progress=progress, force=force,
    )  # fmt: skip


def job_of(source: PassageInput, recipe: Recipe) -> dict[str, Any]:
    """Return the identity of a job: its input, models and parameters."""
    return {
        "source": source.identity(),
        "models": recipe.models.to_json(),
        "parameters": recipe.parameters(),
    }


def _language(
    job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats], starts: Sequence[int]
) -> str | None:
    """Detect the language of a sample of the passages."""

    def recognize(_: int) -> Stats:
        rows = np.arange(0, starts[-1], max(1, starts[-1] // (4 * SAMPLE)))
        sample = []
        for stats, low, high in zip(passages, starts, starts[1:], strict=False):
            local_rows = rows[(rows >= low) & (rows < high)] - low
            sample += load_passages(arrays, stats["block"], local_rows) if len(local_rows) else []
        return {"language": (language_of_corpus(sample) or "").encode()}

    return job.note("language", lambda: job.run(1, recognize)[0]["language"].decode()) or None


def _annotate(
    job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats], loader: ModelLoader
) -> list[Stats]:
    """Run stage `segment`: each task annotates and encodes a block, unless an earlier run did."""
    stage = arrays.stage(SEGMENT_STAGE)

    def annotate(i: int) -> Stats:
        finished = stage.known(i)
        if finished is not None:
            return finished
        block = load_passages(arrays, passages[i]["block"])
        return stage.save(i, block_of(block, loaded(loader), silent))

    return job.run(len(passages), annotate, SEGMENT_STAGE)


def _digest(arrays: BuildArrays, passages: Sequence[Stats]) -> str:
    """Compute `corpus_digest`, block by block."""
    total = hashlib.sha256()
    for s in passages:
        digests: Any = arrays.stage(PASSAGES).array(s["block"], "s0.passages.digests")
        total.update(digests.tobytes())
    return total.hexdigest()


class ModelLoader(Protocol):
    """Loads the models. It is pickled to the executors; equal loaders load the same models."""

    def load(self) -> Models:
        """Return encoder and extractor for one process."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class GivenModels:
    """Models from the caller, sent to the executors; equal if their names are equal."""

    models: Models

    def load(self) -> Models:
        """Return encoder and extractor for one process."""
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
    """Return the models of this process; load them on first use."""
    if loader not in _LOADED:
        _LOADED.clear()
        _LOADED[loader] = loader.load()
    return _LOADED[loader]


FIELDS = {"passage": "string", "score": "double", "title": "string", "text": "string"}


def passages_frame(
    frame: DataFrame, index: Any, column: str, models: tuple[Any, ...], options: Mapping[str, Any]
) -> DataFrame:
    """Return the rows with `rank` and `FIELDS`; see `PassageIndex.retrieve_on_spark`.

    `models` are the encoder and extractor that the index was opened with, or None; `options` are
    passed to `retrieve_batch`.
    """

    def ask(passages: Any, questions: list[str]) -> Any:
        try:
            return batch(passages, questions)
        except InvalidQuestion:  # ask one by one to find the invalid one
            return one_by_one(lambda q: batch(passages, [q])[0], questions, (InvalidQuestion,))

    def batch(passages: Any, questions: list[str]) -> list[Any]:
        return [
            [(h.passage.id, h.score, h.place.title, h.text) for h in hits]
            for hits in passages.retrieve_batch(questions, **options)
        ]

    worker = worker_index(index, encoder=models[0], extractor=models[1])
    return answered(frame, column, FIELDS, worker, ask)
