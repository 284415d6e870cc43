"""Stems and stop words, in the language of an index or of each passage.

In an index of several languages (`auto`) a term is a language code with a stem: `de:haus`. We look
up a word of a question by its stem in every language of the visible passages, so that each passage
matches as in an index of its language only. Stop words come from the question's likeliest language.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from graphagg.errors import needs
from graphagg.rag.documents.languages import AUTO, LANGUAGES, likeliest

Term = tuple[str, ...]
"""A word of a question: its possible stems in a lexicon, one per language."""

_QUESTION_WORDS = {  # stop words in questions only; in passages they may be names
    "de": "wer wen wem wessen wann warum weshalb wieso wieviel viele woher wohin womit",
    "es": "cuales cuanto cuantos cuanta cuantas",
    "fr": "quoi quand comment pourquoi quel quelle quels quelles combien",
    "it": "cosa quando quali",
}


@cache
def _stop_word_lists() -> dict[str, frozenset[str]]:
    """Read the stop words of all languages, by code."""
    text = files(__package__).joinpath("stop_words.txt").read_text(encoding="utf-8")
    _, *sections = text.split("\n[")
    words = (section.replace("]", " ", 1).split() for section in sections)
    return {code: frozenset(listed) for code, *listed in words}


class Analyzer:
    """Stems and stop words of one language, by its ISO 639-1 code."""

    def __init__(self, language: str, *, is_marked: bool = False) -> None:
        self.language = language
        self._mark = f"{language}:" if is_marked else ""

    @cached_property
    def _stemmer(self) -> Any:
        with needs("PyStemmer", "search"):
            import Stemmer
        name = LANGUAGES.get(self.language, "")
        return Stemmer.Stemmer(name) if name in Stemmer.algorithms() else None

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Tokens that carry no information about the subject of a question."""
        return _stop_word_lists().get(self.language, frozenset())

    @cached_property
    def _not_content(self) -> frozenset[str]:
        return self.stop_words.union(_QUESTION_WORDS.get(self.language, "").split())

    def is_content(self, word: str) -> bool:
        """Return whether a token of a question carries information about its subject."""
        return word not in self._not_content

    @cached_property
    def stem(self) -> Callable[[str], str]:
        """A function that stems a token; it caches the stems."""
        mark, stemmer = self._mark, self._stemmer
        return cache(lambda word: mark + (stemmer.stemWord(word) if stemmer else word))

    def content(self, words: Iterable[str]) -> list[str]:
        """Return the distinct stems of the words that are not stop words, in order."""
        return list(dict.fromkeys(self.stem(word) for word in words if self.is_content(word)))


class Analyzers:
    """The analyzers of an index; with `language="auto"` each passage has its own (`is_mixed`)."""

    def __init__(self, language: str) -> None:
        self.language, self.is_mixed = language, language == AUTO
        self._by_code: dict[str, Analyzer] = {}

    def for_language(self, code: str) -> Analyzer:
        """Return the analyzer of passages in a language."""
        code = code if self.is_mixed else self.language
        if code not in self._by_code:
            self._by_code[code] = Analyzer(code, is_marked=self.is_mixed)
        return self._by_code[code]

    def each(self, codes: Iterable[str]) -> list[Analyzer]:
        """Return one analyzer per code; a single one for an index of one language."""
        return [self.for_language(code) for code in (codes if self.is_mixed else (self.language,))]

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """The stop words; in an index of several languages, those of all languages."""
        codes = LANGUAGES if self.is_mixed else (self.language,)
        return frozenset().union(*(self.for_language(code).stop_words for code in codes))

    def terms(self, text: str, words: Sequence[str], codes: Collection[str]) -> tuple[Term, ...]:
        """Return the distinct words of a question that are not stop words, in order.

        `words` are its tokens. `codes` are the languages of the visible passages, ascending, or ()
        in an index of one language.
        """
        readers = self.each(codes)
        if not readers:
            return ()
        main = self.for_language(likeliest(text, codes)) if self.is_mixed else readers[0]
        # Words with the same stem in the question's language are one term, even if they have
        # different stems in another language.
        grouped: dict[str, dict[str, None]] = {}
        for word in words:
            if main.is_content(word):
                stems = dict.fromkeys(reader.stem(word) for reader in readers)
                grouped.setdefault(main.stem(word), {}).update(stems)
        return tuple(tuple(stems) for stems in grouped.values())
