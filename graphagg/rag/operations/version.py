"""One opened version of a passage index, and its models when they are needed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphagg.errors import UnsupportedFormat
from graphagg.rag.documents.languages import AUTO
from graphagg.rag.models.by_language import ByLanguage
from graphagg.rag.models.by_name import Models, encoder_of
from graphagg.rag.models.by_rule.extractor import PREFIX as RULES
from graphagg.rag.models.by_rule.extractor import RuleExtractor
from graphagg.rag.models.extractor import EntityExtractor, SpacyExtractor
from graphagg.rag.models.static.encoder import StaticEncoder, StaticTable
from graphagg.rag.models.with_names import names_of, with_names
from graphagg.rag.snapshot.snapshot import REVISION, PassageSnapshot
from graphagg.store import Artifact

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.vector_cache import VectorCache


@dataclass(frozen=True)
class PassageVersion:
    """One version of an index, and the models that it was built with."""

    snapshot: PassageSnapshot
    models: IndexModels

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact


def read_snapshot(artifact: Artifact) -> PassageSnapshot:
    """The parts of an opened version; raises `UnsupportedFormat` for another revision."""
    revision = artifact.manifest.parameters.get("revision")
    if revision != REVISION:
        raise UnsupportedFormat(
            f"{artifact.directory}: a passage index of revision {revision}, this graphagg reads "
            f"{REVISION}; build the index again"
        )
    return PassageSnapshot(artifact)


class IndexModels:
    """The models that a version was built with: given, or loaded by name when first needed.

    Threads that use them take turns by `lock`.

    Args:
        artifact: the version.
        encoder: its encoder; None loads the recorded one.
        extractor: its extractor; None loads the recorded one.
        cache: of vectors of new passages.

    Raises:
        ModelMismatch: a given model is not the one that the version was built with.
    """

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None,
        extractor: EntityExtractor | None,
        cache: VectorCache | None = None,
    ) -> None:
        self._artifact, self._recorded = artifact, artifact.manifest.models
        self._profile = artifact.manifest.parameters["profile"]
        self._where = str(artifact.directory)
        if encoder is not None:
            encoder.spec.check_built_with("encoder", self._recorded["encoder"], self._where)
        if extractor is not None:
            extractor.spec.check_built_with("extractor", self._recorded["extractor"], self._where)
        self._given = encoder, extractor, cache
        self._encoder, self._extractor = encoder, extractor
        self.lock = threading.RLock()

    def of(self, artifact: Artifact) -> IndexModels:
        """The models of another version of the index; models that are loaded already are kept.

        Raises:
            ModelMismatch: that version was built with another model than the given one.
        """
        models = IndexModels(artifact, *self._given)
        with self.lock:
            if models._recorded["encoder"] == self._recorded["encoder"]:
                models._encoder = self._encoder
            if models._recorded["extractor"] == self._recorded["extractor"]:
                models._extractor = self._extractor
        return models

    def encoder(self) -> Encoder:
        """The encoder; `ModelMismatch` if the installed one of that name is another."""
        with self.lock:
            if self._encoder is None:
                recorded = self._recorded["encoder"]
                dtype = recorded.get("dtype", "auto")
                encoder = self._table_encoder() or encoder_of("standard", recorded["name"], dtype)
                encoder.spec.check_built_with("encoder", recorded, self._where)
                self._encoder = encoder
            return self._encoder

    def extractor(self) -> EntityExtractor:
        """The extractor; `ModelMismatch` if the installed one of that name is another."""
        with self.lock:
            if self._extractor is None:
                recorded = self._recorded["extractor"]
                extractor: EntityExtractor
                if recorded["name"].startswith(RULES):
                    extractor = RuleExtractor(recorded["name"].removeprefix(RULES))
                else:
                    extractor = SpacyExtractor(recorded["name"], drop=recorded["dropped_labels"])
                    if recorded.get("language") == AUTO:
                        extractor = ByLanguage(extractor)
                extractor = with_names(extractor, names_of(recorded))
                extractor.spec.check_built_with("extractor", recorded, self._where)
                self._extractor = extractor
            return self._extractor

    def both(self) -> Models:
        """Encoder, extractor and profile, for new passages."""
        from graphagg.rag.models.vector_cache import cached

        encoder = cached(self.encoder(), self._given[2])
        return Models(encoder, self.extractor(), None, self._profile)

    def _table_encoder(self) -> Encoder | None:
        """The static encoder that the index holds; None where it has another one."""
        table = StaticTable.open(self._artifact)
        return None if table is None else StaticEncoder(table, self._recorded["encoder"]["name"])

    def loaded(self) -> tuple[Encoder | None, EntityExtractor | None]:
        """The models that were given or are loaded by now."""
        return self._encoder, self._extractor
