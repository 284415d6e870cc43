"""Reads the passages of a build or a change, and builds an index in this process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphagg.progress import Progress
from graphagg.rag.documents.passages import iterable, language_of_corpus
from graphagg.rag.documents.rows import PLAIN, RowConfig
from graphagg.rag.indexing.build import Recipe, build
from graphagg.rag.indexing.passage_files import PassageFiles, reading
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import Source
from graphagg.rag.operations.config import PassageConfig
from graphagg.store import write_artifact


def build_here(
    passages: Any,
    directory: str | os.PathLike[str],
    config: PassageConfig,
    progress: Progress,
    force: bool,
) -> Models:
    """Build in this process; returns the models."""
    rows = rows_of(passages, config.columns)
    with reading(), write_artifact(directory) as publication, publication.scratch() as scratch:
        corpus = PassageFiles(publication.writer)
        corpus.write(rows, config.chunking, progress)
        if config.language is None and config.extractor is None:
            config = replace(config, language=language_of_corpus(corpus))
        models = config.load()
        recipe = Recipe(models, config.chunking, config.columns)
        if force or not recipe.is_built(directory, corpus.digest()):
            build(publication, corpus, recipe, scratch, progress, config.limits)
    return models


def rows_of(
    passages: Iterable[Source], columns: RowConfig | None, usual: RowConfig = PLAIN
) -> Iterator[Source]:
    """Read passages and documents one by one, with renamed fields.

    Without `columns`, fields are renamed by the `usual` ones in rows that have those.
    """

    def renamed(row: Any, where: str) -> Any:
        if not isinstance(row, Mapping):
            return row
        is_usual = usual.id_column in row and usual.text_column in row
        return (columns or (usual if is_usual else PLAIN)).record(row, where)

    return (renamed(row, f"passage {index}") for index, row in enumerate(iterable(passages)))
