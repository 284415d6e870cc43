"""Access to the passages of an opened index and to views of the whole corpus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import GraphConfig, MapConfig
from graphagg.rag.documents.languages import AUTO
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.value_types import ValueType
from graphagg.rag.models.by_name import (
    IndexModels,
    encoder_of,
    extractor_named,
    names_of,
    with_names,
)
from graphagg.rag.operations.config import PassageConfig
from graphagg.rag.question.request import Request, Selection, VisibleFields
from graphagg.rag.snapshot.snapshot import KIND, PassageSnapshot
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.index import Index

if TYPE_CHECKING:  # questions do not need these modules; methods import them when called
    from graphagg.rag.corpus.graph import CorpusGraph
    from graphagg.rag.corpus.similar import SimilarItems
    from graphagg.rag.corpus.themes import ThemeMap
    from graphagg.rag.corpus.versions import DocumentVersion
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor


_ALL = Request()
_GRAPH = GraphConfig()
_MAP = MapConfig()


def _selection(visible: VisibleFields) -> Selection:
    return _ALL.with_fields(**visible).selection


class IndexedCorpus(Index[PassageSnapshot]):
    """The passages of an index and views of the whole corpus; base of `PassageIndex`."""

    KIND = KIND

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
    ) -> None:
        self._given = encoder, extractor
        super().__init__(artifact)

    def _read(self, artifact: Artifact, before: PassageSnapshot | None) -> PassageSnapshot:
        models = before.models.of(artifact) if before else IndexModels(artifact, *self._given)
        return PassageSnapshot(artifact, models)

    @classmethod
    def merge(
        cls,
        shards: Iterable[str | os.PathLike[str]],
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | str | None = None,
        extractor: EntityExtractor | str | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Merge indices of parts of a corpus; the result answers like an index of all passages.

        Nothing is encoded again, and files of the parts are linked where the disk allows it. To
        replace a part, merge again. Above 100,000 passages, similarity search has the recall that
        it has in each part.

        Args:
            shards: indices with the same parameters and models, or their addresses on a store.
            directory: directory of the merged index, as for `PassageIndex.build`.
            encoder: as for `open`.
            extractor: as for `open`.
            progress: called with stage, done, total.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: a shard is missing or outdated.
            InvalidParameter, ModelMismatch: a shard has other parameters or models.
            DuplicateId: a passage is in two shards.
            ArtifactBusy, WriteFailed: the directory is in use or cannot be written.

        Examples:
            >>> import tempfile
            >>> from graphagg.rag import PassageIndex
            >>> parts = [tempfile.mkdtemp(), tempfile.mkdtemp()]
            >>> for part, text in zip(parts, ["Ada was born in London.", "London is large."]):
            ...     PassageIndex.build([{"id": text, "text": text}], part, profile="fast").close()
            >>> len(PassageIndex.merge(parts, tempfile.mkdtemp()))
            2
        """
        from graphagg.rag.indexing.shards import merge_shards

        with ExitStack() as stack, write_artifact(directory) as publication:
            artifacts = [stack.enter_context(open_artifact(s, kind=cls.KIND)) for s in shards]
            snapshots = [PassageSnapshot(artifact) for artifact in artifacts]
            for artifact in artifacts:
                artifact.check_values()
            merge_shards(publication, snapshots, progress)
        return cls.open(directory, encoder=encoder, extractor=extractor)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | str | None = None,
        extractor: EntityExtractor | str | None = None,
        verify: bool = False,
    ) -> Self:
        """Open an index in milliseconds; no model is loaded.

        Args:
            directory: the index, or its address on a store, such as `s3://bucket/idx`, from which
                missing files are copied to the local cache.
            encoder: the encoder of the build, or its name. None: loaded by the recorded name at the
                first question.
            extractor: likewise.
            verify: compare the checksums of all files and check all values.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: the directory is not a valid index.
            ModelMismatch: a model differs from the one of the build.
        """
        artifact = open_artifact(directory, kind=KIND, verify=verify)
        if isinstance(encoder, str):
            profile = artifact.manifest.parameters["profile"]
            encoder = encoder_of(profile, encoder)
        if isinstance(extractor, str):
            recorded = artifact.manifest.models["extractor"]
            language = AUTO if recorded.get("language") == AUTO else None
            extractor = extractor_named("standard", extractor, language)
            extractor = with_names(extractor, names_of(recorded))
        return cls(artifact, encoder, extractor)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle the location and the caller's models; unpickling opens the index."""
        encoder, extractor = self._given
        reopen = partial(type(self).open, encoder=encoder, extractor=extractor)
        return reopen, (self.location,)

    def __len__(self) -> int:
        return len(self.snapshot)

    def __contains__(self, identifier: str) -> bool:
        return self.snapshot.row_of(identifier) is not None

    def __iter__(self) -> Iterator[Passage]:
        """Iterate over all passages in the order in which they were added."""
        snapshot = self.snapshot
        self.artifact.check_values()
        return (snapshot.corpus[row] for row in snapshot.alive.nonzero()[0].tolist())

    def __getitem__(self, identifier: str) -> Passage:
        """Return the passage with an id; raises `UnknownPassage`."""
        snapshot = self.snapshot
        return snapshot.corpus[snapshot.known_row(identifier)]

    @property
    def schema(self) -> Mapping[str, ValueType]:
        """Metadata keys for filters, and their types."""
        return self.snapshot.schema

    @property
    def config(self) -> PassageConfig:
        """The settings of the build; names of its models are in `manifest.models`."""
        snapshot, parameters = self.snapshot, self.manifest.parameters
        return PassageConfig(
            profile=snapshot.profile,
            language=parameters["language"] or None,
            chunking=snapshot.chunking,
            columns=snapshot.columns,
        )

    @property
    def snapshot(self) -> PassageSnapshot:
        """The tables of the opened version."""
        return self._version

    @property
    def models(self) -> IndexModels:
        """The models for questions and new passages, loaded at first use."""
        return self._version.models

    def versions(self) -> list[list[DocumentVersion]]:
        """Return the families of documents that are versions of each other, each oldest first.

        Examples:
            >>> import tempfile
            >>> from graphagg.rag import PassageIndex
            >>> text = "Visitors park for free for {} hours, on the roof and behind the house."
            >>> rules = [
            ...     {"id": f"rules-{y}.md", "text": text.format(y - 2022), "when": f"{y}-01-01"}
            ...     for y in (2023, 2025)
            ... ]
            >>> index = PassageIndex.build(rules, tempfile.mkdtemp(), profile="fast")
            >>> [[each.document for each in family] for family in index.versions()]
            [['rules-2023.md', 'rules-2025.md']]
            >>> print(index.retrieve("How long do visitors park for free?", k=1)[0].versions)
            newest of 2 versions, 2023 to 2025
        """
        from graphagg.rag.corpus.versions import listed_versions

        return listed_versions(self.snapshot)

    def graph(
        self, *, config: GraphConfig = _GRAPH, **visible: Unpack[VisibleFields]
    ) -> CorpusGraph:
        """Make the graph of passages and entities; no model is loaded.

        It equals the graph of an index of the visible passages alone.

        Args:
            config: how entities are linked.
            visible: `filter`, `include` and `exclude` of `Request`.

        Raises:
            InvalidFilter: the filter has an unknown key or a value of another type.
            InvalidParameter: ids are not a list.
        """
        from graphagg.rag.corpus.graph import corpus_graph

        snapshot = self.snapshot
        return corpus_graph(snapshot, snapshot.view_of(_selection(visible)), config)

    def map(
        self,
        *,
        config: MapConfig = _MAP,
        progress: Progress = silent,
        **visible: Unpack[VisibleFields],
    ) -> ThemeMap:
        """Find the themes of the corpus; no model is loaded.

        A map is computed once and cached with the opened version. It equals the map of an index of
        the visible passages alone.

        Args:
            config: number of themes, and the contents of a theme.
            progress: called with stage, done, total.
            visible: `filter`, `include` and `exclude` of `Request`.

        Raises:
            InvalidFilter: the filter has an unknown key or a value of another type.
            InvalidParameter: ids are not a list, or no passage has a date in `config.when`.
        """
        from graphagg.rag.corpus.themes import cached_map

        snapshot = self.snapshot
        return cached_map(snapshot, snapshot.view_of(_selection(visible)), config, progress)

    def similar_passages(
        self, passage_id: str, k: int = 10, **visible: Unpack[VisibleFields]
    ) -> SimilarItems:
        """Find the `k` visible passages most similar to one, by the vectors of their texts.

        Args:
            passage_id: the passage.
            k: number of passages.
            visible: `filter`, `include` and `exclude` of `Request`.

        Raises:
            UnknownPassage: the passage does not exist or is not visible.
            InvalidParameter, InvalidFilter: about the other arguments.
        """
        from graphagg.rag.corpus.similar import similar_passages

        return similar_passages(self.snapshot, _selection(visible), passage_id, k)

    def similar_entities(
        self, name: str, k: int = 10, **visible: Unpack[VisibleFields]
    ) -> SimilarItems:
        """Find the `k` entities most similar to one, by the vectors of the passages that name them.

        Args:
            name: the entity, in any case.
            k: number of entities.
            visible: `filter`, `include` and `exclude` of `Request`.

        Raises:
            UnknownEntity: no visible passage names it.
            InvalidParameter, InvalidFilter: about the other arguments.
        """
        from graphagg.rag.corpus.similar import similar_entities

        return similar_entities(self.snapshot, _selection(visible), name, k)
