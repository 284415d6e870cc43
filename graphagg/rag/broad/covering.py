"""From the candidates of a question to hits that cover its themes, each with its reason."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.broad.choice import Chosen, choose, scaled
from graphagg.rag.broad.config import BroadConfig
from graphagg.rag.results import Hit, Hop
from graphagg.rag.tables.view import View
from graphagg.rag.themes.config import MapConfig
from graphagg.rag.themes.made import kept_map
from graphagg.rag.themes.network import whole_vectors
from graphagg.rag.themes.results import Theme
from graphagg.rag.version.snapshot import Snapshot


def covering(
    snapshot: Snapshot, view: View, rows: Ints, scores: Doubles, k: int, config: BroadConfig
) -> list[Hit]:
    """The `k` hits of a question, best first.

    Args:
        snapshot: the version.
        view: what is visible: its themes are covered.
        rows: `[n]` of the candidates, the best first.
        scores: `[n]` of the candidates.
        k: how many.
        config: how they are chosen.
    """
    made = kept_map(snapshot, view, MapConfig())
    level = min(config.level, len(made.levels) - 1)
    of_passage = np.asarray(made.passage_theme[level])[np.searchsorted(view.rows, rows)]
    there, themes = np.unique(of_passage, return_inverse=True)
    vectors = whole_vectors(snapshot.corpus, rows).astype(np.float64)
    vectors /= np.maximum(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)), 1e-12)[:, None]
    relevance = scaled(scores)
    return [
        _hit(
            snapshot,
            int(rows[chosen.place]),
            made.levels[level][int(there[themes[chosen.place]])],
            chosen,
            float(relevance[chosen.place]),
        )
        for chosen in choose(scores, themes, documents_of(snapshot, rows), vectors, k, config)
    ]


def documents_of(snapshot: Snapshot, rows: Ints) -> Ints:
    """`[n]`, a number for the document of each row; a passage that is no chunk has its own."""
    numbers: dict[str, int] = {}
    found = []
    for place, row in enumerate(rows.tolist()):
        segment, inside = snapshot.corpus.locate(row)
        document = segment.passages.documents[inside]
        found.append(numbers.setdefault(document, place) if document else place)
    return np.array(found, np.int64)


def _hit(snapshot: Snapshot, row: int, theme: Theme, chosen: Chosen, relevance: float) -> Hit:
    """A hit whose path says which theme it stands for."""
    parts = {
        "relevance": chosen.relevance,
        "theme": chosen.theme,
        "repeat": chosen.repeat,
        "overlap": chosen.overlap,
    }
    path = (
        Hop("theme", f"{theme.id} {theme.label}", chosen.worth, chosen.theme),
        Hop("passage", snapshot.corpus.id(row), relevance, chosen.score - chosen.theme),
    )
    shown = {name: value for name, value in parts.items() if value}
    return Hit(snapshot.corpus[row], chosen.score, shown, path, "broad")
