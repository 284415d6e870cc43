"""Builds of a passage index from a corpus: in this process, or by Spark."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from graphagg.progress import Progress
from graphagg.rag.config.limits import Limits
from graphagg.rag.config.profile import Profile
from graphagg.rag.documents.languages import check_language
from graphagg.rag.documents.passages import language_of_corpus
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.documents.user_names import ListedNames
from graphagg.rag.indexing.build import Recipe, build
from graphagg.rag.indexing.passage_files import PassageFiles, reading
from graphagg.rag.models.by_name import Models, encoder_of, extractor_named
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.supplied_vectors import SuppliedVectors, checked_vectors
from graphagg.rag.models.vector_cache import VectorCache, cached
from graphagg.rag.models.with_names import with_names
from graphagg.rag.operations.changes import rows_of
from graphagg.spark.sources import session_of
from graphagg.store import write_artifact


@dataclass(frozen=True)
class ChosenModels:
    """Models that the caller chose, and names; None: by profile and language, and no names."""

    encoder: Encoder | None
    extractor: EntityExtractor | None
    profile: Profile
    language: str | None
    cache: VectorCache | None
    names: ListedNames | None = None

    def __post_init__(self) -> None:
        check_language(self.language)

    def loaded(self, processes: int | None = None) -> tuple[Encoder, EntityExtractor]:
        """Encoder and extractor, the defaults where the caller chose none."""
        extractor = self.extractor or extractor_named(self.profile, None, self.language, processes)
        return self.encoder or encoder_of(self.profile), with_names(extractor, self.names)


def build_here(
    passages: Any,
    directory: str | os.PathLike[str],
    chosen: ChosenModels,
    *,
    chunking: ChunkConfig | None,
    columns: RowConfig,
    vectors: SuppliedVectors | None,
    progress: Progress,
    force: bool,
    limits: Limits,
) -> tuple[Encoder, EntityExtractor]:
    """Build in this process; see `PassageIndex.build`.

    Returns:
        Encoder and extractor, which may be loaded.
    """
    rows, given = rows_of(passages, columns, vectors)
    chunking = chunking if given is None else None
    with reading(), write_artifact(directory) as publication, publication.scratch() as scratch:
        corpus = PassageFiles(publication.writer, scratch)
        corpus.write(rows, chunking, progress)
        if chosen.language is None and chosen.extractor is None:
            chosen = replace(chosen, language=language_of_corpus(corpus))
        encoder, extractor = chosen.loaded()
        encoding = cached(encoder, chosen.cache)
        models = Models(encoding, extractor, chosen.language, chosen.profile)
        recipe = Recipe(models, chunking)
        is_built = given is None and recipe.is_built(directory, corpus.digest())
        if force or not is_built:
            checked = None if given is None else checked_vectors(given, corpus, encoder)
            build(publication, corpus, recipe, scratch, progress, checked, limits)
    return encoder, extractor


def build_by_spark(
    passages: Any,
    directory: str | os.PathLike[str],
    chosen: ChosenModels,
    *,
    chunking: ChunkConfig | None,
    columns: RowConfig,
    progress: Progress,
    force: bool,
) -> None:
    """Build by the active session of Spark; see `PassageIndex.build`."""
    from graphagg.rag.spark.build import GivenModels, build_with_spark

    models = Models(*chosen.loaded(processes=1), chosen.language, chosen.profile)
    build_with_spark(
        session_of(passages),
        passages,
        directory,
        columns=columns,
        chunking=chunking,
        models=GivenModels(models),
        progress=progress,
        force=force,
    )
