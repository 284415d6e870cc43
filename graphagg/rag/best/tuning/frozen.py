"""Questions with everything that a ranking by `best` reads and no constant changes.

Rankings equal the retriever's where `most_passages` is at most 60. Above 200 passages they do as
long as the pool is among the 200 best by the default weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.best.formula import BestConfig, weights_of
from graphagg.rag.best.links import (
    KINDS,
    PAGE,
    SIMILAR,
    Bridges,
    Edges,
    find_bridges,
    shares,
    similar_edges,
)
from graphagg.rag.best.links import expand as expand_links
from graphagg.rag.best.retriever import BestRetriever, closeness_of
from graphagg.rag.best.tuning.kernel import Links, Weights, rank
from graphagg.rag.best.tuning.kernel import Rows as FrozenRows
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.tables.gazetteer import DATE
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.version.snapshot import Selection, Snapshot

WIDE = replace(BestConfig(), pool=200, most_passages=60)
_UNIT = replace(WIDE, link=replace(WIDE.link, similar=(0.0, 1.0)))  # strength is the cosine


class FrozenQuestion:
    """One question; its rows and edges grow as a search asks for them.

    Args:
        retriever: of the set's index.
        asked: the question, encoded.
        gold: of each thing that is wanted, the rows that show it.
    """

    def __init__(
        self, retriever: BestRetriever, asked: EncodedReading, gold: Sequence[Rows]
    ) -> None:
        self._retriever, self._gold = retriever, gold
        self._asked = retriever.asked(asked.reading, asked.vector, asked.words)
        pool = retriever.pool(self._asked, WIDE.pool, None)
        found = retriever.candidates(pool, self._asked)
        self.ids = found.rows
        self.rows = FrozenRows(
            retriever.dense.ranks[found.rows].astype(np.int64),
            found.features,
            found.covers,
            self._asked.lexical.weights,
            found.pages,
            self._documents(found.rows),
            len(found.rows),
            np.full((len(found.rows), 2), -1),
        )
        none = np.zeros(0)
        number = np.zeros(0, np.int64)
        self.links = Links(number, number, none, none, none, none, none)

    def answer(self, weights: Weights, k: int) -> Array:
        """The rows of the corpus that are chosen, best first."""
        while True:
            found = rank(self.rows, self.links, weights, k)
            if not len(found) or found[0] >= 0:
                chosen: Array = self.ids[found]
                return chosen
            self._expand(-2 - int(found[0]))

    def shares(self, weights: Weights, k: int) -> Array:
        """`[k]`: the share of what is wanted among the first 1 to k passages."""
        rows, found = self.answer(weights, k), np.zeros(k)
        for wanted in self._gold:
            places = np.flatnonzero(np.isin(rows, wanted))
            if len(places):
                found[places[0] :] += 1.0
        return found / len(self._gold)

    def _expand(self, row: int) -> None:
        retriever, asked = self._retriever, self._asked
        view, corpus, front = retriever.view, retriever.corpus, self.ids[[row]]
        bridges: Bridges = find_bridges(corpus, view, front, asked, WIDE)
        edges = expand_links(view, bridges, front)
        near = similar_edges(corpus, front, self.ids[: self.rows.first], _UNIT)
        self._grow(np.setdiff1d(edges.row, self.ids))
        entity = bridges.entity[edges.bridge]
        is_date = (view.gazetteer.kind[entity] & DATE) > 0
        no = np.zeros(len(near.row))
        covers = self.rows.covers[[row]]
        more = Links(
            self._positions(np.concatenate([edges.row, near.row])),
            np.concatenate([edges.kind, np.full(len(near.row), SIMILAR)]),
            np.concatenate([view.idf(entity), near.link]),
            np.concatenate([np.where(is_date, 0, view.df[entity]).astype(np.float64), no]),
            np.concatenate([bridges.similarity[edges.bridge], no]),
            np.concatenate([self._shares(edges), no + 1.0]),
            np.concatenate([retriever.rest(covers, bridges, edges, asked), no]),
        )
        begin = len(self.links.target)
        self.rows.bounds[row] = begin, begin + len(more.target)
        self.links = Links(*(np.concatenate(p) for p in zip(self.links, more, strict=True)))

    def _shares(self, edges: Edges) -> Array:
        """Of the passage that each edge leads to in its title; 1 where it is not tied by it."""
        features = self.rows.features[self._positions(edges.row)]
        near, pages = closeness_of(features[:, 0], features[:, 2]), edges.kind == PAGE
        found = np.ones(len(edges.row))
        found[pages] = shares(edges.bridge[pages], near[pages])
        return found

    def _grow(self, new: Array) -> None:
        if not len(new):
            return
        found = self._retriever.candidates(new, self._asked)
        rows, self.ids = self.rows, np.concatenate([self.ids, found.rows])
        self.rows = rows._replace(
            ranks=np.concatenate([rows.ranks, self._retriever.dense.ranks[found.rows]]),
            features=np.concatenate([rows.features, found.features]),
            covers=np.concatenate([rows.covers, found.covers]),
            pages=np.concatenate([rows.pages, found.pages]),
            documents=np.concatenate([rows.documents, np.full(len(new), -1)]),
            bounds=np.concatenate([rows.bounds, np.full((len(new), 2), -1)]),
        )

    def _documents(self, ids: Array) -> Array:
        """A number of the document of which each passage is a chunk; -1 if it is none."""
        names = [self._retriever.corpus.document(row) for row in ids.tolist()]
        numbers = {name: number for number, name in enumerate(sorted({*names} - {""}))}
        return np.array([numbers.get(name, -1) for name in names], np.int64)

    def _positions(self, ids: Array) -> Array:
        order = np.argsort(self.ids)
        return order[np.searchsorted(self.ids, ids, sorter=order)]


class FrozenSet:
    """Questions about one version of an index.

    Args:
        snapshot: the version.
        asked: the questions, read and encoded.
        gold: of each question the ids of passages or documents that are wanted.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        asked: Sequence[EncodedReading],
        gold: Sequence[Collection[str]],
    ) -> None:
        self.snapshot, self.asked = snapshot, asked
        self._view = snapshot.scope(Selection()).view
        retriever = self._retriever(WIDE)
        self.questions = [
            FrozenQuestion(retriever, question, self._wanted(names))
            for question, names in zip(asked, gold, strict=True)
        ]

    def shares(self, weights: Weights, k: int) -> Array:
        """`[n, k]`: of each question the share of its gold among the first 1 to k passages."""
        return np.stack([question.shares(weights, k) for question in self.questions])

    def recall(self, weights: Weights) -> Array:
        """Mean recall@2 and recall@5, in percent."""
        means: Array = 100.0 * self.shares(weights, 5)[:, [1, 4]].mean(axis=0)
        return means

    def check(self, config: BestConfig, count: int = 20, k: int = 5) -> None:
        """Compare with the retriever itself; raises where a ranking differs."""
        retriever = self._retriever(config)
        for question, asked in list(zip(self.questions, self.asked, strict=True))[:count]:
            outcome = retriever.answer(asked.reading, asked.vector, k, words=asked.words)
            wanted = outcome.candidates.rows[outcome.chosen].tolist()
            found = question.answer(weights_from(config), k).tolist()
            if found != wanted:
                raise AssertionError(f"{asked.text}: rows {found}, the retriever has {wanted}")

    def _retriever(self, config: BestConfig) -> BestRetriever:
        return BestRetriever(self.snapshot.corpus, self._view, self.snapshot.dense, config)

    def _wanted(self, names: Collection[str]) -> list[Rows]:
        """The rows that show each gold id: its passage, its chunks, and copies of their texts."""
        snapshot, wanted = self.snapshot, []
        for name in sorted(names):
            rows = snapshot.rows_named(name)
            copies = [copy for row in rows for copy in snapshot.copies(row, self._view.visible)]
            wanted.append(np.array([*rows, *copies], np.int64))
        return wanted


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
