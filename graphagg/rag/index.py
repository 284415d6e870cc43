"""`PassageIndex`: built and opened here; what it does lies in `graphagg.rag.opened`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from graphagg.checks import one_of
from graphagg.progress import Progress, silent
from graphagg.rag.build.publish import KIND, Recipe
from graphagg.rag.config.limits import DEFAULT_LIMITS, Limits
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES, Profile
from graphagg.rag.documents.languages import check_language, language_of_corpus
from graphagg.rag.documents.metadata import ValueType
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import DEFAULT_CHUNKING, ChunkConfig
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.given import Given, checked_vectors
from graphagg.rag.models.named import Models, encoder_of, extractor_named
from graphagg.rag.models.vector_cache import VectorCache, cached
from graphagg.rag.opened.asking import Asking
from graphagg.rag.opened.changing import Changing, rows_of
from graphagg.rag.opened.exploring import Exploring
from graphagg.spark.sources import is_of_spark, refuse, session_of
from graphagg.store import open_artifact, write_artifact

_COLUMNS = RowConfig()


class PassageIndex(Asking, Changing, Exploring):
    """An index of passages, opened from its directory.

    Use `PassageIndex.build` or `PassageIndex.open`. Models load at the first question. The index
    keeps the version it opened, also while another process publishes a newer one, until `reopen`
    or a change of its own. Reading is safe from several threads. `reopen` and changes raise
    `ModelMismatch` where the newest version was built with another model than the given one; the
    opened version then stays.
    """

    @classmethod
    def build(
        cls,
        passages: Any,
        directory: str | os.PathLike[str],
        *,
        chunking: ChunkConfig | None = DEFAULT_CHUNKING,
        columns: RowConfig = _COLUMNS,
        vectors: Given | None = None,
        language: str | None = None,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        cache: VectorCache | None = None,
        profile: Profile = DEFAULT_PROFILE,
        with_linearrag: bool = False,
        progress: Progress = silent,
        force: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> PassageIndex:
        """Index a corpus into `directory` and open it.

        The passages are read once, one by one, and memory does not grow with them: they go to the
        disk as they come, and everything else is made block by block (`limits`). What a killed
        build has finished of several blocks lies in `<directory>.work`, and the next one with the
        same passages and models goes on from it.

        Where the directory holds an index of the same passages by the same models, nothing is done
        unless `force`. Until the new index is complete, and if anything fails, the old one stays.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`,
                `document`, `position`; documents, as `read_documents` gives them; or a data frame
                or Arrow table, a row a passage. A Spark DataFrame, or `table:NAME` of the active
                session: then Spark builds, as `build_with_spark`, without vectors and cache.
            directory: where the index goes; made if it is not there. An address of a store, such
                as `s3://bucket/idx`, is published to when the index is complete.
            chunking: how a text that is longer than a chunk is split; None keeps all whole. The
                index remembers it for `add` and `update`.
            columns: which fields of mappings and tables are what, where they have other names.
            vectors: `[P, d]` of the passages by this very encoder, or the field of each row that
                holds its own: they are not encoded again, and none is split. Sentences still are.
            language: code of the language that all passages are in, such as `de`; `auto`: that of
                each passage is recognized. None: that of the extractor; where that is not given
                either, the one of nine of ten passages, or `auto` for several, told by 200 of them.
            encoder: default that of the profile; of `standard`, `SentenceTransformerEncoder()`.
            extractor: default that of the profile; of `standard`, `SpacyExtractor()`, in another
                language than English rules, and in several these two by the language of each
                passage.
            cache: keeps the vectors of texts, so that an interrupted build goes on; None: nowhere.
            profile: `standard`; `fast`: static vectors and names by rule, to be searched without
                PyTorch; `exact`: float32 throughout.
            with_linearrag: keep the vectors of entity names, which mode `linearrag` compares names
                with that no passage holds. Without them it computes them at its first such
                question, of at most 50,000 names.
            progress: called with stage, done, total; total is 0 while it is not known.
            force: build also where nothing changed.
            limits: how much a build holds in memory; the index is the same.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            InvalidParameter: about the vectors or the language.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            MissingExtra: an optional dependency or a default model is not installed.
        """
        check_language(language)
        if is_of_spark(passages):
            own = None if limits == DEFAULT_LIMITS else limits
            refuse(vectors=vectors, cache=cache, limits=own)
            from graphagg.rag.spark.build import build_with_spark
            from graphagg.rag.spark.models import GivenModels

            extractor = extractor or extractor_named(profile, None, language, 1)
            models = Models(encoder or encoder_of(profile), extractor, language, profile)
            build_with_spark(
                session_of(passages), passages, directory, columns=columns, chunking=chunking,
                models=GivenModels(models), with_linearrag=with_linearrag, progress=progress,
                force=force,
            )  # fmt: skip
            return cls.open(directory, encoder=encoder, extractor=extractor)
        rows, given = rows_of(passages, columns, vectors)
        one_of("profile", profile, PROFILES)
        chunking = chunking if given is None else None
        from graphagg.rag.build.build import build
        from graphagg.rag.build.passage_files import PassageFiles, reading

        with reading(), write_artifact(directory) as publication, publication.scratch() as scratch:
            corpus = PassageFiles(publication.writer, scratch)
            corpus.write(rows, chunking, progress)
            if language is None and extractor is None:
                language = language_of_corpus(corpus)
            extractor = extractor or extractor_named(profile, None, language)
            encoder = encoder or encoder_of(profile)
            models = Models(cached(encoder, cache), extractor, language, profile)
            recipe = Recipe(models, chunking, with_linearrag)
            is_built = given is None and recipe.is_built(directory, corpus.digest())
            if force or not is_built:
                known = None if given is None else checked_vectors(given, corpus, encoder)
                build(publication, corpus, recipe, scratch, progress, known, limits)
        return cls.open(directory, encoder=encoder, extractor=extractor, cache=cache)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        cache: VectorCache | None = None,
        verify: bool = False,
    ) -> PassageIndex:
        """Open an index in milliseconds; no model is loaded.

        Args:
            directory: the index, or its address on a store, such as `s3://bucket/idx`: it comes
                into the local cache first, as far as it is not there.
            encoder: the encoder it was built with; None loads it by name at the first question.
            extractor: likewise.
            cache: keeps the vectors of texts that changes bring; None: nowhere.
            verify: compare every file's checksum first.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
            ModelMismatch: a given model is not the one the index was built with.
        """
        return cls(open_artifact(directory, kind=KIND, verify=verify), encoder, extractor, cache)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Sent to another process, it opens the directory there, with the models it was given."""
        return _reopened, (self.location, *self._given)

    def __len__(self) -> int:
        return len(self.snapshot)

    def __contains__(self, identifier: str) -> bool:
        return self.snapshot.row_of(identifier) is not None

    def __iter__(self) -> Iterator[Passage]:
        """All passages, in the order in which they were added."""
        snapshot = self.snapshot
        return (snapshot.corpus[row] for row in snapshot.alive.nonzero()[0].tolist())

    def __getitem__(self, identifier: str) -> Passage:
        """The passage of an id; raises `UnknownPassage`."""
        snapshot = self.snapshot
        return snapshot.corpus[snapshot.known_row(identifier)]

    @property
    def schema(self) -> Mapping[str, ValueType]:
        """The keys that passages can be filtered by, and their types."""
        return self.snapshot.schema

    @property
    def chunking(self) -> ChunkConfig | None:
        """How long texts are split; None: not at all."""
        return self.snapshot.chunking

    @property
    def weights(self) -> MultihopConfig:
        """Settings that mode `multihop` uses without a config: those of the profile."""
        return self.snapshot.multihop_config

    @property
    def profile(self) -> Profile:
        """What the index was built for: `standard`, `fast` or `exact`."""
        return self.snapshot.profile


def _reopened(
    directory: os.PathLike[str],
    encoder: Encoder | None,
    extractor: EntityExtractor | None,
    cache: VectorCache | None,
) -> PassageIndex:
    return PassageIndex.open(directory, encoder=encoder, extractor=extractor, cache=cache)
