"""Build a passage index from a corpus, in this process or with Spark."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphagg.progress import Progress
from graphagg.rag.config.limits import DEFAULT_LIMITS
from graphagg.rag.documents.passages import language_of_corpus
from graphagg.rag.indexing.build import Recipe, build
from graphagg.rag.indexing.passage_files import PassageFiles, reading
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.supplied_vectors import checked_vectors
from graphagg.rag.models.with_names import with_names
from graphagg.rag.operations.changes import rows_of
from graphagg.rag.operations.config import PassageConfig
from graphagg.spark.build import SparkBuild, SparkOptions
from graphagg.spark.sources import refuse
from graphagg.store import write_artifact


def build_here(
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    progress: Progress,
    force: bool,
) -> Models:
    """Build in this process; returns the models."""
    rows, vectors = rows_of(passages, config.columns, config.vectors)
    chunking = config.chunking if vectors is None else None
    with reading(), write_artifact(directory) as publication, publication.scratch() as scratch:
        corpus = PassageFiles(publication.writer)
        corpus.write(rows, chunking, progress)
        if config.language is None and config.extractor is None:
            config = replace(config, language=language_of_corpus(corpus))
        models = config.load()
        recipe = Recipe(models, chunking, config.search, config.columns)
        is_built = vectors is None and recipe.is_built(directory, corpus.digest())
        if force or not is_built:
            checked = None if vectors is None else checked_vectors(vectors, corpus, models.encoder)
            build(publication, corpus, recipe, scratch, progress, checked, config.limits)
    return models


def build_by_spark(
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    options: SparkOptions,
    progress: Progress,
    force: bool,
) -> tuple[Encoder | None, EntityExtractor | None]:
    """Build with Spark; returns encoder and extractor if the caller gave objects."""
    from graphagg.rag.spark.build import (
        PASSAGES_PER_TASK,
        GivenModels,
        ModelLoader,
        write_with_spark,
    )

    limits = None if config.limits == DEFAULT_LIMITS else config.limits
    refuse(vectors=config.vectors, limits=limits, processes=config.processes)
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
    spark_build = SparkBuild.from_options(passages, options, directory, progress, force)
    size = options.items_per_task or PASSAGES_PER_TASK
    write_with_spark(
        spark_build,
        passages,
        config.columns,
        config.chunking,
        loader,
        config.search,
        size,
        in_language,
    )
    return encoder, None if extractor is None else with_names(extractor, config.known_names)
