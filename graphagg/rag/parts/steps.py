"""The steps of a question in one part, with arrays as arguments and results.

`graphagg.rag.parts.source` calls all parts and joins the results. The same objects are used in one
process and, with `graphagg.rag.parts.wire`, over HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.errors import InvalidParameter
from graphagg.nearest.vectors import Codes, Queries, Rows, Vectors
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import scan
from graphagg.rag.modes.multihop.candidates import Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, Frontier, MultihopSource
from graphagg.rag.modes.protocol import sentence_cosines
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores, Strongest
from graphagg.rag.question.reading import QuestionReading, words_written_as_one
from graphagg.rag.snapshot.search import Lexical
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.view import NameUses, View
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from graphagg.rag.parts.names import NamesOfPart

SECONDS, QUESTION_SECONDS = 5.0, 10.0
"""Time limits of a step in another process, and of all steps of a question."""
_LONGEST = 1 << 24  # largest number of bytes of texts per read
Pool = tuple[tuple[Rows, Array], tuple[Rows, Array]]  # see `CandidateScorer.leading`


def ask_each(
    calls: Sequence[tuple[Any, tuple[Any, ...]]], method: str, end: float = math.inf
) -> list[Any]:
    """Call a method of each object with its arguments; other processes run it in parallel.

    Their deadline is `end` (`time.monotonic`) or the time limit of the step, if that is earlier.
    """
    begun, found = list[Any](), list[Any]()
    try:
        for target, arguments in calls:
            is_here = not hasattr(target, "begin")
            begun.append(None if is_here else target.begin(method, arguments, end))
        for sent, (target, arguments) in zip(begun, calls, strict=True):
            result = target.answer(sent) if sent else attrgetter(method)(target)(*arguments)
            found.append(result)
    finally:
        for sent in filter(None, begun[len(found) :]):
            sent.close()
    return found


class OpenedPart:
    """One version of a part; numbers of rows and entities are those of the part."""

    size = 0  # number of names

    def __init__(self, snapshot: PassageSnapshot) -> None:
        self.snapshot = snapshot
        self._names: NamesOfPart | None = None

    def texts(self, name: str, start: int, stop: int) -> Array:
        """Return a slice of the compressed texts."""
        if not name.endswith(".texts.zlib"):
            raise InvalidParameter(f"{name[:40]!r} is not a file of texts")
        return self.snapshot.artifact.array(name)[start : min(stop, start + _LONGEST)]

    def first_vectors(self, rows: Rows) -> Codes:
        """Return the stored first vectors of some passages."""
        corpus = self.snapshot.corpus
        return corpus.windows.rows(corpus.window_bounds[rows])

    def cosines(self, rows: Rows, query: Queries) -> Array:
        """Return the cosines of all sentences of some passages with one vector."""
        return np.concatenate(sentence_cosines(self.snapshot.corpus, rows, query))

    def named(self, others: StringTable, kinds: Array) -> tuple[NamedPart, Array]:
        """Find the names of all parts in its passages; `others` are the names that it lacks.

        Also returns the positions `[E]` of its names among the names of all parts, ascending.
        """
        from graphagg.rag.parts.names import find_names  # imported on first use

        names = self._names = find_names(self.snapshot, others, kinds, self._names)
        return NamedPart(self.snapshot, names), names.numbers


class NamedPart:
    """A part with the names of all parts."""

    def __init__(self, snapshot: PassageSnapshot, names: NamesOfPart) -> None:
        self.snapshot, self._names, self.size = snapshot, names, len(names.numbers)

    def uses(self, visible: Mask) -> tuple[Array, Array]:
        """Return flags and balance of its names; see `NameUses`."""
        return NameUses.of(self._names.gazetteer, visible)

    def view(
        self, visible: Mask, flags: Array, balance: Array
    ) -> tuple[PartView, Array, int, int, int, dict[str, int]]:
        """Create the view of some passages; `flags` and `balance` count uses in all parts.

        Also returns df `[E]` of its names; passages, tokens, documents, and passages by language.
        """
        lexicon, uses = self.snapshot.lexicon, NameUses(flags, balance)
        view = View.of(self._names.gazetteer, lexicon, visible, uses=uses)
        documents = int(np.count_nonzero(self.snapshot.corpus.firsts & visible))
        counts = view.df, view.passages, view.tokens, documents, view.languages
        return PartView(self.snapshot, view), *counts


class PartView:
    """The visible passages of a part."""

    def __init__(self, snapshot: PassageSnapshot, view: View) -> None:
        self.snapshot, self._view, self.size = snapshot, view, len(view.df)

    def share(self, df: Array, passages: int, tokens: int) -> None:
        """Set the statistics over all parts."""
        self._view = replace(self._view, df=df, passages=passages, tokens=tokens)

    def read(
        self, text: str, terms: Sequence[Term]
    ) -> tuple[list[tuple[int, int, str]], list[int]]:
        """Return the words of a question that documents of the part write as one, and df."""
        view, analyzers = self._view, self.snapshot.analyzers
        words = words_written_as_one(text, scan(text), view, analyzers, view.languages)
        return list(words), list(Lexical(view, terms).df)

    def question(
        self,
        reading: QuestionReading,
        query: Queries,
        words: Vectors | None,
        rarity: Array,
        df: Sequence[int],
        config: MultihopConfig | None,
        size: int,
    ) -> tuple[PartQuestion, dict[int, int], list[Array], Strongest | None, Pool | None]:
        """Start a question, with the part's ids of its entities, and rarity and df over all parts.

        Also returns how many documents have its terms in their names, the closeness of the passages
        titled by each entity, and the best passages. With a `config`, also returns `leading`,
        unless the documents of all parts must be counted first.
        """
        view, dense = self._view, self.snapshot.dense
        scores = QuestionScores(reading, query, words, view, dense, rarity, df)
        question = PartQuestion(self.snapshot, view, scores, config)
        if not len(query.vectors[0]):  # words only
            return question, {}, [], None, None
        closeness, names = list(map(scores.closeness, scores.titled)), scores.document_df()
        leading = question.leading(config, size, 0.0) if config and not names else None
        return question, names, closeness, scores.strongest, leading


class PartQuestion:
    """A question in the visible passages of a part."""

    def __init__(
        self,
        snapshot: PassageSnapshot,
        view: View,
        scores: QuestionScores,
        config: MultihopConfig | None,
    ) -> None:
        self.snapshot, self._view, self.scores, self._config = snapshot, view, scores, config
        self.size = len(view.df)

    def take_documents(self, count: int, df: dict[int, int]) -> float:
        """Set the counts of documents over all parts; returns the largest rarity."""
        self.scores.documents = NamedDocuments(count, df)
        return self.scores.largest_rarity

    def leading(self, config: MultihopConfig, size: int, certainty: float) -> Pool:
        """Return the pool of the part, with the certainty over all parts."""
        self.scores.certainty, self._config = certainty, config
        return self._source.leading(self.scores, size)

    def candidates(self, levels: Sequence[Array], rows: Rows) -> Candidates:
        """Compute features and F of some rows, with the title levels of all parts."""
        self.scores.levels = dict(enumerate(levels))
        return self._source.candidates(rows, self.scores)

    def bridges(self, frontier: Rows) -> tuple[Bridges, Codes]:
        """Find the entities that link passages to others, and the first vector of each passage."""
        return self._source.bridges(frontier, self.scores)

    def linked(
        self, levels: Sequence[Array], bridges: Bridges, frontier: Frontier, known: Rows, pool: Rows
    ) -> tuple[Edges, Candidates]:
        """Return all links to passages of the part, and the linked ones that are not in `known`."""
        self.scores.levels = dict(enumerate(levels))
        return self._source.linked(self.scores, bridges, frontier, known, pool)

    def shown(self, entities: Array, rows: Rows) -> tuple[StringTable, Array, list[Any]]:
        """Return texts of the rows with entity -1, the cosines of their sentences, and mentions.

        Mentions are the results of `Speller.first_mention` for each entity and row.
        """
        corpus, read = self.snapshot.corpus, rows[entities < 0]
        texts = StringTable.pack_bytes(map(corpus.raw_text, read.tolist()))
        cosines = np.concatenate(sentence_cosines(corpus, read, self.scores.query))
        first = Speller(corpus, self._view.gazetteer).first_mention
        return texts, cosines, list(map(first, entities.tolist(), rows.tolist()))

    @property
    def _source(self) -> MultihopSource:
        if self._config is None:
            raise InvalidParameter("`leading` has not been called yet")
        snapshot = self.snapshot
        return MultihopSource(snapshot.corpus, snapshot.ranks, self._view, self._config)
