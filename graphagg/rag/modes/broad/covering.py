"""From the rankings of a question to hits that cover its themes, each with its reason."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.made import kept_map
from graphagg.rag.corpus.themes.results import Theme
from graphagg.rag.modes.broad.choice import Candidates, Chosen, choose, fusion
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View


class Rankings(NamedTuple):
    """What three modes say to a question, the best first.

    Attributes:
        best: `[b]`, rows by `multihop`.
        scores: `[b]` of these.
        dense, bm25: rows.
    """

    best: Ints
    scores: Doubles
    dense: Ints
    bm25: Ints


def covering(
    snapshot: Snapshot, view: View, rankings: Rankings, k: int, config: BroadConfig
) -> list[Hit]:
    """The `k` hits of a question, best first.

    Args:
        snapshot: the version.
        view: what is visible: its themes are covered.
        rankings: of the question.
        k: how many.
        config: how they are chosen.
    """
    made = kept_map(snapshot, view, MapConfig())
    level = min(config.level, len(made.levels) - 1)
    rows, candidates = candidates_of(snapshot, rankings, config)
    of_row = np.asarray(made.passage_theme[level])[np.searchsorted(view.rows, rows)]
    themes = np.unique(of_row[: len(rankings.best)], return_inverse=True)[1]
    chosen = choose(candidates._replace(themes=themes), k, config)
    return [
        _hit(snapshot, int(rows[each.place]), made.levels[level][int(of_row[each.place])], each)
        for each in chosen
    ]


def candidates_of(
    snapshot: Snapshot, rankings: Rankings, config: BroadConfig
) -> tuple[Ints, Candidates]:
    """Rows of all candidates, first those of `multihop`, and the candidates without themes."""
    places: dict[int, int] = {}
    lists = rankings.best, rankings.dense, rankings.bm25
    found = [[places.setdefault(row, len(places)) for row in rows.tolist()] for rows in lists]
    weights = config.weight, 1.0, 1.0
    ranked = [(np.array(p, np.int64), w) for p, w in zip(found, weights, strict=True)]
    rows = np.array(list(places), np.int64)
    return rows, Candidates(
        rankings.scores,
        np.zeros(len(rankings.best), np.int64),
        documents_of(snapshot, rows),
        fusion(len(rows), ranked, config.rank_constant),
    )


def documents_of(snapshot: Snapshot, rows: Ints) -> Ints:
    """`[n]`, a number for the document of each row; a passage that is no chunk has its own."""
    numbers: dict[str, int] = {}
    found = []
    for place, row in enumerate(rows.tolist()):
        segment, inside = snapshot.corpus.locate(row)
        document = segment.passages.documents[inside]
        found.append(numbers.setdefault(document, place) if document else place)
    return np.array(found, np.int64)


def _hit(snapshot: Snapshot, row: int, theme: Theme, chosen: Chosen) -> Hit:
    """A hit whose path says which theme it stands for."""
    parts = {"relevance": chosen.relevance, "theme": chosen.theme, "fused": chosen.fused}
    others = chosen.score - chosen.theme
    path = (
        Hop("theme", f"{theme.id} {theme.label}", chosen.worth, chosen.theme),
        Hop("passage", snapshot.corpus.id(row), others, others),
    )
    shown = {name: value for name, value in parts.items() if value}
    return Hit(snapshot.corpus[row], chosen.score, shown, path, "broad")
