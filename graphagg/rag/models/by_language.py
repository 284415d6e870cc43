"""Extraction in several languages: a pipeline for one, rules for the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from graphagg.rag.documents.languages import AUTO, LANGUAGES, language_of_text
from graphagg.rag.models.by_rule.extractor import RuleExtractor
from graphagg.rag.models.extractor import Annotation, EntityExtractor
from graphagg.rag.models.spec import ModelSpec


class ByLanguage:
    """An extractor for passages of several languages.

    The pipeline reads passages in its own language. Any other passage is read by the rules for its
    language (`RuleExtractor`), which are loaded with the first such passage.
    """

    def __init__(self, pipeline: EntityExtractor) -> None:
        spec = pipeline.spec
        self._by_language = {str(spec.settings["language"]): pipeline}
        rules = " ".join(RuleExtractor(code or "xx").spec.sha256 for code in LANGUAGES)
        digest = hashlib.sha256(f"{spec.sha256} {rules}".encode()).hexdigest()
        self.spec = ModelSpec(spec.name, digest, {**spec.settings, "language": AUTO})

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text, by the language of each."""
        return self.annotate_in(texts, [language_of_text(text) for text in texts])

    def annotate_in(self, texts: Sequence[str], languages: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text, in order, by the given languages."""
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
