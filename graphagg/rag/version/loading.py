"""Opening a version of an index: its parts, and its models when they are needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from graphagg.errors import ArtifactError, UnsupportedFormat
from graphagg.rag.linearrag.config import Mode
from graphagg.rag.models.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.models.extractor import EntityExtractor, SpacyExtractor
from graphagg.rag.questions import Answerer, Asked
from graphagg.rag.version.publish import KIND, REVISION, Models, parameters
from graphagg.rag.version.snapshot import Snapshot
from graphagg.store import Artifact, open_artifact


def open_snapshot(directory: str | os.PathLike[str], *, verify: bool = False) -> Snapshot:
    """Open the current version; raises as `store.open_artifact` does."""
    artifact = open_artifact(directory, kind=KIND, verify=verify)
    try:
        found, wanted = artifact.manifest.parameters.get("revision"), REVISION
        if found != wanted:
            raise UnsupportedFormat(
                f"{directory}: a passage index of revision {found}, this graphagg reads {wanted}; "
                "build the index again"
            )
        return Snapshot(artifact)
    except BaseException:
        artifact.close()
        raise


def is_built(
    directory: str | os.PathLike[str],
    digest: str,
    encoder: Encoder | None,
    extractor: EntityExtractor,
) -> bool:
    """Whether building again would give the index that is there."""
    try:
        with open_artifact(directory, kind=KIND) as artifact:
            manifest = artifact.manifest
    except ArtifactError:
        return False
    return (
        manifest.inputs == {"passages": digest}
        and manifest.counts.get("segments") == 1
        and manifest.parameters == parameters(extractor)
        and manifest.models == Models(encoder or SentenceTransformerEncoder(), extractor).to_json()
    )


class IndexModels:
    """The models that a version was built with: given, or loaded by name when first needed.

    Threads take turns at them.

    Args:
        artifact: the version.
        encoder: its encoder; None loads the recorded one.
        extractor: its extractor; None loads the recorded one.

    Raises:
        ModelMismatch: a given model is not the one that the version was built with.
    """

    def __init__(
        self, artifact: Artifact, encoder: Encoder | None, extractor: EntityExtractor | None
    ) -> None:
        self._recorded = artifact.manifest.models
        self._where = str(artifact.directory)
        if encoder is not None:
            encoder.spec.check_built_with("encoder", self._recorded["encoder"], self._where)
        if extractor is not None:
            extractor.spec.check_built_with("extractor", self._recorded["extractor"], self._where)
        self._given = encoder, extractor
        self._encoder, self._extractor = encoder, extractor
        self._lock = threading.RLock()

    def of(self, artifact: Artifact) -> IndexModels:
        """The models of another version of the index; what is loaded of them already is kept.

        Raises:
            ModelMismatch: that version was built with another model than the given one.
        """
        models = IndexModels(artifact, *self._given)
        with self._lock:
            if models._recorded["encoder"] == self._recorded["encoder"]:
                models._encoder = self._encoder
            if models._recorded["extractor"] == self._recorded["extractor"]:
                models._extractor = self._extractor
        return models

    def encoder(self) -> Encoder:
        """The encoder; `ModelMismatch` if the installed one of that name is another."""
        with self._lock:
            if self._encoder is None:
                recorded = self._recorded["encoder"]
                dtype = recorded.get("dtype", "auto")
                encoder = SentenceTransformerEncoder(recorded["name"], dtype=dtype)
                encoder.spec.check_built_with("encoder", recorded, self._where)
                self._encoder = encoder
            return self._encoder

    def extractor(self) -> EntityExtractor:
        """The extractor; `ModelMismatch` if the installed one of that name is another."""
        with self._lock:
            if self._extractor is None:
                recorded = self._recorded["extractor"]
                extractor = SpacyExtractor(recorded["name"], drop=recorded["dropped_labels"])
                extractor.spec.check_built_with("extractor", recorded, self._where)
                self._extractor = extractor
            return self._extractor

    def both(self) -> Models:
        """What new passages need."""
        return Models(self.encoder(), self.extractor())

    def of_mode(self, mode: Mode) -> tuple[EntityExtractor | None, Encoder | None]:
        """What questions need in a mode."""
        extractor = self.extractor() if mode == "faithful" else None
        return extractor, None if mode == "bm25" else self.encoder()

    def read(self, answerer: Answerer, questions: Sequence[str], mode: Mode) -> list[Asked]:
        """Questions, read and encoded."""
        with self._lock:
            extractor, encoder = self.of_mode(mode)
            return answerer.encode(answerer.name(questions, extractor), encoder)
