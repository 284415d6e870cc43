"""Stems and stop words: of one language, or of each passage's own.

In an index of several languages (`auto`) a passage is read in its own language, and a term is the
code of the language with the stem: `de:haus`. A word of a question is looked up by its stem in each
language that a visible passage is written in, so that every passage is matched as an index of its
language alone would do, and names meet across languages. Which words of the question are stop words
its own language tells, the likeliest of the visible ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.languages import AUTO, LANGUAGES, language_of_text, likeliest
from graphagg.rag.documents.stopwords import stop_words_of
from graphagg.rag.documents.tokens import tokenize

Term = tuple[str, ...]
"""A word of a question: the stems under which a lexicon may hold it, one a language."""

# Words that ask or bind, missing in the library's lists; the English ones are no names either.
_MORE_STOP_WORDS = {"en": "whose name many much also would could shall may might upon"}
_QUESTION_WORDS = {
    "de": "wer wen wem wessen wann warum weshalb wieso wieviel viele woher wohin womit",
    "es": "cuales cuanto cuantos cuanta cuantas",
    "fr": "quoi quand comment pourquoi quel quelle quels quelles combien",
    "it": "cosa quando quali",
}


class Analyzer:
    """Stems and stop words of one language.

    Args:
        language: ISO 639-1 code, as spaCy names its pipelines; another one has neither.
        is_marked: whether stems begin with the code.
    """

    def __init__(self, language: str, *, is_marked: bool = False) -> None:
        self.language = language
        self._mark = f"{language}:" if is_marked else ""
        self._stems: dict[str, str] = {}

    @cached_property
    def _stemmer(self) -> Any:
        try:
            import Stemmer
        except ImportError:
            raise MissingExtra("PyStemmer", "search") from None
        name = LANGUAGES.get(self.language, "")
        return Stemmer.Stemmer(name) if name in Stemmer.algorithms() else None

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Tokens that say nothing of a question's subject."""
        name = "EN_PLUS" if self.language == "en" else LANGUAGES.get(self.language, "").upper()
        plain = (tokenize(word) for word in stop_words_of(name) if "'" not in word)
        words = [tokens[0] for tokens in plain if len(tokens) == 1]
        return frozenset([*words, *_MORE_STOP_WORDS.get(self.language, "").split()])

    @cached_property
    def _not_content(self) -> frozenset[str]:
        return self.stop_words.union(_QUESTION_WORDS.get(self.language, "").split())

    def is_content(self, word: str) -> bool:
        """Whether a token of a question says something of its subject."""
        return word not in self._not_content

    def stem(self, word: str) -> str:
        """The stem of a token."""
        stem: str | None = self._stems.get(word)
        if stem is None:
            stem = self._mark + (self._stemmer.stemWord(word) if self._stemmer else word)
            self._stems[word] = stem
        return stem

    def content(self, words: Iterable[str]) -> list[str]:
        """Distinct stems of the words that are no stop words, in order."""
        return list(dict.fromkeys(self.stem(word) for word in words if self.is_content(word)))


class Analyzers:
    """The analyzers of an index.

    Args:
        language: the code of all its passages; `auto`: each has its own.

    Attributes:
        is_mixed: whether each passage has its own.
    """

    def __init__(self, language: str) -> None:
        self.language, self.is_mixed = language, language == AUTO
        self._by_code: dict[str, Analyzer] = {}

    def of(self, code: str) -> Analyzer:
        """The analyzer of passages in a language."""
        code = code if self.is_mixed else self.language
        found = self._by_code.get(code)
        if found is None:
            found = self._by_code[code] = Analyzer(code, is_marked=self.is_mixed)
        return found

    def of_text(self, text: str) -> Analyzer:
        """The analyzer of a passage by its full text."""
        return self.of(language_of_text(text) if self.is_mixed else self.language)

    def each(self, codes: Iterable[str]) -> list[Analyzer]:
        """The analyzers of passages in some languages; of an index of one language, its own."""
        return [self.of(code) for code in (codes if self.is_mixed else (self.language,))]

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Tokens that name nothing: of an index of several languages, in any of them."""
        codes = LANGUAGES if self.is_mixed else (self.language,)
        return frozenset().union(*(self.of(code).stop_words for code in codes))

    def terms(self, text: str, words: Sequence[str], codes: Sequence[str]) -> tuple[Term, ...]:
        """The distinct words of a question that are no stop words, in order.

        Args:
            text: the question.
            words: its tokens.
            codes: languages of the passages that may be found, ascending; () in an index of one.
        """
        readers = self.each(codes)
        if not readers:
            return ()
        own = self.of(likeliest(text, codes)) if self.is_mixed else readers[0]
        # Words with one stem in the question's language are one term, also where another language
        # tells them apart.
        grouped: dict[str, dict[str, None]] = {}
        for word in words:
            if own.is_content(word):
                stems = dict.fromkeys(reader.stem(word) for reader in readers)
                grouped.setdefault(own.stem(word), {}).update(stems)
        return tuple(tuple(stems) for stems in grouped.values())
