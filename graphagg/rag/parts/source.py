"""What questions ask of several parts: each part answers for its rows, and results are joined.

Names are numbered over all parts, and rows one part after another. Views of parts have common
statistics of names (`graphagg.rag.parts.snapshot`); those of the words, titles and documents of a
question are added up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from graphagg.arrays import Array, Ints, distinct, kth_largest, top_k
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import TextTokens
from graphagg.rag.modes.multihop.candidates import MOST_TITLED, Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, MultihopSource
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores
from graphagg.rag.modes.source import EncodedQuestion, PassageSource
from graphagg.rag.parts.snapshot import JoinedSnapshot, JoinedView, Part
from graphagg.rag.parts.steps import PartQuestion, PartView, ask, ask_each
from graphagg.rag.question.reading import NameFound, QuestionReading
from graphagg.rag.snapshot.search import Lexical, weights_of
from graphagg.rag.tables.gazetteer import Gazetteer, Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.vectors import Rows, Vectors
from graphagg.rag.tables.view import View


class VisibleParts:
    """The parts that have visible passages, and their views."""

    def __init__(self, parts: Sequence[tuple[Part, PartView]]) -> None:
        self.parts, self.views = [part for part, _ in parts], [view for _, view in parts]
        self._starts = np.array([part.start for part in self.parts])

    def questions(
        self, reading: QuestionReading, query: Queries, words: Vectors | None, rarity: Array
    ) -> tuple[list[PartQuestion], list[int]]:
        """A question in each part, and how many passages of all contain each term."""
        named = np.asarray(reading.entities, dtype=np.int64)
        calls = [
            (
                view,
                (
                    replace(reading, entities=tuple(part.local(named).tolist())),
                    query,
                    words,
                    rarity,
                ),
            )
            for part, view in zip(self.parts, self.views, strict=True)
        ]
        parts, df = zip(*ask_each(calls, "question"), strict=True)
        return list(parts), [sum(of_term) for of_term in zip(*df, strict=True)]

    def owners(self, rows: Rows) -> Ints:
        """The position of the part of each row."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def split(self, rows: Rows) -> list[tuple[int, Ints, Rows]]:
        """The parts of some rows: position, which of the rows, and their numbers in the part."""
        owner = self.owners(rows)
        pairs = [(i, np.flatnonzero(owner == i)) for i in distinct(owner).tolist()]
        return [(i, some, rows[some] - self.parts[i].start) for i, some in pairs]

    def best(self, found: Sequence[tuple[Rows, Array]], k: int, ranks: Array) -> tuple[Rows, Array]:
        """The `k` rows of greatest value, best first; `found` are rows and values by part."""
        rows, values = self.joined(found)
        best = top_k(values, k, ranks[rows])
        return rows[best], values[best]

    def joined(self, found: Sequence[tuple[Rows, Array]]) -> tuple[Rows, Array]:
        """Rows and values of all parts."""
        pairs = zip(found, self.parts, strict=True)
        rows = np.concatenate([part.rows(own) for (own, _), part in pairs])
        return rows, np.concatenate([own for _, own in found])

    def gather(
        self, questions: Sequence[PartQuestion], method: str, rows: Rows, *before: Any
    ) -> Array:
        """Values of some rows, by a method of the parts that takes their rows last."""
        each = self.split(rows) or [(0, np.zeros(0, np.int64), rows)]
        calls = [(questions[i], (*before, own)) for i, _, own in each]
        found = ask_each(calls, method)
        result: Array = np.empty((len(rows), *found[0].shape[1:]), found[0].dtype)
        for (_, some, _), own in zip(each, found, strict=True):
            result[some] = own
        return result


class JoinedLexical(Lexical):
    """Scores of a question's terms over all parts, by their common document frequencies."""

    def __init__(
        self, visible: VisibleParts, view: View, parts: Sequence[PartQuestion], df: list[int]
    ) -> None:
        self._visible, self._parts, self.df = visible, parts, df
        self.idf, self.weights = weights_of(df, view.passages)

    def best(self, k: int) -> tuple[Rows, Array]:
        """Find the rows of `Lexical.best` among those of all parts."""
        rows, scores = self._visible.joined(ask(self._parts, "best_by_words", self.df, k))
        is_best = scores >= kth_largest(scores, k) if k < len(rows) else slice(None)
        return rows[is_best], scores[is_best]

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n contains term t."""
        return self._visible.gather(self._parts, "covers", rows)


class JoinedScores(QuestionScores):
    """Scores of a question over all parts; `parts` are those in each."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, question: EncodedQuestion
    ) -> None:
        self.reading, self.words, self.query = question.reading, question.words, question.query
        self.named = np.asarray(self.reading.entities, dtype=np.int64)
        self.rarity = view.idf(self.named)
        self._visible, self._ranks = visible, snapshot.ranks
        found = visible.questions(self.reading, self.query, self.words, self.rarity)
        self.parts, self.lexical = found[0], JoinedLexical(visible, view, *found)

    @property
    def largest_similarity(self) -> float:
        """The largest similarity to a visible passage."""
        return float(max(ask(self.parts, "largest_similarity")))

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """The `k` most similar visible passages, best first."""
        return self._visible.best(ask(self.parts, "nearest", k), k, self._ranks)

    def similarity_at(self, rows: Rows) -> Array:
        """Similarity to some rows, `[m]`."""
        return self._visible.gather(self.parts, "similarity_at", rows)


def common_statistics(question: JoinedScores) -> tuple[float, list[Array]]:
    """The certainty and levels of titles of all parts; sets their counts of named documents."""
    parts, certainty = question.parts, 0.0
    counts, dfs, near = zip(*ask(parts, "statistics", question.lexical.df), strict=True)
    if df := {t: sum(own.get(t, 0) for own in dfs) for t in {t for own in dfs for t in own}}:
        largest = max(ask(parts, "take_documents", sum(counts), df))
        certainty = NamedDocuments(sum(counts), df).certainty(
            largest, lambda least: sum(ask(parts, "documents_from", least))
        )
    return certainty, [distinct(np.concatenate(of_name)) for of_name in zip(*near, strict=True)]


def parts_of(question: QuestionScores) -> Sequence[PartQuestion]:
    """The question in each part."""
    return cast(JoinedScores, question).parts  # the same source scored it


class JoinedMultihop(MultihopSource):
    """Candidates and links over all parts."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, config: MultihopConfig
    ) -> None:
        super().__init__(snapshot.corpus, snapshot.ranks, view, config)
        self._visible = visible

    def leading(
        self, question: QuestionScores, size: int
    ) -> tuple[tuple[Rows, Array], tuple[Rows, Array]]:
        """The pool in two parts, each with its values: the `size` best, and the best titled."""
        parts = parts_of(question)
        common = common_statistics(cast(JoinedScores, question))
        found = ask(parts, "leading", self.config, size, *common)
        best, titled = zip(*found, strict=True)
        visible, ranks = self._visible, self.ranks
        return visible.best(best, size, ranks), visible.best(titled, MOST_TITLED, ranks)

    def candidates(self, rows: Rows, question: QuestionScores) -> Candidates:
        """Compute features and F of some rows."""
        each, parts = self._visible.split(rows), parts_of(question)
        calls = [(parts[i], (self.config, own)) for i, _, own in each]
        asked = [self._visible.parts[i] for i, *_ in each]
        pairs = zip(ask_each(calls, "candidates"), asked, strict=True)
        found = [own._replace(rows=part.rows(own.rows)) for own, part in pairs]
        joined = [np.concatenate(column) for column in zip(*found, strict=True)]
        order = np.argsort(self.ranks[joined[0]])
        return Candidates(*(column[order] for column in joined))

    def bridges(self, frontier: Rows, question: QuestionScores) -> Bridges:
        """The entities through which the passages of a frontier lead on."""
        each, parts = self._visible.split(frontier), parts_of(question)
        found = ask_each([(parts[i], (self.config, own)) for i, _, own in each], "bridges")
        moved = list[Bridges]()
        for (i, some, _), own in zip(each, found, strict=True):
            entity = self._visible.parts[i].numbers[own.entity].astype(np.int64)
            moved.append(replace(own, parent=some[own.parent], entity=entity))
        joined = {f: np.concatenate([getattr(b, f) for b in moved]) for f in vars(moved[0])}
        order = np.argsort(joined["parent"], kind="stable")
        return Bridges(**{name: column[order] for name, column in joined.items()})

    def expand(self, bridges: Bridges, frontier: Rows) -> Edges:
        """Every link through an entity from the frontier."""
        calls, knows, owner = [], list[Array](), self._visible.owners(frontier)
        for i, part in enumerate(self._visible.parts):
            local = part.local(bridges.entity)
            known = np.flatnonzero(local >= 0)  # this part has the others neither in its texts
            columns = {name: column[known] for name, column in vars(bridges).items()}
            own = Bridges(**columns | {"entity": local[known]})
            within = np.where(owner == i, frontier - part.start, -1)
            calls.append((self._visible.views[i], (own, within)))
            knows.append(known)
        found = ask_each(calls, "expand")
        each = [
            edges._replace(bridge=known[edges.bridge], row=part.rows(edges.row))
            for edges, known, part in zip(found, knows, self._visible.parts, strict=True)
        ]
        return Edges(*map(np.concatenate, zip(*each, strict=True)))

    def closeness(self, row: Rows, entity: Array, parent: Array, vectors: Vectors) -> Array:
        """`[m]` closeness of linked passages to the terms that their parents leave open."""
        near, each = np.empty(len(row)), self._visible.split(row)
        calls = [
            (self._visible.views[i],
             (own, self._visible.parts[i].local(entity[some]), parent[some], vectors))
            for i, some, own in each
        ]  # fmt: skip
        for (_, some, _), of_part in zip(each, ask_each(calls, "closeness"), strict=True):
            near[some] = of_part
        return near

    def ties(self, question: QuestionScores, name: int, rows: Rows) -> Array:
        """Ties of an entity that the question names to some passages."""
        return self._visible.gather(parts_of(question), "ties", rows, name)

    def speller(self) -> Speller:
        """Finds spellings of entities."""
        return JoinedSpeller(self.corpus, self.view.gazetteer, self._visible)


class JoinedSpeller(Speller):
    """Finds spellings in the passages of all parts."""

    def __init__(self, corpus: StoredCorpus, names: Gazetteer, visible: VisibleParts) -> None:
        super().__init__(corpus, names)
        self._visible = visible

    def first_mention(self, entity: int, row: int) -> tuple[int, int]:
        """First token and length of the first mention of an entity in a passage."""
        part = self._visible.parts[int(self._visible.owners(np.array([row]))[0])]
        (local,) = part.local(np.array([entity])).tolist()
        return part.named.first_mention(local, row - part.start) if local >= 0 else (0, 0)


class JoinedSource(PassageSource):
    """The visible passages of all parts, as questions see them."""

    def __init__(self, snapshot: JoinedSnapshot, view: JoinedView) -> None:
        super().__init__(snapshot, view)
        self._joined, self._visible = snapshot, VisibleParts(view.parts)
        self._last: tuple[str | None, list[Any]] = None, []

    def names(self, text: str, tokens: TextTokens) -> Sequence[NameFound]:
        """The entities whose words are in a question."""
        return list({
            found._replace(entity=int(part.numbers[found.entity])): None
            for part, (names, _) in zip(self._visible.parts, self._found(text), strict=True)
            for found in names
        })  # fmt: skip

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Names of a question that are one word in the title or path of a document."""
        found = {each for _, words in self._found(text) for each in words}
        return [word for *_, word in sorted(found)]

    def _found(self, text: str) -> list[Any]:
        """Names and words of a question in each part; the last ones are kept."""
        last, found = self._last
        if last != text:
            found = ask(self._visible.views, "read", text)
            self._last = text, found
        return found

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """The scores of some terms."""
        reading = QuestionReading("", tuple(terms), (), (), (), ())
        no_vector = Queries(np.zeros((1, 0), np.float32))
        found = self._visible.questions(reading, no_vector, None, np.zeros(0))
        return JoinedLexical(self._visible, self.view, *found)

    def scores(self, question: EncodedQuestion) -> QuestionScores:
        """The scores of a question."""
        return JoinedScores(self._visible, self._joined, self.view, question)

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """The source of candidates and links."""
        return JoinedMultihop(self._visible, self._joined, self.view, config)
