"""Names and sentences of each passage by its language: a pipeline for one, rules for the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from graphagg.rag.documents.languages import AUTO, LANGUAGES, language_of_text
from graphagg.rag.models.by_rule.names import revision_of
from graphagg.rag.models.extractor import (
    BLANK,
    DEFAULT_EXTRACTOR,
    Annotation,
    EntityExtractor,
    SpacyExtractor,
)
from graphagg.rag.models.spec import ModelSpec

_NO_LANGUAGE = "xx"
_WITHOUT_TOKENIZER = ("ko", "yi", "zh")  # spaCy has none, or it asks for more packages


def extractor_for(
    model: str | None, language: str | None, processes: int | None = None
) -> EntityExtractor:
    """The extractor of an index by the language of its passages.

    Args:
        model: name or path of a spaCy pipeline, or `blank:CODE`; None: the default one for English
            and for mixed passages, the rules of `language` for another code.
        language: a code, or `auto`; None: that of the pipeline.
        processes: as for `SpacyExtractor`.
    """
    if language == AUTO:
        return ByLanguage(SpacyExtractor(model or DEFAULT_EXTRACTOR, processes=processes))
    if model is None and language is not None and language != "en":
        model = f"{BLANK}{_code(language)}"
    return SpacyExtractor(model or DEFAULT_EXTRACTOR, processes=processes)


class ByLanguage:
    """An extractor for passages of several languages.

    A passage in the language of the pipeline is read by the pipeline, any other one by the rules
    for its language (`SpacyExtractor`, `blank:CODE`), which are loaded when the first such passage
    is read.

    Args:
        pipeline: the extractor of one language.
    """

    def __init__(self, pipeline: SpacyExtractor) -> None:
        own = pipeline.spec
        self._by_language = {str(own.settings["language"]): pipeline}
        rules = " ".join(f"{code}{revision_of(code)}" for code in LANGUAGES)
        digest = hashlib.sha256(f"{own.sha256} {rules}".encode()).hexdigest()
        self._spec = ModelSpec(own.name, digest, {**own.settings, "language": AUTO})

    @property
    def spec(self) -> ModelSpec:
        """Name of the pipeline; the sha256 is over its own and the revisions of the rules."""
        return self._spec

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation a text, by the language of each."""
        return self.annotate_in(texts, [language_of_text(text) for text in texts])

    def annotate_in(self, texts: Sequence[str], languages: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation a text, in order, by the languages that are given."""
        grouped: dict[str, list[str]] = {}
        for text, language in zip(texts, languages, strict=True):
            grouped.setdefault(language, []).append(text)
        found = {code: self._of(code).annotate(some) for code, some in grouped.items()}
        for language in languages:
            yield next(found[language])

    def _of(self, code: str) -> SpacyExtractor:
        if code not in self._by_language:
            self._by_language[code] = SpacyExtractor(f"{BLANK}{_code(code)}")
        return self._by_language[code]


def _code(language: str) -> str:
    """The code of spaCy's rules for a language."""
    return language if language in LANGUAGES.keys() - _WITHOUT_TOKENIZER else _NO_LANGUAGE
