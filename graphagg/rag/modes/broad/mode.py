"""The modes for questions about a corpus as a whole: `broad`, and `auto`, which chooses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.results import Theme
from graphagg.rag.corpus.themes.storage import kept_map
from graphagg.rag.modes.broad.choice import Candidates, Chosen, choose, fusion
from graphagg.rag.modes.broad.decision import decide
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import bm25_hits
from graphagg.rag.modes.protocol import NOTHING_ADDED, EncodedReading, Ranked, ReadingRetriever
from graphagg.rag.question.rescoring import Rescoring
from graphagg.rag.question.results import Explanation, Hit, Hop
from graphagg.rag.snapshot.dense import dense_hits
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.vectors import Rows


class Rankings(NamedTuple):
    """The rankings of a question by three modes, best first.

    Attributes:
        multihop: `[b]`, rows by `multihop`.
        scores: `[b]` their scores.
        dense, bm25: rows.
    """

    multihop: Ints
    scores: Doubles
    dense: Ints
    bm25: Ints


class Broad(ReadingRetriever[BroadConfig]):
    """Passages that `multihop` finds, chosen to cover several themes: `broad.choice`."""

    mode = "broad"
    config_type = BroadConfig

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [Ranked(self._covering(question, k)) for question in questions]

    def _covering(self, question: EncodedReading, k: int) -> list[Hit]:
        """Choose the `k` hits of a question by the themes of the visible passages."""
        rankings = self.rankings(question, max(self.config.pool, k))
        snapshot, view = self.snapshot, self.scope.view
        themes = kept_map(snapshot, view, MapConfig())
        level = min(self.config.level, len(themes.levels) - 1)
        rows, candidates = candidates_of(snapshot, rankings, self.config)
        of_row = np.asarray(themes.passage_theme[level])[np.searchsorted(view.rows, rows)]
        of_candidate = np.unique(of_row[: len(rankings.multihop)], return_inverse=True)[1]
        chosen = choose(candidates._replace(themes=of_candidate), k, self.config)
        of_level = themes.levels[level]
        return [
            _hit(snapshot, int(rows[each.position]), of_level[int(of_row[each.position])], each)
            for each in chosen
        ]

    def rankings(self, question: EncodedReading, depth: int) -> Rankings:
        """Rank by `multihop`, `dense` and `bm25`, `depth` rows each."""
        snapshot, scope = self.snapshot, self.scope
        config = MultihopConfig()
        ranking = Multihop(snapshot, scope, config).ranking(question, depth)
        chosen = ranking.choose(config, depth)
        positions = [position for position, _ in chosen]
        gains = np.array([gain.score(config) for _, gain in chosen])
        near = dense_hits(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded = bm25_hits(snapshot, scope, question.reading, depth)
        return Rankings(
            ranking.candidates.rows[positions],
            ranking.score[positions] + gains,
            self._rows(near),
            self._rows([hit for hit in worded if hit.score > 0]),
        )

    def _rows(self, hits: Sequence[Hit]) -> Ints:
        return np.array([self.snapshot.known_row(hit.passage.id) for hit in hits], np.int64)


class Auto(ReadingRetriever[object]):
    """`broad` or `multihop`, by a rule over the question alone: `broad.decision`."""

    mode = "auto"

    def answer(
        self,
        questions: Sequence[EncodedReading],
        k: int,
        min_score: float | None = None,
        rescoring: Rescoring = NOTHING_ADDED,
    ) -> list[list[Hit]]:
        """Answer each question by the mode that the rule chooses."""
        return [self._chosen(q).answer([q], k, min_score, rescoring)[0] for q in questions]

    def explain(
        self,
        question: EncodedReading,
        row: int,
        k: int,
        rescoring: Rescoring = NOTHING_ADDED,
    ) -> Explanation:
        """Explain by the chosen mode, and say why it was chosen."""
        explanation = self._chosen(question).explain(question, row, k, rescoring)
        decision = decide(question.reading)
        name = "broad" if decision.is_broad else "multihop"
        return replace(
            explanation, reason=f"{explanation.reason}; mode {name}, since {decision.why}"
        )

    def _chosen(self, question: EncodedReading) -> Multihop | Broad:
        snapshot, scope = self.snapshot, self.scope
        if decide(question.reading).is_broad:
            return Broad(snapshot, scope, BroadConfig())
        return Multihop(snapshot, scope, MultihopConfig())

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [Ranked(hits) for hits in self.answer(questions, k)]

    def _closest(self, question: EncodedReading, rows: Rows) -> list[int]:
        return self._chosen(question)._closest(question, rows)


def candidates_of(
    snapshot: Snapshot, rankings: Rankings, config: BroadConfig
) -> tuple[Ints, Candidates]:
    """Collect the rows of all candidates, `multihop` first, and the candidates without themes."""
    position: dict[int, int] = {}
    ranked = []
    lists = (rankings.multihop, config.weight), (rankings.dense, 1.0), (rankings.bm25, 1.0)
    for rows, weight in lists:
        positions = [position.setdefault(row, len(position)) for row in rows.tolist()]
        ranked.append((np.array(positions, np.int64), weight))
    rows = np.array(list(position), np.int64)
    return rows, Candidates(
        rankings.scores,
        np.zeros(len(rankings.multihop), np.int64),
        documents_of(snapshot, rows),
        fusion(len(rows), ranked, config.rank_constant),
    )


def documents_of(snapshot: Snapshot, rows: Ints) -> Ints:
    """`[n]`, an id below n for the document of each row; a passage that is no chunk has its own."""
    ids: dict[str, int] = {}
    of_row = []
    for position, row in enumerate(rows.tolist()):
        segment, inside = snapshot.corpus.locate(row)
        document = segment.passages.documents[inside]
        of_row.append(ids.setdefault(document, position) if document else position)
    return np.array(of_row, np.int64)


def _hit(snapshot: Snapshot, row: int, theme: Theme, chosen: Chosen) -> Hit:
    """Make a hit whose path names the theme it stands for."""
    components = {"relevance": chosen.relevance, "theme": chosen.theme, "fused": chosen.fused}
    others = chosen.score - chosen.theme
    path = (
        Hop("theme", f"{theme.id} {theme.label}", chosen.worth, chosen.theme),
        Hop("passage", snapshot.corpus.id(row), others, others),
    )
    shown = {name: value for name, value in components.items() if value}
    return Hit(snapshot.corpus[row], chosen.score, shown, path, "broad")
