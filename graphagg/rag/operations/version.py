"""One opened version of a passage index, and its models, loaded on demand."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphagg.errors import UnsupportedFormat
from graphagg.rag.models.by_name import Models, encoder_of, extractor_named
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.models.static.encoder import StaticEncoder, StaticTable
from graphagg.rag.models.with_names import names_of, with_names
from graphagg.rag.snapshot.snapshot import REVISION, PassageSnapshot
from graphagg.store import Artifact

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder


@dataclass(frozen=True)
class PassageVersion:
    """One version of an index, and its models."""

    snapshot: PassageSnapshot
    models: IndexModels

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact


def read_snapshot(artifact: Artifact, device: str | None = None) -> PassageSnapshot:
    """Read an opened version; raises `UnsupportedFormat` for another revision."""
    revision = artifact.manifest.parameters.get("revision")
    if revision != REVISION:
        raise UnsupportedFormat(
            f"{artifact.directory}: revision {revision}, wanted {REVISION}; build the index again"
        )
    return PassageSnapshot(artifact, device)


class IndexModels:
    """The models of a version: those of the caller, or the recorded ones, loaded at first use.

    Threads hold `lock` while they use them. Raises `ModelMismatch` if a model differs from the
    recorded one.
    """

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None,
        extractor: EntityExtractor | None,
        device: str | None = None,
    ) -> None:
        self._artifact, self._recorded = artifact, artifact.manifest.models
        self._profile = artifact.manifest.parameters["profile"]
        self._where = str(artifact.directory)
        if encoder is not None:
            encoder.spec.check_built_with("encoder", self._recorded["encoder"], self._where)
        if extractor is not None:
            extractor.spec.check_built_with("extractor", self._recorded["extractor"], self._where)
        self._given = encoder, extractor, device
        self._encoder, self._extractor = encoder, extractor
        self.lock = threading.RLock()

    def of(self, artifact: Artifact) -> IndexModels:
        """The models of another version of the index; loaded models are shared."""
        models = IndexModels(artifact, *self._given)
        with self.lock:
            if models._recorded["encoder"] == self._recorded["encoder"]:
                models._encoder = self._encoder
            if models._recorded["extractor"] == self._recorded["extractor"]:
                models._extractor = self._extractor
        return models

    def encoder(self) -> Encoder:
        """The encoder; raises `ModelMismatch` if the installed model differs."""
        with self.lock:
            if self._encoder is None:
                recorded = self._recorded["encoder"]
                dtype = recorded.get("dtype", "auto")
                device = "cpu" if dtype == "int8" else self._given[2]  # the CPU's arithmetic
                name = recorded["name"]
                table = self._table_encoder()
                encoder = table or encoder_of("standard", name, dtype, device)
                encoder.spec.check_built_with("encoder", recorded, self._where)
                self._encoder = encoder
            return self._encoder

    def extractor(self) -> EntityExtractor:
        """The extractor; raises `ModelMismatch` if the installed model differs."""
        with self.lock:
            if self._extractor is None:
                recorded = self._recorded["extractor"]
                language, drop = recorded.get("language"), recorded.get("dropped_labels", ())
                extractor = extractor_named("standard", recorded["name"], language, drop=drop)
                extractor = with_names(extractor, names_of(recorded))
                extractor.spec.check_built_with("extractor", recorded, self._where)
                self._extractor = extractor
            return self._extractor

    def both(self) -> Models:
        """Encoder, extractor and profile, for new passages."""
        return Models(self.encoder(), self.extractor(), None, self._profile)

    def _table_encoder(self) -> Encoder | None:
        """The static encoder stored in the index; None if it has another kind of encoder."""
        table = StaticTable.open(self._artifact)
        return None if table is None else StaticEncoder(table, self._recorded["encoder"]["name"])

    def loaded(self) -> tuple[Encoder | None, EntityExtractor | None]:
        """The models that are loaded so far."""
        return self._encoder, self._extractor
