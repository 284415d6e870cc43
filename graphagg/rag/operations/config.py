"""`PassageConfig`: models and settings of a passage index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from graphagg.checks import one_of
from graphagg.rag.config.limits import DEFAULT_LIMITS, BuildLimits
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES, Profile
from graphagg.rag.documents.languages import check_language
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.by_name import Models, encoder_of, extractor_named, with_names
from graphagg.rag.models.chunking import DEFAULT_CHUNKING, ChunkConfig

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor


@dataclass(frozen=True)
class PassageConfig:
    """Models and settings of a passage index.

    Attributes:
        profile: `standard`, or `fast`: static vectors, and names by rules without spaCy.
        language: code of the language of all passages, such as `de`; `auto` recognizes the
            language of each. None: the extractor's; without an extractor the language of nine of
            ten passages in a sample of 200, else `auto`.
        encoder: an encoder, or the name or folder of a model. None: by profile; for
            `standard` a `SentenceTransformerEncoder()`.
        extractor: an extractor, the name of a spaCy pipeline, or `rule:CODE`. None: by profile and
            language; for `standard` `SpacyExtractor()` for English, rules for other languages, and
            both for several.
        processes: processes of an extractor by name. None: by the size of the corpus.
        known_names: names in the texts: a list of mappings with `name` and `aliases`, or a file
            (`graphagg.rag.documents.user_names`); the index remembers them.
        chunking: how long texts are split; the index stores it for `add` and `update`. None: keep
            all texts whole.
        columns: names of the fields of mappings and tables.
        limits: how much a build holds in memory; the index is the same.

    Examples:
        >>> config = PassageConfig(profile="fast", chunking=ChunkConfig(max_words=200))
        >>> config.load().extractor.spec.name
        'rule:en'
    """

    profile: Profile = DEFAULT_PROFILE
    language: str | None = None
    encoder: Encoder | str | None = None
    extractor: EntityExtractor | str | None = None
    processes: int | None = None
    known_names: str | Path | Sequence[Any] | None = None
    chunking: ChunkConfig | None = DEFAULT_CHUNKING
    columns: RowConfig = field(default_factory=RowConfig)
    limits: BuildLimits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        one_of("profile", self.profile, PROFILES)
        check_language(self.language)

    def load(self) -> Models:
        """Load the models; raises `MissingExtra` or `InvalidParameter`."""
        encoder, extractor = self.encoder, self.extractor
        if encoder is None or isinstance(encoder, str):
            encoder = encoder_of(self.profile, encoder)
        if extractor is None or isinstance(extractor, str):
            extractor = extractor_named(self.profile, extractor, self.language, self.processes)
        return Models(encoder, with_names(extractor, self.known_names), self.language, self.profile)


class PassageOptions(TypedDict, total=False):
    """The fields of `PassageConfig`, as keyword arguments."""

    profile: Profile
    language: str | None
    encoder: Encoder | str | None
    extractor: EntityExtractor | str | None
    processes: int | None
    known_names: str | Path | Sequence[Any] | None
    chunking: ChunkConfig | None
    columns: RowConfig
    limits: BuildLimits
