"""Search over several parts: each part answers for its rows, and the results are joined.

Names are numbered over all parts; rows are numbered one part after another. All views of parts have
the same statistics of names (`graphagg.rag.parts.snapshot`). The statistics of a question's words,
titles and documents are summed here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from graphagg.arrays import Array, Floats, Ints, distinct, kth_largest, top_k
from graphagg.nearest.vectors import Codes, Queries, Rows
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import TextTokens
from graphagg.rag.modes.multihop.candidates import MOST_TITLED, Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, Frontier, MultihopSource
from graphagg.rag.modes.protocol import EncodedQuestion, PassageSource
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores, Strongest
from graphagg.rag.parts.snapshot import JoinedSnapshot, JoinedView, Part
from graphagg.rag.parts.steps import QUESTION_SECONDS, PartQuestion, PartView, Pool, ask_each
from graphagg.rag.question.reading import QuestionReading, read_terms
from graphagg.rag.snapshot.search import Lexical, lookup, weights_of
from graphagg.rag.tables.gazetteer import Gazetteer, Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import View


class VisibleParts:
    """The parts that have visible passages, and their views."""

    def __init__(self, parts: Sequence[tuple[Part, PartView]], ranks: Array) -> None:
        self._ranks = ranks
        self.parts, self.views = [part for part, _ in parts], [view for _, view in parts]
        self._starts = np.array([part.start for part in self.parts])

    def owners(self, rows: Rows) -> Ints:
        """Return the position of the part of each row."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def split(self, rows: Rows) -> list[tuple[int, Ints, Rows]]:
        """Group rows by part: position of the part, positions in `rows`, and rows in the part."""
        owner = self.owners(rows)
        pairs = [(i, np.flatnonzero(owner == i)) for i in distinct(owner).tolist()]
        return [(i, some, rows[some] - self.parts[i].start) for i, some in pairs]

    def best(self, found: Sequence[tuple[Rows, Array]], k: int) -> tuple[Rows, Array]:
        """Return the `k` rows with the largest values, best first; `found` has a pair per part."""
        rows, values = self.joined(found)
        best = top_k(values, k, self._ranks[rows])
        return rows[best], values[best]

    def joined(self, found: Sequence[tuple[Rows, Array]]) -> tuple[Rows, Array]:
        """Concatenate rows and values of all parts."""
        pairs = zip(found, self.parts, strict=True)
        rows = np.concatenate([part.rows(own) for (own, _), part in pairs])
        return rows, np.concatenate([own for _, own in found])


class JoinedLexical(Lexical):
    """Scores of a question's terms over all parts, with the document frequencies of all parts."""

    def __init__(self, scores: JoinedScores, passages: int, df: list[int]) -> None:
        self._scores, self.df = scores, df
        self.idf, self.weights = weights_of(df, passages)
        self.held: dict[int, Array] = {}  # terms of the candidates

    def best(self, k: int) -> tuple[Rows, Array]:
        """Return what `Lexical.best` returns, over all parts."""
        found = self._scores.ask(self._scores.parts, "scores.lexical.best", k)
        rows, scores = self._scores.visible.joined(found)
        is_best = scores >= kth_largest(scores, k) if k < len(rows) else slice(None)
        return rows[is_best], scores[is_best]

    def covers(self, rows: Rows) -> Array:
        """Return a mask `[n, t]` of 0 and 1: whether row n contains term t."""
        if len(rows) and all(row in self.held for row in rows.tolist()):
            return np.array([self.held[row] for row in rows.tolist()])
        covers, scores = np.zeros((len(rows), len(self.df))), self._scores
        each = scores.visible.split(rows)
        calls = [(scores.parts[i], (own,)) for i, _, own in each]
        found = scores.ask_each(calls, "scores.lexical.covers")
        for (_, some, _), own in zip(each, found, strict=True):
            covers[some] = own
        return covers


class JoinedScores(QuestionScores):
    """Scores of a question over all parts; the first step that needs the parts sends it to them.

    Attributes:
        visible: the parts with visible passages.
        cosines: the cosines of the sentences of hits, by row.
        end: deadline for the answers of parts; all steps share it.
    """

    lexical: JoinedLexical

    def __init__(self, source: JoinedSource, question: EncodedQuestion, df: list[int]) -> None:
        view = source.joined_view
        self.reading, self.words, self.query = question.reading, question.words, question.query
        self.named = np.asarray(self.reading.entities, dtype=np.int64)
        self.rarity, self._documents_of_all = view.idf(self.named), view.documents
        self.visible, self.end = source.visible, time.monotonic() + QUESTION_SECONDS
        self.cosines = source.of_sentences.setdefault(question.query, {})
        self.lexical = JoinedLexical(self, view.passages, df)
        self._parts = list[PartQuestion]()

    def ask_each(self, calls: Sequence[tuple[Any, tuple[Any, ...]]], method: str) -> list[Any]:
        """Call a method of each object, within the time limit of the question."""
        return ask_each(calls, method, self.end)

    def ask(self, targets: Sequence[Any], method: str, *arguments: Any) -> list[Any]:
        """Call a method of each object with the same arguments."""
        return self.ask_each([(target, arguments) for target in targets], method)

    @property
    def parts(self) -> list[PartQuestion]:
        """The question, as an object in each part."""
        return self._parts or self._start(None, 0)[0]

    def _start(
        self, config: MultihopConfig | None, size: int
    ) -> tuple[list[PartQuestion], list[Pool | None]]:
        calls = []
        for part, view in zip(self.visible.parts, self.visible.views, strict=True):
            own = replace(self.reading, entities=tuple(part.local(self.named).tolist()))
            common = (self.query, self.words, self.rarity, self.lexical.df, config, size)
            calls.append((view, (own, *common)))
        found = zip(*self.ask_each(calls, "question"), strict=True)
        self._parts, self._named_by, titled, self._strongest, leading = map(list, found)
        self.of_titles = [distinct(np.concatenate(each)) for each in zip(*titled, strict=True)]
        return self._parts, leading

    def leading(self, config: MultihopConfig, size: int) -> list[Pool]:
        """Return the pool of each part; see `CandidateScorer.leading`."""
        found = [None] * len(self._parts) if self._parts else self._start(config, size)[1]
        late = [part for part, pool in zip(self._parts, found, strict=True) if pool is None]
        rest = iter(self.ask(late, "leading", config, size, self.certainty) if late else ())
        return [pool or next(rest) for pool in found]

    @cached_property
    def certainty(self) -> float:
        """The certainty over all parts; sends the counts of named documents to the parts."""
        named = [part for part, own in zip(self.parts, self._named_by, strict=True) if own]
        if not named:
            return 0.0
        count, df = self._documents_of_all, Counter[int]()  # includes terms in no document
        for own in self._named_by:
            df.update(own)
        largest = max(self.ask(named, "take_documents", count, dict(df)))
        return NamedDocuments(count, df).certainty(
            largest, lambda least: sum(self.ask(named, "scores.documents_from", least))
        )

    @property
    def strongest(self) -> Strongest:
        """The best passages by similarity, and by words."""
        _ = self.parts
        similarity, words, _ = map(max, zip(*self._strongest, strict=True))
        of_words = max(each.of_words for each in self._strongest if each.words == words)
        return Strongest(similarity, words, of_words)

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """Return the `k` most similar visible passages, best first."""
        return self.visible.best(self.ask(self.parts, "scores.nearest", k), k)


def _joined(question: QuestionScores) -> JoinedScores:
    return cast(JoinedScores, question)  # the same source scored it


class JoinedMultihop(MultihopSource):
    """Candidates and links over all parts."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, config: MultihopConfig
    ) -> None:
        super().__init__(snapshot.corpus, snapshot.ranks, view, config)
        self._visible = visible

    def leading(self, question: QuestionScores, size: int) -> Pool:
        """Return the pool in two parts with their values: the `size` best, and the best titled."""
        best, titled = zip(*_joined(question).leading(self.config, size), strict=True)
        return self._visible.best(best, size), self._visible.best(titled, MOST_TITLED)

    def candidates(self, rows: Rows, question: QuestionScores) -> Candidates:
        """Compute features and F of some rows."""
        each, scores = self._visible.split(rows), _joined(question)
        calls = [(scores.parts[i], (scores.of_titles, own)) for i, _, own in each]
        return self._merged(scores, [i for i, *_ in each], scores.ask_each(calls, "candidates"))

    def _merged(
        self, scores: JoinedScores, parts: Sequence[int], found: Sequence[Candidates]
    ) -> Candidates:
        """Join the candidates of some parts."""
        pairs = zip(found, parts, strict=True)
        own = [each._replace(rows=self._visible.parts[i].rows(each.rows)) for each, i in pairs]
        joined = [np.concatenate(column) for column in zip(*own, strict=True)]
        order = np.argsort(self.ranks[joined[0]])
        candidates = Candidates(*(column[order] for column in joined))
        scores.lexical.held |= zip(candidates.rows.tolist(), candidates.covers, strict=True)
        return candidates

    def bridges(self, frontier: Rows, question: QuestionScores) -> tuple[Bridges, Codes]:
        """Find the entities that link passages to others, and the first vector of each passage."""
        each, scores = self._visible.split(frontier), _joined(question)
        found = scores.ask_each([(scores.parts[i], (own,)) for i, _, own in each], "bridges")
        moved, first = list[Bridges](), np.empty((len(frontier), found[0][1].shape[1]), np.uint8)
        for (i, some, _), (own, vectors) in zip(each, found, strict=True):
            entity = self._visible.parts[i].numbers[own.entity].astype(np.int64)
            moved.append(replace(own, parent=some[own.parent], entity=entity))
            first[some] = vectors
        joined = {f: np.concatenate([getattr(b, f) for b in moved]) for f in vars(moved[0])}
        order = np.argsort(joined["parent"], kind="stable")
        return Bridges(**{name: column[order] for name, column in joined.items()}), first

    def linked(
        self, scores: QuestionScores, bridges: Bridges, frontier: Frontier, known: Rows, pool: Rows
    ) -> tuple[Edges, Candidates]:
        """Return all links from the frontier, and the linked passages that are not in `known`."""
        asked, owner = _joined(scores), self._visible.owners(frontier.rows)
        known_by, pool_by = (
            {i: own for i, _, own in self._visible.split(r)} for r in (known, pool)
        )
        parts, calls, bridge_of = list[int](), [], list[Array]()
        for i, part in enumerate(self._visible.parts):
            local = part.local(bridges.entity)
            some = np.flatnonzero(local >= 0)  # the others are not in this part's texts
            is_last = part is self._visible.parts[-1]
            # Skip a part that has none of the names and no pool, but call at least one part.
            if not len(some) and i not in pool_by and (parts or not is_last):
                continue
            columns = {name: column[some] for name, column in vars(bridges).items()}
            own = Bridges(**columns | {"entity": local[some]})
            within = frontier._replace(rows=np.where(owner == i, frontier.rows - part.start, -1))
            of_part = (known_by.get(i, _NONE), pool_by.get(i, _NONE))
            calls.append((asked.parts[i], (asked.of_titles, own, within, *of_part)))
            parts.append(i)
            bridge_of.append(np.append(some, -1))  # index -1 is for links by similarity
        edges, more = zip(*asked.ask_each(calls, "linked"), strict=True)
        moved = [
            own._replace(bridge=bridge[own.bridge], row=self._visible.parts[i].rows(own.row))
            for own, bridge, i in zip(edges, bridge_of, parts, strict=True)
        ]
        joined = Edges(*map(np.concatenate, zip(*moved, strict=True)))
        joined = joined.between_documents(self.corpus, frontier.rows)
        found = self._merged(asked, parts, more)
        is_linked, _ = lookup(np.sort(joined.row), found.rows)
        return joined, Candidates(*(column[is_linked] for column in found))

    def speller(self, question: QuestionScores) -> Speller:
        """Return an object that finds spellings of entities, for the hits of a question."""
        return JoinedSpeller(self.corpus, self.view.gazetteer, _joined(question))


_NONE = np.zeros(0, np.int64)


class JoinedSpeller(Speller):
    """Finds spellings in the passages of all parts, with one step per part."""

    def __init__(self, corpus: StoredCorpus, names: Gazetteer, scores: JoinedScores) -> None:
        super().__init__(corpus, names)
        self._scores, self._mentions = scores, dict[tuple[int, int], tuple[int, int]]()

    def prepare(self, rows: Sequence[int], mentions: Sequence[tuple[int, int]]) -> None:
        """Fetch the passages of hits and of their paths, with mentions and cosines."""
        scores, parts, corpus = self._scores, self._scores.visible.parts, self._corpus
        read = [(-1, row) for row in (*rows, *(row for _, row in mentions))]
        fresh = dict.fromkeys(each for each in (*read, *mentions) if each not in self._mentions)
        entities, every = np.array([*fresh], np.int64).reshape(-1, 2).T
        each, wanted = scores.visible.split(every), list(fresh)
        calls = [(scores.parts[i], (parts[i].local(entities[some]), own)) for i, some, own in each]
        found = scores.ask_each(calls, "shown")
        for (_, some, _), (texts, cosines, firsts) in zip(each, found, strict=True):
            self._mentions |= zip((wanted[at] for at in some.tolist()), firsts, strict=True)
            own = every[some[entities[some] < 0]]
            scores.cosines |= _by_row(corpus, own, cosines)
            for row, text in zip(own.tolist(), texts, strict=True):
                segment, inside = corpus.locate(row)
                table = segment.passages
                self._read[row] = table.read(inside, table.metadata_of(inside), text)

    def first_mention(self, entity: int, row: int) -> tuple[int, int]:
        """Return the first token and length of the first mention of an entity in a passage."""
        return self._mentions[entity, row]


def _by_row(corpus: StoredCorpus, rows: Rows, cosines: Floats) -> Iterator[tuple[int, Floats]]:
    """Split the cosines of sentences by row."""
    bounds = corpus.sentence_bounds
    ends = np.cumsum(bounds[rows + 1] - bounds[rows])
    return zip(rows.tolist(), np.split(cosines, ends[:-1]), strict=False)


class JoinedSource(PassageSource):
    """Gives modes access to the visible passages of all parts."""

    def __init__(self, snapshot: JoinedSnapshot, view: JoinedView) -> None:
        super().__init__(snapshot, view)
        self._joined, self.joined_view = snapshot, view
        self.visible = VisibleParts(view.parts, snapshot.ranks)
        self._df: dict[Term, int] = {}
        self.of_sentences = dict[Queries, dict[int, Floats]]()  # cosines by row

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Return names of a question that a document's title or path writes as one word."""
        reading = read_terms(text, tokens, (), self.snapshot.analyzers, self.view.languages)
        found = {each for words, _ in self._read(text, reading.terms) for each in words}
        return [word for *_, word in sorted(found)]

    def _read(self, text: str, terms: Sequence[Term]) -> list[Any]:
        found = ask_each([(view, (text, terms)) for view in self.visible.views], "read")
        for i, term in enumerate(terms):
            self._df[term] = sum(df[i] for _, df in found)
        return found

    def scores(self, question: EncodedQuestion) -> JoinedScores:
        """Return the scores of a question; counts the document frequencies of new terms."""
        if others := [term for term in question.terms if term not in self._df]:
            self._read("", others)
        return JoinedScores(self, question, [self._df[term] for term in question.terms])

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """Return the scores of some terms."""
        reading = QuestionReading("", tuple(terms), (), (), (), ())
        return self.scores(EncodedQuestion(reading, np.zeros(0, np.float32))).lexical

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """Return the source of candidates and links for mode `multihop`."""
        return JoinedMultihop(self.visible, self._joined, self.view, config)

    def cosines(self, rows: Rows, query: Queries) -> list[Floats]:
        """Return the cosine of each sentence of each row with one vector."""
        held = self.of_sentences.setdefault(query, {})
        each = self.visible.split(rows[[row not in held for row in rows.tolist()]])
        calls = [(self.visible.parts[i].opened, (own, query)) for i, _, own in each]
        for (i, _, own), found in zip(each, ask_each(calls, "cosines"), strict=True):
            held |= _by_row(self.snapshot.corpus, self.visible.parts[i].rows(own), found)
        return [held[row] for row in rows.tolist()]
