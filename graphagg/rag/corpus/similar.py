"""Nearest neighbors of a passage or an entity, by text vectors; no model is loaded.

The vector of a passage is the mean of its window vectors. The vector of an entity is the weighted
mean of the vectors of passages that name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, top_k
from graphagg.checks import integer
from graphagg.errors import UnknownEntity, UnknownPassage
from graphagg.fields import Brief
from graphagg.kernels import kernel
from graphagg.rag.config.corpus import GraphConfig
from graphagg.rag.corpus.graph import entities_in_graph, passage_ties, positions_of
from graphagg.rag.corpus.network import whole_vectors
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.question.request import Selection
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.view import View

_DIGITS = 6


@dataclass(frozen=True)
class SimilarItem:
    """A similar passage or entity.

    Attributes:
        id: id of the passage, or key of the entity.
        name: title of the passage, or spelling of the entity in a passage.
        score: cosine of the two vectors.
    """

    id: str
    name: str
    score: float


@dataclass(frozen=True, repr=False)
class SimilarItems(Brief):
    """Passages or entities similar to a given one, the most similar first.

    Attributes:
        of: id of the given passage, or key of the given entity.
        items: similar passages or entities, with their cosines.

    Examples:
        >>> similar = SimilarItems("p1", (SimilarItem("p2", "Ada", 0.9),))
        >>> similar.to_json()["items"]
        [{'id': 'p2', 'name': 'Ada', 'score': 0.9}]
    """

    of: str
    items: tuple[SimilarItem, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        return {"of": self.of, "items": [asdict(each) for each in self.items]}


@dataclass(frozen=True)
class _Space:
    """Unit vectors of the passages of a view, in the order of its rows, and of its entities."""

    view: View
    entities: Ints
    passages: Doubles
    of_entities: Doubles


def similar_passages(
    snapshot: PassageSnapshot, selection: Selection, identifier: str, k: int
) -> SimilarItems:
    """Find the `k` visible passages most similar to one of them.

    Raises `UnknownPassage` if it does not exist or is hidden, `InvalidParameter` for `k`.
    """
    integer("k", k, 1)
    space = _space(snapshot, selection)
    row = snapshot.known_row(identifier)
    rows = space.view.rows
    position = int(np.searchsorted(rows, row))
    if position >= len(rows) or int(rows[position]) != row:
        raise UnknownPassage(f"passage {identifier!r} is left out by the filter; widen the filter")
    scores = _cosines(space.passages, position)
    best = _best(scores, snapshot.ranks[rows], position, k)
    passages = ((snapshot.corpus[int(rows[i])], scores[i]) for i in best)
    return SimilarItems(
        identifier, tuple(SimilarItem(p.id, p.title, float(s)) for p, s in passages)
    )


def similar_entities(
    snapshot: PassageSnapshot, selection: Selection, name: str, k: int
) -> SimilarItems:
    """Find the `k` entities most similar to one; the case of its name is ignored.

    Raises `UnknownEntity` if no visible passage names it, `InvalidParameter` for `k`.
    """
    integer("k", k, 1)
    space = _space(snapshot, selection)
    entities, view = space.entities, space.view
    key = view.gazetteer.find(entity_key(name))
    position = -1 if key is None else int(np.searchsorted(entities, key))
    if key is None or position >= len(entities) or int(entities[position]) != key:
        raise UnknownEntity(f"no visible passage names {name!r}; use a spelling from a passage")
    scores = _cosines(space.of_entities, position)
    speller = Speller(snapshot.corpus, view.gazetteer)
    items = []
    for i in _best(scores, np.arange(len(scores)), position, k):
        entity = int(entities[i])
        rows, _ = view.tied(entity)
        row = int(rows[np.argmin(snapshot.ranks[rows])])
        spelling = speller.spelling(entity, row)
        items.append(SimilarItem(view.gazetteer.keys[entity], spelling, float(scores[i])))
    return SimilarItems(view.gazetteer.keys[key], tuple(items))


def _space(snapshot: PassageSnapshot, selection: Selection) -> _Space:
    """Return the vectors of a selection; recently used vectors are cached."""
    view = snapshot.view_of(selection)

    def make() -> _Space:
        snapshot.artifact.check_values()
        entities = np.flatnonzero(entities_in_graph(view, GraphConfig()))
        (entity, row, weight), _ = passage_ties(view, entities)
        vectors = whole_vectors(snapshot.corpus, view.rows).astype(np.float64)
        of_entities = np.zeros((len(entities), vectors.shape[1]))
        positions = positions_of(view.rows, len(view.visible))[row]
        _add_up(entity, positions, weight, vectors, of_entities)
        return _Space(view, entities, _unit(vectors), _unit(of_entities))

    # The cached value holds its view, so that no other view can get the same id.
    return snapshot.cached("likeness", str(id(view)), make)


def _cosines(vectors: Doubles, position: int) -> Doubles:
    """Compute cosines with one vector; rounding makes their order independent of the last bit."""
    products = np.einsum("nd,d->n", vectors, vectors[position])
    rounded: Doubles = np.round(products, _DIGITS)
    return rounded


def _best(scores: Doubles, ranks: Array, position: int, k: int) -> Sequence[int]:
    """Return positions of the best other items with scores above 0; ties: the lower rank."""
    best = top_k(scores, k + 1, ranks).tolist()
    return [i for i in best if scores[i] > 0 and i != position][:k]


@kernel(small=True)
def _add_up(rows: Array, columns: Array, weights: Array, vectors: Array, sums: Array) -> None:
    """Add `weights[i]` times vector `columns[i]` to sum `rows[i]`, in the order of i."""
    for i in range(len(rows)):
        sums[rows[i]] += weights[i] * vectors[columns[i]]


def _unit(vectors: Doubles) -> Doubles:
    """Scale rows to length 1; a row of zeros is not changed."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    unit: Doubles = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    return unit
