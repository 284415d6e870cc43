"""An opened version of a passage index, and the models that it was built with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphagg.rag.build.opening import IndexModels, read_snapshot
from graphagg.rag.build.publish import KIND
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.vector_cache import VectorCache
from graphagg.rag.modes.protocol import Asked
from graphagg.rag.modes.registry import AnyRetriever
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.store import Artifact
from graphagg.store.index import Index


@dataclass(frozen=True)
class Version:
    """One version of an index, and the models that it was built with."""

    snapshot: Snapshot
    models: IndexModels

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact


class Opened(Index[Version]):
    """An opened index of passages: the version it holds, and its models.

    Args:
        artifact: the opened folder.
        encoder: the encoder it was built with; None loads it by name at the first question.
        extractor: likewise.
        cache: keeps the vectors of texts that changes bring; None: nowhere.
    """

    KIND = KIND

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        cache: VectorCache | None = None,
    ) -> None:
        self._given = encoder, extractor, cache
        super().__init__(artifact)

    def _read(self, artifact: Artifact, before: Version | None) -> Version:
        snapshot = read_snapshot(artifact)
        models = before.models.of(artifact) if before else IndexModels(artifact, *self._given)
        return Version(snapshot, models)

    @property
    def snapshot(self) -> Snapshot:
        """The parts of the opened version."""
        return self._version.snapshot

    @property
    def models(self) -> IndexModels:
        """The models that questions and new passages need; each is loaded when first asked for."""
        return self._version.models

    def load_encoder(self) -> Encoder:
        """The encoder of the index; it is loaded by its recorded name unless it was given."""
        return self.models.encoder()

    def load_extractor(self) -> EntityExtractor:
        """The extractor of the index, likewise."""
        return self.models.extractor()


def ask(retriever: AnyRetriever, questions: Sequence[str], models: IndexModels) -> list[Asked]:
    """Questions, read and encoded; threads take turns at the models."""
    with models.lock:
        asked: list[Asked] = retriever.encode(retriever.read(questions, models), models)
    return asked
