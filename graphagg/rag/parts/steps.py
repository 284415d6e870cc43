"""The steps of a question in one part: all that is asked of it, in arrays.

`graphagg.rag.parts.source` asks all parts and joins the results. The same objects answer in this
process and, by `graphagg.rag.parts.wire`, over HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphagg.arrays import Array, Mask
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.tokens import scan
from graphagg.rag.modes.multihop.candidates import Candidates
from graphagg.rag.modes.multihop.links import (
    Bridges,
    Edges,
    MultihopSource,
    closeness_to_open_terms,
    expand,
)
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores
from graphagg.rag.question.reading import (
    NameFound,
    QuestionReading,
    names_in,
    words_written_as_one,
)
from graphagg.rag.snapshot.search import Lexical
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.segments import SENTENCES, WINDOWS, segment_prefix
from graphagg.rag.tables.vectors import Rows, Vectors
from graphagg.rag.tables.view import NameUses, View
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from graphagg.rag.parts.names import NamesOfPart

_LONGEST = 1 << 24  # rows that are read at once
Ranked = tuple[Rows, Array]
"""Rows and their values."""


def ask(targets: Sequence[Any], method: str, *arguments: Any) -> list[Any]:
    """Call a method of each object with the same arguments; those in other processes at once."""
    return ask_each([(target, arguments) for target in targets], method)


def ask_each(calls: Sequence[tuple[Any, tuple[Any, ...]]], method: str) -> list[Any]:
    """Call a method of each object with arguments of its own; other processes run it at once."""
    begun, found = list[Any](), list[Any]()
    try:
        for target, arguments in calls:
            begun.append(target.begin(method, arguments) if hasattr(target, "begin") else None)
        for sent, (target, arguments) in zip(begun, calls, strict=True):
            result = target.answer(sent) if sent else getattr(target, method)(*arguments)
            found.append(result)
    finally:
        for sent in filter(None, begun[len(found) :]):
            sent.close()
    return found


class OpenedPart:
    """One version of a part; rows and entities are its own."""

    size = 0  # of its names

    def __init__(self, snapshot: PassageSnapshot) -> None:
        self.snapshot = snapshot

    def rows_at(self, name: str, rows: Rows) -> Array:
        """Some rows of an array, or of vectors, of the version."""
        return self._values(name)[rows]

    def range_of(self, name: str, start: int, stop: int) -> Array:
        """Consecutive rows of them."""
        return self._values(name)[start : min(stop, start + _LONGEST)]

    def _values(self, name: str) -> Array:
        for i, segment in enumerate(self.snapshot.corpus.segments):
            vectors = {WINDOWS: segment.windows.values, SENTENCES: segment.sentence_vectors}
            for file, values in vectors.items():
                if name == f"{segment_prefix(i)}{file}":
                    return values
        return self.snapshot.artifact.array(name)

    def named(self, fresh: StringTable, kinds: Array) -> NamedPart:
        """Find the names of all parts in its passages; `fresh` are those that it lacks."""
        from graphagg.rag.parts.names import find_names  # not before a question

        return NamedPart(self.snapshot, find_names(self.snapshot, fresh, kinds))


class NamedPart:
    """A part that knows the names of all parts."""

    def __init__(self, snapshot: PassageSnapshot, names: NamesOfPart) -> None:
        self.snapshot, self._names, self.size = snapshot, names, len(names.numbers)

    def numbers(self) -> Array:
        """`[E]` the numbers of its names among those of all parts, ascending."""
        return self._names.numbers

    def uses(self, visible: Mask) -> tuple[Array, Array]:
        """Flags and balance of its names; see `NameUses`."""
        flags, balance = NameUses.of(self._names.gazetteer, visible)
        return flags, balance

    def view(self, visible: Mask, flags: Array, balance: Array) -> PartView:
        """The view of some passages, with the uses of its names in all parts."""
        lexicon, uses = self.snapshot.lexicon, NameUses(flags, balance)
        view = View.of(self._names.gazetteer, lexicon, visible, uses=uses)
        return PartView(self.snapshot, view)

    def first_mention(self, entity: int, row: int) -> tuple[int, int]:
        """First token and length of the first mention of an entity in a passage."""
        return Speller(self.snapshot.corpus, self._names.gazetteer).first_mention(entity, row)


class PartView:
    """The visible passages of a part."""

    def __init__(self, snapshot: PassageSnapshot, view: View) -> None:
        self.snapshot, self._view, self.size = snapshot, view, len(view.df)

    def counts(self) -> tuple[Array, int, int, dict[str, int]]:
        """`[E]` df of its names; passages, tokens, and passages by language."""
        view = self._view
        return view.df, view.passages, view.tokens, view.languages

    def share(self, df: Array, passages: int, tokens: int) -> None:
        """Set the counts of all parts."""
        self._view = replace(self._view, df=df, passages=passages, tokens=tokens)

    def read(self, text: str) -> tuple[list[NameFound], list[tuple[int, int, str]]]:
        """The part's names in a question, and its words that documents write as one."""
        snapshot, view, tokens = self.snapshot, self._view, scan(text)
        words = words_written_as_one(text, tokens, view, snapshot.analyzers, view.languages)
        return list(names_in(text, tokens, view, snapshot.listed)), list(words)

    def question(
        self, reading: QuestionReading, query: Queries, words: Vectors | None, rarity: Array
    ) -> tuple[PartQuestion, list[int]]:
        """A question with the part's numbers of its entities and their common rarity.

        Also returns the number of visible passages that contain each term.
        """
        dense = self.snapshot.dense
        scores = QuestionScores(reading, query, words, self._view, dense, rarity)
        return PartQuestion(self.snapshot, self._view, scores), scores.lexical.df

    def expand(self, bridges: Bridges, frontier: Rows) -> Edges:
        """Every link through an entity; -1 in the frontier stands for a row of another part."""
        return expand(self._view, bridges, frontier)

    def closeness(self, row: Rows, entity: Array, parent: Array, vectors: Vectors) -> Array:
        """`[m]` closeness of linked passages to the terms that their parents leave open."""
        corpus = self.snapshot.corpus
        return closeness_to_open_terms(corpus, self._view, row, entity, parent, vectors)


class PartQuestion:
    """A question in the visible passages of a part."""

    def __init__(self, snapshot: PassageSnapshot, view: View, scores: QuestionScores) -> None:
        self.snapshot, self._view, self._scores = snapshot, view, scores
        self._is_weighed = False
        self.size = len(view.df)

    def _weigh(self, df: Sequence[int]) -> Lexical:
        """The terms, weighted by the document frequencies of all parts."""
        if not self._is_weighed:
            self._scores.lexical.weigh(df)
            self._is_weighed = True
        return self._scores.lexical

    def best_by_words(self, df: Sequence[int], k: int) -> Ranked:
        """The `k` best rows by words, with the document frequencies `df` of all parts."""
        return self._weigh(df).best(k)

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n contains term t."""
        return self._scores.lexical.covers(rows)

    def nearest(self, k: int) -> Ranked:
        """The `k` most similar visible passages, best first."""
        return self._scores.nearest(k)

    def largest_similarity(self) -> float:
        """The largest similarity to a visible passage."""
        return self._scores.largest_similarity

    def similarity_at(self, rows: Rows) -> Array:
        """Similarity to some rows, `[m]`."""
        return self._scores.similarity_at(rows)

    def statistics(self, df: Sequence[int]) -> tuple[int, dict[int, int], list[Array]]:
        """Counts of documents, and the closeness of the passages that each named entity titles."""
        scores, _ = self._scores, self._weigh(df)
        return *scores.document_counts(), [scores.closeness(rows) for rows in scores.titled]

    def take_documents(self, count: int, df: dict[int, int]) -> float:
        """Set the counts of documents of all parts; returns the largest rarity."""
        self._scores.documents = NamedDocuments(count, df)
        return self._scores.largest_rarity

    def documents_from(self, least: float) -> int:
        """Number of visible documents of at least this rarity, which is above 0."""
        return self._scores.documents_from(least)

    def leading(
        self, config: MultihopConfig, size: int, certainty: float, levels: Sequence[Array]
    ) -> tuple[Ranked, Ranked]:
        """The best of the part, with the certainty and the levels of titles of all parts."""
        self._scores.certainty = certainty
        self._scores.levels = dict(enumerate(levels))
        return self._source(config).leading(self._scores, size)

    def candidates(self, config: MultihopConfig, rows: Rows) -> Candidates:
        """Compute features and F of some rows."""
        return self._source(config).candidates(rows, self._scores)

    def bridges(self, config: MultihopConfig, frontier: Rows) -> Bridges:
        """The entities through which the passages of a frontier lead on."""
        return self._source(config).bridges(frontier, self._scores)

    def ties(self, name: int, rows: Rows) -> Array:
        """Ties of an entity that the question names to some passages."""
        return self._view.ties_at(self._scores.reading.entities[name], rows)

    def _source(self, config: MultihopConfig) -> MultihopSource:
        snapshot = self.snapshot
        return MultihopSource(snapshot.corpus, snapshot.ranks, self._view, config)
