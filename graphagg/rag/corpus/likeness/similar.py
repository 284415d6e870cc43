"""What is like a passage or an entity, and by which vectors that was decided.

By `text`, a passage has the mean of its windows' vectors, and an entity the mean of the passages
that name it, each by the weight of its tie. By `graph`, both have the vectors of
`likeness.projection` over the network of `themes.network` without its text edges: what is tied to
the same names is alike, whatever words are used. No model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.checks import integer, one_of
from graphagg.errors import UnknownEntity, UnknownPassage
from graphagg.rag.config.graph import GraphConfig
from graphagg.rag.corpus.graph.ties import Edges
from graphagg.rag.corpus.likeness.projection import projected
from graphagg.rag.corpus.themes.network import Network, network
from graphagg.rag.corpus.themes.partition import name_hashes, symmetric
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.question.selection import Selection
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.view import View

By = Literal["text", "graph"]
_DIGITS = 6


class Like(NamedTuple):
    """A passage or entity that is alike.

    Attributes:
        id: of the passage, or the key of the entity.
        name: the passage's title, or the entity as a passage writes it.
        score: the cosine of the two vectors.
    """

    id: str
    name: str
    score: float


@dataclass(frozen=True)
class Likes:
    """What is like one passage or entity, the most alike first.

    Attributes:
        of: the id of the passage, or the key of the entity.
        by: the vectors: `text` or `graph`.
        likes: without the one that was asked for.
    """

    of: str
    by: By
    likes: tuple[Like, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {"of": self.of, "by": self.by, "likes": [like._asdict() for like in self.likes]}


@dataclass(frozen=True)
class _Space:
    """A view's network and the vectors of its vertices by one kind; rows of length 1."""

    view: View
    net: Network
    vectors: Doubles


def similar_passages(
    snapshot: Snapshot, selection: Selection, identifier: str, k: int, by: By
) -> Likes:
    """The `k` visible passages most like one of them.

    Raises:
        UnknownPassage: there is no such passage, or it is not visible.
        InvalidParameter: `k` is under 1, or `by` is unknown.
    """
    space = _space(snapshot, selection, integer("k", k, 1), by)
    row = snapshot.known_row(identifier)
    place = int(np.searchsorted(space.net.rows, row))
    if place >= len(space.net.rows) or int(space.net.rows[place]) != row:
        raise UnknownPassage(f"passage {identifier!r} is left out by the filter; make it wider")
    scores = _cosines(space.vectors[: len(space.net.rows)], place)
    corpus, ranks = snapshot.corpus, snapshot.ranks[space.net.rows]
    chosen = ((corpus[int(space.net.rows[i])], scores[i]) for i in _best(scores, ranks, place, k))
    return Likes(identifier, by, tuple(Like(p.id, p.title, float(s)) for p, s in chosen))


def similar_entities(snapshot: Snapshot, selection: Selection, name: str, k: int, by: By) -> Likes:
    """The `k` entities most like one, which is found by its name in any case.

    Raises:
        UnknownEntity: no visible passage names it.
        InvalidParameter: `k` is under 1, or `by` is unknown.
    """
    space = _space(snapshot, selection, integer("k", k, 1), by)
    net, view = space.net, space.view
    number = view.gazetteer.find(entity_key(name))
    place = -1 if number is None else int(np.searchsorted(net.entities, number))
    if number is None or place >= len(net.entities) or int(net.entities[place]) != number:
        raise UnknownEntity(
            f"no visible passage names {name!r}; wanted a name as passages have it"
            f"{_suggested(view, net.entities, name)}"
        )
    scores = _cosines(space.vectors[len(net.rows) :], place)
    chosen = _best(scores, np.arange(len(scores)), place, k)
    speller = Speller(snapshot.corpus, view.gazetteer)
    found = []
    for i in chosen:
        entity = int(net.entities[i])
        rows, _ = view.tied(entity)
        row = int(rows[np.argmin(snapshot.ranks[rows])])
        key = view.gazetteer.keys[entity]
        found.append(Like(key, speller.spelling(entity, row), float(scores[i])))
    return Likes(view.gazetteer.keys[number], by, tuple(found))


def _suggested(view: View, entities: Ints, name: str) -> str:
    """Some entities that begin with the same word."""
    words = entity_key(name).split(" ")
    begin = view.gazetteer.keys.place_sorted(words[0].encode()) if words[0] else 0
    first = entities[np.searchsorted(entities, begin) :][:3].tolist()
    near = [key for key in (view.gazetteer.keys[i] for i in first) if key.startswith(words[0])]
    return f", such as {', '.join(map(repr, near))}" if words[0] and near else ""


def _space(snapshot: Snapshot, selection: Selection, k: int, by: By) -> _Space:
    """The vectors of what a selection shows; the last ones that were used are kept."""
    view = snapshot.scope(selection).view
    one_of("by", by, get_args(By))

    def make() -> _Space:
        net = network(snapshot.corpus, view, GraphConfig(), 0, 0.0)
        return _Space(view, net, _by_text(net) if by == "text" else _by_graph(snapshot, view, net))

    # What is kept holds its view, so that no other view can have the same id meanwhile.
    return snapshot.kept("likeness", f"{id(view)} {by}", make)


def _by_text(net: Network) -> Doubles:
    """Whole numbers until the last step: sums of passages are exact in any order."""
    of_entities = np.zeros((len(net.entities), net.vectors.shape[1]))
    weights = np.rint(net.contains.weight * 1024)
    for start in range(0, len(weights), 4096):
        some = slice(start, start + 4096)
        part = net.vectors[net.contains.target[some]] * weights[some, None]
        np.add.at(of_entities, net.contains.source[some], part)
    vectors = np.concatenate([net.vectors.astype(np.float64), of_entities])
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    unit: Doubles = vectors / np.maximum(lengths, 1e-12)[:, None]
    return unit


def _by_graph(snapshot: Snapshot, view: View, net: Network) -> Doubles:
    keys = view.gazetteer.keys.take(net.entities)
    ids = (snapshot.corpus.id(row) for row in net.rows.tolist())
    names = name_hashes([*(f"p{i}" for i in ids), *(f"e{key}" for key in keys)])
    first = len(net.rows)
    named = Edges(net.contains.target, net.contains.source + first, net.contains.weight)
    ties = Edges(net.ties.source + first, net.ties.target + first, net.ties.weight)
    source, target, weight = (np.concatenate(pair) for pair in zip(named, ties, strict=True))
    adjacency, weights = symmetric(len(names), Edges(source, target, weight))
    return projected(adjacency, weights, names)


def _cosines(vectors: Doubles, place: int) -> Doubles:
    """Rounded, so that no last bit decides an order."""
    products = np.einsum("nd,d->n", vectors, vectors[place])
    rounded: Doubles = np.round(products, _DIGITS)
    return rounded


def _best(scores: Doubles, ranks: Array, place: int, k: int) -> Sequence[int]:
    """The places of the best others that score above 0; of equal ones the first ranks."""
    order = np.lexsort((ranks, -scores))
    above = order[(scores[order] > 0) & (order != place)]
    best: list[int] = above[:k].tolist()
    return best
