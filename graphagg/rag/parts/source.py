"""What questions ask of several parts: each part answers for its rows, and results are joined.

Names are numbered over all parts, and rows one part after another. Views of parts have common
statistics of names (`graphagg.rag.parts.snapshot`); those of the words, titles and documents of a
question are added up here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from graphagg.arrays import Array, Ints, distinct, kth_largest, top_k
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import TextTokens
from graphagg.rag.modes.multihop.candidates import MOST_TITLED, Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, MultihopSource
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores
from graphagg.rag.modes.source import EncodedQuestion, PassageSource
from graphagg.rag.parts.snapshot import JoinedSnapshot, JoinedView, Part
from graphagg.rag.question.reading import NameFound, names_in, words_written_as_one
from graphagg.rag.snapshot.search import Lexical
from graphagg.rag.tables.gazetteer import Gazetteer, Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.vectors import Rows, Vectors
from graphagg.rag.tables.view import View


class VisibleParts:
    """The parts that have visible passages."""

    def __init__(self, parts: Sequence[Part], views: Sequence[View]) -> None:
        pairs = [(p, v) for p, v in zip(parts, views, strict=True) if v.row_set.count]
        self.parts, self.views = [p for p, _ in pairs], [v for _, v in pairs]
        self._starts = np.array([part.start for part in self.parts])

    def owners(self, rows: Rows) -> Ints:
        """The position of the part of each row."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def split(self, rows: Rows) -> Iterator[tuple[int, Ints, Rows]]:
        """The parts of some rows: position, which of the rows, and their numbers in the part."""
        owner = self.owners(rows)
        for i in distinct(owner).tolist():
            some = np.flatnonzero(owner == i)
            yield i, some, rows[some] - self.parts[i].start

    def best(self, found: Sequence[tuple[Rows, Array]], k: int, ranks: Array) -> tuple[Rows, Array]:
        """The `k` rows of greatest value, best first; `found` are rows and values by part."""
        starts = (part.start for part in self.parts)
        rows = np.concatenate([own + i for (own, _), i in zip(found, starts, strict=True)])
        values = np.concatenate([own for _, own in found])
        best = top_k(values, k, ranks[rows])
        return rows[best], values[best]

    def gather(self, rows: Rows, values: Callable[[int, Rows], Array]) -> Array:
        """Values of some rows; `values` returns those of a part by its position."""
        if not len(rows):
            return values(0, rows)
        each = [(some, values(i, own)) for i, some, own in self.split(rows)]
        result = np.empty((len(rows), *each[0][1].shape[1:]), each[0][1].dtype)
        for some, own in each:
            result[some] = own
        return result


class JoinedLexical(Lexical):
    """Scores of a question's terms over all parts, by their common document frequencies."""

    def __init__(self, visible: VisibleParts, parts: Sequence[Lexical]) -> None:
        self._visible, self.parts = visible, parts
        self.df = [sum(each) for each in zip(*(part.df for part in parts), strict=True)]
        for part in parts:
            part.weigh(self.df)
        self.idf, self.weights = parts[0].idf, parts[0].weights

    def best(self, k: int) -> tuple[Rows, Array]:
        """Find the rows of `Lexical.best` among those of all parts."""
        pairs = [part.best(k) for part in self.parts]
        starts = [part.start for part in self._visible.parts]
        rows = np.concatenate([own + i for (own, _), i in zip(pairs, starts, strict=True)])
        scores = np.concatenate([own for _, own in pairs])
        is_best = scores >= kth_largest(scores, k) if k < len(rows) else slice(None)
        return rows[is_best], scores[is_best]

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n contains term t."""
        return self._visible.gather(rows, lambda i, own: self.parts[i].covers(own))


class JoinedScores(QuestionScores):
    """Scores of a question over all parts."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, question: EncodedQuestion
    ) -> None:
        self.reading, self.words, self.query = question.reading, question.words, question.query
        self.named = np.asarray(self.reading.entities, dtype=np.int64)
        self.rarity = view.idf(self.named)
        self._visible, self._ranks = visible, snapshot.ranks
        self._parts = [
            QuestionScores(
                replace(self.reading, entities=tuple(part.local(self.named).tolist())),
                self.query, self.words, own, part.snapshot.dense, self.rarity,
            )
            for part, own in zip(visible.parts, visible.views, strict=True)
        ]  # fmt: skip
        self.lexical = JoinedLexical(visible, [part.lexical for part in self._parts])

    @property
    def parts(self) -> Sequence[QuestionScores]:
        """The scores in each part of the corpus."""
        return self._parts

    @property
    def largest_similarity(self) -> float:
        """The largest similarity to a visible passage."""
        return max(part.largest_similarity for part in self.parts)

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """The `k` most similar visible passages, best first."""
        return self._visible.best([part.nearest(k) for part in self.parts], k, self._ranks)

    def similarity_at(self, rows: Rows) -> Array:
        """Similarity to some rows, `[m]`."""
        return self._visible.gather(rows, lambda i, own: self.parts[i].similarity_at(own))


def share_statistics(parts: Sequence[QuestionScores]) -> None:
    """Give the parts the statistics of the documents and titles that a question names."""
    counts = [part.document_counts() for part in parts]
    terms = {term for _, df in counts for term in df}
    df = {term: sum(own.get(term, 0) for _, own in counts) for term in terms}
    documents = NamedDocuments(sum(count for count, _ in counts), df)
    for part in parts:
        part.documents = documents
    certainty = documents.certainty(parts) if df else 0.0
    for part in parts:
        part.certainty = certainty
    for name in range(len(parts[0].named)):
        near = [part.closeness(part.titled[name]) for part in parts]
        levels = distinct(np.concatenate(near))
        for part in parts:
            part.levels[name] = levels


class JoinedMultihop(MultihopSource):
    """Candidates and links over all parts."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, config: MultihopConfig
    ) -> None:
        super().__init__(snapshot.corpus, snapshot.ranks, view, config)
        self._visible = visible
        self._parts = [
            MultihopSource(part.snapshot.corpus, part.snapshot.ranks, own, config)
            for part, own in zip(visible.parts, visible.views, strict=True)
        ]

    def leading(
        self, question: QuestionScores, size: int
    ) -> tuple[tuple[Rows, Array], tuple[Rows, Array]]:
        """The pool in two parts, each with its values: the `size` best, and the best titled."""
        share_statistics(question.parts)
        pairs = zip(self._parts, question.parts, strict=True)
        best, titled = zip(*(part.leading(own, size) for part, own in pairs), strict=True)
        visible, ranks = self._visible, self.ranks
        return visible.best(best, size, ranks), visible.best(titled, MOST_TITLED, ranks)

    def candidates(self, rows: Rows, question: QuestionScores) -> Candidates:
        """Compute features and F of some rows."""
        each = list[Candidates]()
        for i, _, own in self._visible.split(rows):
            found = self._parts[i].candidates(own, question.parts[i])
            each.append(found._replace(rows=found.rows + self._visible.parts[i].start))
        joined = [np.concatenate(column) for column in zip(*each, strict=True)]
        order = np.argsort(self.ranks[joined[0]])
        return Candidates(*(column[order] for column in joined))

    def bridges(self, frontier: Rows, question: QuestionScores) -> Bridges:
        """The entities through which the passages of a frontier lead on."""
        each = list[Bridges]()
        for i, some, own in self._visible.split(frontier):
            found = self._parts[i].bridges(own, question.parts[i])
            entity = self._visible.parts[i].numbers[found.entity]
            each.append(replace(found, parent=some[found.parent], entity=entity.astype(np.int64)))
        joined = {f: np.concatenate([getattr(b, f) for b in each]) for f in vars(each[0])}
        order = np.argsort(joined["parent"], kind="stable")
        return Bridges(**{name: column[order] for name, column in joined.items()})

    def expand(self, bridges: Bridges, frontier: Rows) -> Edges:
        """Every link through an entity from the frontier."""
        each, owner = list[Edges](), self._visible.owners(frontier)
        for i, part in enumerate(self._visible.parts):
            local = part.local(bridges.entity)
            known = np.flatnonzero(local >= 0)  # this part has the others neither in its texts
            columns = {name: column[known] for name, column in vars(bridges).items()}
            own = Bridges(**columns | {"entity": local[known]})
            edges = self._parts[i].expand(own, np.where(owner == i, frontier - part.start, -1))
            each.append(edges._replace(bridge=known[edges.bridge], row=edges.row + part.start))
        return Edges(*map(np.concatenate, zip(*each, strict=True)))

    def closeness(self, row: Rows, entity: Array, parent: Array, vectors: Vectors) -> Array:
        """See `closeness_to_open_terms`."""
        near = np.empty(len(row))
        for i, some, own in self._visible.split(row):
            local = self._visible.parts[i].local(entity[some])
            near[some] = self._parts[i].closeness(own, local, parent[some], vectors)
        return near

    def ties(self, question: QuestionScores, name: int, rows: Rows) -> Array:
        """Ties of an entity that the question names to some passages."""

        def of_part(i: int, own: Rows) -> Array:
            return self._parts[i].ties(question.parts[i], name, own)

        return self._visible.gather(rows, of_part)

    def speller(self) -> Speller:
        """Finds spellings of entities."""
        return JoinedSpeller(self.corpus, self.view.gazetteer, self._visible)


class JoinedSpeller(Speller):
    """Finds spellings in the passages of all parts."""

    def __init__(self, corpus: StoredCorpus, names: Gazetteer, visible: VisibleParts) -> None:
        super().__init__(corpus, names)
        self._visible = visible

    def _first_mention(self, entity: int, row: int) -> tuple[int, int]:
        part = self._visible.parts[int(self._visible.owners(np.array([row]))[0])]
        (local,) = part.local(np.array([entity])).tolist()
        speller = Speller(part.snapshot.corpus, part.gazetteer)
        return speller._first_mention(local, row - part.start) if local >= 0 else (0, 0)


class JoinedSource(PassageSource):
    """The visible passages of all parts, as questions see them."""

    def __init__(self, snapshot: JoinedSnapshot, view: JoinedView) -> None:
        super().__init__(snapshot, view)
        self._joined, self._visible = snapshot, VisibleParts(snapshot.parts, view.parts)

    def names(self, text: str, tokens: TextTokens) -> Sequence[NameFound]:
        """The entities whose words are in a question."""
        visible, listed = self._visible, self.snapshot.listed
        return list({
            found._replace(entity=int(part.numbers[found.entity]))
            for part, view in zip(visible.parts, visible.views, strict=True)
            for found in names_in(text, tokens, view, listed)
        })  # fmt: skip

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Names of a question that are one word in the title or path of a document."""
        analyzers, languages = self.snapshot.analyzers, self.view.languages
        found = {
            word
            for view in self._visible.views
            for word in words_written_as_one(text, tokens, view, analyzers, languages)
        }
        return [word for *_, word in sorted(found)]

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """The scores of some terms."""
        return JoinedLexical(self._visible, [Lexical(view, terms) for view in self._visible.views])

    def scores(self, question: EncodedQuestion) -> QuestionScores:
        """The scores of a question."""
        return JoinedScores(self._visible, self._joined, self.view, question)

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """The source of candidates and links."""
        return JoinedMultihop(self._visible, self._joined, self.view, config)
