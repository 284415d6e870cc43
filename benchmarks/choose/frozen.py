"""Questions with everything that a ranking by `best` reads and no constant changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.choose.kernel import Links, Rows, Weights, rank
from graphagg.arrays import Array
from graphagg.rag import PassageIndex
from graphagg.rag.best.formula import BestConfig, weights_of
from graphagg.rag.best.links import KINDS, SIMILAR, Bridges, find_bridges, similar_edges
from graphagg.rag.best.links import expand as expand_links
from graphagg.rag.best.retriever import BestRetriever
from graphagg.rag.evaluation.measure import GoldQuestion
from graphagg.rag.modes import Best, EncodedReading
from graphagg.rag.search.lexical import Lexical
from graphagg.rag.tables.gazetteer import DATE

WIDE = replace(BestConfig(), pool=200, most_passages=60)
_UNIT = replace(WIDE, link=replace(WIDE.link, similar=(0.0, 1.0)))  # strength is the cosine


class FrozenQuestion:
    """One question; its rows and edges grow as a search asks for them.

    Args:
        retriever: of the set's index.
        asked: the question, encoded.
        gold: rows that are wanted.
        wanted: how many passages are.
    """

    def __init__(
        self, retriever: BestRetriever, asked: EncodedReading, gold: Array, wanted: int
    ) -> None:
        self._retriever, self._asked, self.gold, self.wanted = retriever, asked, gold, wanted
        self._lexical = Lexical(retriever.view, asked.reading.terms)
        pool = retriever._pool(asked.reading, asked.vector, self._lexical, WIDE.pool, None)
        found = retriever._candidates(pool, asked.reading, asked.vector, self._lexical)
        self.ids = found.rows
        self.rows = Rows(
            retriever.dense.ranks[found.rows].astype(np.int64),
            found.features,
            found.covers,
            self._lexical.weights,
            found.pages,
            len(found.rows),
            np.full((len(found.rows), 2), -1),
        )
        none = np.zeros(0)
        self.links = Links(np.zeros(0, np.int64), np.zeros(0, np.int64), none, none, none)

    def answer(self, weights: Weights, k: int) -> Array:
        """The rows of the corpus that are chosen, best first."""
        while True:
            found = rank(self.rows, self.links, weights, k)
            if not len(found) or found[0] >= 0:
                return self.ids[found]
            self._expand(-2 - int(found[0]))

    def _expand(self, row: int) -> None:
        retriever, asked = self._retriever, self._asked
        view, corpus, front = retriever.view, retriever.corpus, self.ids[[row]]
        named = np.asarray(asked.reading.entities, dtype=np.int64)
        bridges: Bridges = find_bridges(corpus, view, front, named, asked.vector, WIDE)
        edges = expand_links(view, bridges, front)
        near = similar_edges(corpus, front, self.ids[: self.rows.first], _UNIT)
        self._grow(np.setdiff1d(edges.row, self.ids))
        entity = bridges.entity[edges.bridge]
        is_date = (view.gazetteer.kind[entity] & DATE) > 0
        no = np.zeros(len(near.row))
        more = Links(
            self._positions(np.concatenate([edges.row, near.row])),
            np.concatenate([edges.kind, np.full(len(near.row), SIMILAR)]),
            np.concatenate([view.idf(entity), near.link]),
            np.concatenate([np.where(is_date, 1, view.df[entity]).astype(np.float64), no]),
            np.concatenate([bridges.similarity[edges.bridge], no]),
        )
        begin = len(self.links.target)
        self.rows.bounds[row] = begin, begin + len(more.target)
        self.links = Links(*(np.concatenate(p) for p in zip(self.links, more, strict=True)))

    def _grow(self, new: Array) -> None:
        asked = self._asked
        if not len(new):
            return
        found = self._retriever._candidates(new, asked.reading, asked.vector, self._lexical)
        rows, self.ids = self.rows, np.concatenate([self.ids, found.rows])
        self.rows = rows._replace(
            ranks=np.concatenate([rows.ranks, self._retriever.dense.ranks[found.rows]]),
            features=np.concatenate([rows.features, found.features]),
            covers=np.concatenate([rows.covers, found.covers]),
            pages=np.concatenate([rows.pages, found.pages]),
            bounds=np.concatenate([rows.bounds, np.full((len(new), 2), -1)]),
        )

    def _positions(self, ids: Array) -> Array:
        order = np.argsort(self.ids)
        return order[np.searchsorted(self.ids, ids, sorter=order)]


class FrozenSet:
    """The questions of one set.

    Args:
        index: of its passages.
        questions: whose answers are known.
    """

    def __init__(self, index: PassageIndex, questions: Sequence[GoldQuestion]) -> None:
        self.best = index.retriever("best", WIDE)
        assert isinstance(self.best, Best)
        snapshot, scope = self.best.snapshot, self.best.scope
        retriever = BestRetriever(snapshot.corpus, scope.view, snapshot.dense, WIDE)
        read = self.best.read([question.text for question in questions], index.models)
        self.asked = self.best.encode(read, index.models)
        self.ids = [question.gold for question in questions]
        self.questions = [
            FrozenQuestion(
                retriever,
                asked,
                np.array([r for g in question.gold if (r := snapshot.row_of(g)) is not None]),
                len(question.gold),
            )
            for asked, question in zip(self.asked, questions, strict=True)
        ]

    def recall(self, weights: Weights) -> Array:
        """Mean recall@2 and recall@5, in percent."""
        shares = np.zeros((len(self.questions), 2))
        for i, question in enumerate(self.questions):
            is_gold = np.isin(question.answer(weights, 5), question.gold)
            shares[i] = is_gold[:2].sum() / question.wanted, is_gold.sum() / question.wanted
        return 100.0 * shares.mean(axis=0)

    def check(self, config: BestConfig, count: int = 20) -> None:
        """Compare with the retriever itself; raises where a ranking differs."""
        best = Best(self.best.snapshot, self.best.scope, config)
        for question, asked in list(zip(self.questions, self.asked, strict=True))[:count]:
            hits = best._answer([asked], 5)[0]
            wanted = [self.best.snapshot.row_of(hit.passage.id) for hit in hits]
            found = question.answer(weights_from(config), 5).tolist()
            if found != wanted:
                raise AssertionError(f"{asked.text}: rows {found}, the retriever has {wanted}")


def weights_from(config: BestConfig) -> Weights:
    """The constants of a configuration as the kernel takes them."""
    pairs = np.array([getattr(config.link, kind) for kind in KINDS], np.float64)
    rest: Mapping[str, Any] = {
        name: getattr(config, name) for name in Weights._fields if hasattr(config, name)
    }
    return Weights(
        **{
            **rest,
            "passage": np.array(list(weights_of(config.passage).values())),
            "kinds": pairs[:, 0].copy(),
            "slopes": pairs[:, 1].copy(),
            "sentence": config.link.sentence,
        }
    )
