"""What questions ask of several parts: each part answers for its rows, and results are joined.

Names are numbered over all parts, and rows one part after another. Views of parts have common
statistics of names (`graphagg.rag.parts.snapshot`); those of the words, titles and documents of a
question are added up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from graphagg.arrays import Array, Floats, Ints, distinct, kth_largest, top_k
from graphagg.nearest.vectors import Codes, Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import TextTokens, scan
from graphagg.rag.modes.multihop.candidates import MOST_TITLED, Candidates
from graphagg.rag.modes.multihop.links import Bridges, Edges, Frontier, MultihopSource
from graphagg.rag.modes.question_scores import NamedDocuments, QuestionScores, Strongest
from graphagg.rag.modes.source import EncodedQuestion, PassageSource
from graphagg.rag.parts.snapshot import JoinedSnapshot, JoinedView, Part
from graphagg.rag.parts.steps import PartQuestion, PartView, Pool, ask, ask_each
from graphagg.rag.question.reading import NameFound, QuestionReading, read_terms
from graphagg.rag.snapshot.search import Lexical, lookup, weights_of
from graphagg.rag.tables.gazetteer import Gazetteer, Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View


class VisibleParts:
    """The parts that have visible passages, and their views."""

    def __init__(self, parts: Sequence[tuple[Part, PartView]]) -> None:
        self.parts, self.views = [part for part, _ in parts], [view for _, view in parts]
        self._starts = np.array([part.start for part in self.parts])

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


class AskedQuestion:
    """A question in each part, which all get with the first step that needs them."""

    def __init__(
        self, visible: VisibleParts, view: JoinedView, question: EncodedQuestion, df: list[int]
    ) -> None:
        self.visible, self.df, self._question, self._documents = (
            visible,
            df,
            question,
            view.documents,
        )
        self.named = np.asarray(question.reading.entities, dtype=np.int64)
        self.rarity = view.idf(self.named)
        self._parts, self._leading = list[PartQuestion](), list[Pool | None]()

    @property
    def parts(self) -> list[PartQuestion]:
        """The question in each part."""
        if not self._parts:
            self._start(None, 0)
        return self._parts

    def _start(self, config: MultihopConfig | None, size: int) -> None:
        reading, calls = self._question.reading, []
        for part, view in zip(self.visible.parts, self.visible.views, strict=True):
            own = replace(reading, entities=tuple(part.local(self.named).tolist()))
            query, words = self._question.query, self._question.words
            calls.append((view, (own, query, words, self.rarity, self.df, config, size)))
        found = zip(*ask_each(calls, "question"), strict=True)
        parts, self._names, self._titled, self._strongest, leading = map(list, found)
        self._leading, self._parts = leading, parts

    def leading(self, config: MultihopConfig, size: int) -> list[Pool]:
        """The best of each part."""
        if not self._parts:
            self._start(config, size)
            found = self._leading
        else:
            found = [None] * len(self._parts)
        late = [part for part, pool in zip(self._parts, found, strict=True) if pool is None]
        rest = iter(ask(late, "leading", config, size, self._certainty))
        return [next(rest) if pool is None else pool for pool in found]

    @cached_property
    def _certainty(self) -> float:
        """The certainty of all parts, which get the counts of the documents that are named."""
        dfs = [own for own in self._names if own]
        named = [part for part, own in zip(self._parts, self._names, strict=True) if own]
        if not named:
            return 0.0
        df = {t: sum(own.get(t, 0) for own in dfs) for own in dfs for t in own}
        largest = max(ask(named, "take_documents", self._documents, df))
        return NamedDocuments(self._documents, df).certainty(
            largest, lambda least: sum(ask(named, "documents_from", least))
        )

    @cached_property
    def levels(self) -> list[Array]:
        """The levels of titles of all parts, of each named entity."""
        _ = self.parts
        return [distinct(np.concatenate(of_name)) for of_name in zip(*self._titled, strict=True)]

    @cached_property
    def strongest(self) -> Strongest:
        """The best of all parts."""
        _ = self.parts
        similarity, words, _ = map(max, zip(*self._strongest, strict=True))
        of_words = max(each.of_words for each in self._strongest if each.words == words)
        return Strongest(similarity, words, of_words)


class JoinedLexical(Lexical):
    """Scores of a question's terms over all parts, by their common document frequencies."""

    def __init__(self, asked: AskedQuestion, view: View) -> None:
        self._asked, self.df = asked, asked.df
        self.idf, self.weights = weights_of(self.df, view.passages)
        self._held: dict[int, Array] = {}

    def best(self, k: int) -> tuple[Rows, Array]:
        """Find the rows of `Lexical.best` among those of all parts."""
        found = ask(self._asked.parts, "best_by_words", k)
        rows, scores = self._asked.visible.joined(found)
        is_best = scores >= kth_largest(scores, k) if k < len(rows) else slice(None)
        return rows[is_best], scores[is_best]

    def keep(self, candidates: Candidates) -> None:
        """Keep which terms some rows hold."""
        self._held |= zip(candidates.rows.tolist(), candidates.covers, strict=True)

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n contains term t."""
        kept = [self._held.get(row) for row in rows.tolist()]
        if kept and all(each is not None for each in kept):
            return np.array(kept)
        return self._asked.visible.gather(self._asked.parts, "covers", rows)


class JoinedScores(QuestionScores):
    """Scores of a question over all parts."""

    def __init__(
        self, asked: AskedQuestion, snapshot: JoinedSnapshot, view: View, question: EncodedQuestion
    ) -> None:
        self.reading, self.words, self.query = question.reading, question.words, question.query
        self.asked, self.named, self.rarity = asked, asked.named, asked.rarity
        self.lexical, self._ranks = JoinedLexical(asked, view), snapshot.ranks

    @property
    def strongest(self) -> Strongest:
        """The best by similarity, and by words."""
        return self.asked.strongest

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """The `k` most similar visible passages, best first."""
        return self.asked.visible.best(ask(self.asked.parts, "nearest", k), k, self._ranks)


class JoinedMultihop(MultihopSource):
    """Candidates and links over all parts."""

    def __init__(
        self, visible: VisibleParts, snapshot: JoinedSnapshot, view: View, config: MultihopConfig
    ) -> None:
        super().__init__(snapshot.corpus, snapshot.ranks, view, config)
        self._visible = visible

    def leading(self, question: QuestionScores, size: int) -> Pool:
        """The pool in two parts, each with its values: the `size` best, and the best titled."""
        found = _asked(question).leading(self.config, size)
        best, titled = zip(*found, strict=True)
        visible, ranks = self._visible, self.ranks
        return visible.best(best, size, ranks), visible.best(titled, MOST_TITLED, ranks)

    def candidates(self, rows: Rows, question: QuestionScores) -> Candidates:
        """Compute features and F of some rows."""
        each, asked = self._visible.split(rows), _asked(question)
        calls = [(asked.parts[i], (asked.levels, own)) for i, _, own in each]
        found = ask_each(calls, "candidates")
        return self._joined(question, [i for i, *_ in each], found)

    def _joined(
        self, question: QuestionScores, parts: Sequence[int], found: Sequence[Candidates]
    ) -> Candidates:
        """The candidates of some parts."""
        pairs = zip(found, parts, strict=True)
        own = [each._replace(rows=self._visible.parts[i].rows(each.rows)) for each, i in pairs]
        joined = [np.concatenate(column) for column in zip(*own, strict=True)]
        order = np.argsort(self.ranks[joined[0]])
        candidates = Candidates(*(column[order] for column in joined))
        cast(JoinedLexical, question.lexical).keep(candidates)
        return candidates

    def bridges(self, frontier: Rows, question: QuestionScores) -> tuple[Bridges, Codes]:
        """The entities through which passages lead on, and the stored first vector of each."""
        each, parts = self._visible.split(frontier), _asked(question).parts
        found = ask_each([(parts[i], (own,)) for i, _, own in each], "bridges")
        moved, first = list[Bridges](), np.empty((len(frontier), found[0][1].shape[1]), np.uint8)
        for (i, some, _), (own, vectors) in zip(each, found, strict=True):
            entity = self._visible.parts[i].numbers[own.entity].astype(np.int64)
            moved.append(replace(own, parent=some[own.parent], entity=entity))
            first[some] = vectors
        joined = {f: np.concatenate([getattr(b, f) for b in moved]) for f in vars(moved[0])}
        order = np.argsort(joined["parent"], kind="stable")
        return Bridges(**{name: column[order] for name, column in joined.items()}), first

    def linked(
        self,
        question: QuestionScores,
        bridges: Bridges,
        frontier: Frontier,
        known: Rows,
        pool: Rows,
    ) -> tuple[Edges, Candidates]:
        """Every link from the frontier, and the passages they lead to that are not known yet."""
        asked, owner = _asked(question), self._visible.owners(frontier.rows)
        known_by, pool_by = (
            {i: own for i, _, own in self._visible.split(r)} for r in (known, pool)
        )
        parts, calls, bridge_of = list[int](), [], list[Array]()
        for i, part in enumerate(self._visible.parts):
            local = part.local(bridges.entity)
            some = np.flatnonzero(local >= 0)  # this part has the others neither in its texts
            is_last = part is self._visible.parts[-1]
            if not len(some) and i not in pool_by and (parts or not is_last):
                continue
            columns = {name: column[some] for name, column in vars(bridges).items()}
            own = Bridges(**columns | {"entity": local[some]})
            within = frontier._replace(rows=np.where(owner == i, frontier.rows - part.start, -1))
            of_part = (known_by.get(i, _NONE), pool_by.get(i, _NONE))
            calls.append((asked.parts[i], (asked.levels, own, within, *of_part)))
            parts.append(i)
            bridge_of.append(np.append(some, -1))  # at -1, of a link by similarity
        edges, more = zip(*ask_each(calls, "linked"), strict=True)
        moved = [
            own._replace(bridge=bridge[own.bridge], row=self._visible.parts[i].rows(own.row))
            for own, bridge, i in zip(edges, bridge_of, parts, strict=True)
        ]
        joined = Edges(*map(np.concatenate, zip(*moved, strict=True)))
        joined = joined.between_documents(self.corpus, frontier.rows)
        found = self._joined(question, parts, more)
        is_linked, _ = lookup(np.sort(joined.row), found.rows)
        return joined, Candidates(*(column[is_linked] for column in found))

    def speller(self) -> Speller:
        """Finds spellings of entities."""
        return JoinedSpeller(self.corpus, self.view.gazetteer, self._visible)


_NONE = np.zeros(0, np.int64)


def _asked(question: QuestionScores) -> AskedQuestion:
    """The question in the parts."""
    return cast(JoinedScores, question).asked  # the same source scored it


class JoinedSpeller(Speller):
    """Finds spellings in the passages of all parts."""

    def __init__(self, corpus: StoredCorpus, names: Gazetteer, visible: VisibleParts) -> None:
        super().__init__(corpus, names)
        self._visible = visible
        self._first: dict[tuple[int, int], tuple[int, int]] = {}

    def read_ahead(self, rows: Sequence[int], mentions: Sequence[tuple[int, int]]) -> None:
        """Read some texts, and the first mentions of entities in rows."""
        super().read_ahead(rows, mentions)
        pairs = np.array([*dict.fromkeys(mentions)], np.int64).reshape(-1, 2)
        calls, kept = [], list[Array]()
        for i, some, own in self._visible.split(pairs[:, 1]):
            local = self._visible.parts[i].local(pairs[some, 0])
            known = np.flatnonzero(local >= 0)
            calls.append((self._visible.parts[i].named, (local[known], own[known])))
            kept.append(some[known])
        for some, found in zip(kept, ask_each(calls, "first_mentions"), strict=True):
            places = map(tuple, found.tolist())
            self._first |= zip(map(tuple, pairs[some].tolist()), places, strict=True)

    def first_mention(self, entity: int, row: int) -> tuple[int, int]:
        """First token and length of a first mention that was read ahead; (0, 0): none."""
        return self._first.get((entity, row), (0, 0))


class JoinedSource(PassageSource):
    """The visible passages of all parts, as questions see them."""

    def __init__(self, snapshot: JoinedSnapshot, view: JoinedView) -> None:
        super().__init__(snapshot, view)
        self._joined, self._joined_view, self._visible = snapshot, view, VisibleParts(view.parts)
        self._last: tuple[str | None, list[Any]] = None, []
        self._df: dict[Term, int] = {}

    def names(self, text: str, tokens: TextTokens) -> Sequence[NameFound]:
        """The entities whose words are in a question."""
        return list({
            found._replace(entity=int(part.numbers[found.entity])): None
            for part, (names, *_) in zip(self._visible.parts, self._found(text), strict=True)
            for found in names
        })  # fmt: skip

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Names of a question that are one word in the title or path of a document."""
        found = {each for _, words, _ in self._found(text) for each in words}
        return [word for *_, word in sorted(found)]

    def _found(self, text: str) -> list[Any]:
        """What each part reads in a question; the last one is kept."""
        last, found = self._last
        if last != text:
            analyzers, languages = self.snapshot.analyzers, self.view.languages
            terms = read_terms(text, scan(text), (), analyzers, languages).terms
            found = ask(self._visible.views, "read", text, terms)
            self._count(terms, [df for *_, df in found])
            self._last = text, found
        return found

    def _count(self, terms: Sequence[Term], dfs: Sequence[Sequence[int]]) -> None:
        for i, term in enumerate(terms):
            self._df[term] = sum(df[i] for df in dfs)

    def _asked(self, question: EncodedQuestion) -> AskedQuestion:
        """A question with the document frequencies of its terms."""
        terms = question.reading.terms
        if others := [term for term in terms if term not in self._df]:
            self._count(others, ask(self._visible.views, "frequencies", others))
        df = [self._df[term] for term in terms]
        return AskedQuestion(self._visible, self._joined_view, question, df)

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """The scores of some terms."""
        reading = QuestionReading("", tuple(terms), (), (), (), ())
        return JoinedLexical(
            self._asked(EncodedQuestion(reading, np.zeros(0, np.float32))), self.view
        )

    def scores(self, question: EncodedQuestion) -> QuestionScores:
        """The scores of a question."""
        return JoinedScores(self._asked(question), self._joined, self.view, question)

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """The source of candidates and links."""
        return JoinedMultihop(self._visible, self._joined, self.view, config)

    def cosines(self, rows: Rows, query: Queries) -> list[Floats]:
        """The cosine of each sentence of each row with one vector."""
        each, bounds = self._visible.split(rows), self.snapshot.corpus.sentence_bounds
        calls = [(self._visible.parts[i].opened, (own, query)) for i, _, own in each]
        cosines = dict[int, Floats]()
        for (_, some, _), found in zip(each, ask_each(calls, "cosines"), strict=True):
            ends = np.cumsum(bounds[rows[some] + 1] - bounds[rows[some]])
            cosines |= zip(some.tolist(), np.split(found, ends[:-1]), strict=True)
        return [cosines[i] for i in range(len(rows))]
