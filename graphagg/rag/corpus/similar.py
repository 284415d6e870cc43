"""Nearest neighbors of a passage or an entity, by text vectors or by the graph.

By `text`, the vector of a passage is the mean of its windows, and the vector of an entity the
weighted mean of the passages that name it. By `graph`, both have vectors of a random projection of
the network (`graphagg.rag.corpus.network`) without its text edges: vertices with the same neighbors
are similar, whatever their words. No model is loaded.

The projection: Chen, Sultan, Tian, Chen and Skiena, *FastRP*, CIKM 2019, arXiv 1908.11512. With the
transition matrix A of the network and random vectors R, the vectors are the sum over k of alpha_k
A^k R, each A^k R with rows of length 1. Departures: the random vector of a vertex comes from a hash
of its name, so that a filtered view has the vectors of an index of the visible passages; its
entries are -1 and 1; degrees are not raised to a power, since the weights are already rarities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, top_k
from graphagg.checks import integer, one_of
from graphagg.errors import UnknownEntity, UnknownPassage
from graphagg.fields import Brief
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.rag.config.corpus import GraphConfig
from graphagg.rag.corpus.graph import WeightedEdges
from graphagg.rag.corpus.network import (
    CorpusNetwork,
    name_hashes,
    network,
    random_bits,
    symmetric,
)
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.question.request import Selection
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.view import View

By = Literal["text", "graph"]
_DIGITS = 6
DIMENSION = 128
STEPS = (0.0, 1.0, 1.0, 0.5)
"""alpha_1 to alpha_4: vertices with the same neighbors are similar, not neighbors."""


@dataclass(frozen=True)
class SimilarItem:
    """A similar passage or entity.

    Attributes:
        id: of the passage, or the key of the entity.
        name: the passage's title, or the entity as a passage writes it.
        score: the cosine of the two vectors.
    """

    id: str
    name: str
    score: float


@dataclass(frozen=True, repr=False)
class SimilarItems(Brief):
    """Passages or entities similar to one, the most similar first.

    Attributes:
        of: the id of the passage, or the key of the entity.
        by: the vectors: `text` or `graph`.
        items: the others, with their cosines.

    Examples:
        >>> similar = SimilarItems("p1", "text", (SimilarItem("p2", "Ada", 0.9),))
        >>> similar.to_json()["items"]
        [{'id': 'p2', 'name': 'Ada', 'score': 0.9}]
    """

    of: str
    by: By
    items: tuple[SimilarItem, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {"of": self.of, "by": self.by, "items": [asdict(each) for each in self.items]}


@dataclass(frozen=True)
class _Space:
    """The network of a view, and unit vectors of its vertices."""

    view: View
    net: CorpusNetwork
    vectors: Doubles


def similar_passages(
    snapshot: PassageSnapshot, selection: Selection, identifier: str, k: int, by: By
) -> SimilarItems:
    """Find the `k` visible passages most similar to one of them.

    Raises `UnknownPassage` if it does not exist or is hidden, `InvalidParameter` for `k` or
    `by`.
    """
    space = _space(snapshot, selection, integer("k", k, 1), by)
    row = snapshot.known_row(identifier)
    position = int(np.searchsorted(space.net.rows, row))
    if position >= len(space.net.rows) or int(space.net.rows[position]) != row:
        raise UnknownPassage(f"passage {identifier!r} is left out by the filter; make it wider")
    scores = _cosines(space.vectors[: len(space.net.rows)], position)
    corpus, ranks = snapshot.corpus, snapshot.ranks[space.net.rows]
    best = _best(scores, ranks, position, k)
    passages = ((corpus[int(space.net.rows[i])], scores[i]) for i in best)
    return SimilarItems(
        identifier, by, tuple(SimilarItem(p.id, p.title, float(s)) for p, s in passages)
    )


def similar_entities(
    snapshot: PassageSnapshot, selection: Selection, name: str, k: int, by: By
) -> SimilarItems:
    """Find the `k` entities most similar to one; its name is matched in any case.

    Raises `UnknownEntity` if no visible passage names it, `InvalidParameter` for `k` or `by`.
    """
    space = _space(snapshot, selection, integer("k", k, 1), by)
    net, view = space.net, space.view
    key = view.gazetteer.find(entity_key(name))
    position = -1 if key is None else int(np.searchsorted(net.entities, key))
    if key is None or position >= len(net.entities) or int(net.entities[position]) != key:
        raise UnknownEntity(f"no visible passage names {name!r}; wanted a name as passages have it")
    scores = _cosines(space.vectors[len(net.rows) :], position)
    speller = Speller(snapshot.corpus, view.gazetteer)
    items = []
    for i in _best(scores, np.arange(len(scores)), position, k):
        entity = int(net.entities[i])
        rows, _ = view.tied(entity)
        row = int(rows[np.argmin(snapshot.ranks[rows])])
        spelling = speller.spelling(entity, row)
        items.append(SimilarItem(view.gazetteer.keys[entity], spelling, float(scores[i])))
    return SimilarItems(view.gazetteer.keys[key], by, tuple(items))


def _space(snapshot: PassageSnapshot, selection: Selection, k: int, by: By) -> _Space:
    """Return the vectors of a selection; the last used ones are cached."""
    view = snapshot.view_of(selection)
    one_of("by", by, get_args(By))

    def make() -> _Space:
        snapshot.artifact.check_values()
        net = network(snapshot.corpus, view, GraphConfig())
        return _Space(view, net, _by_text(net) if by == "text" else _by_graph(snapshot, view, net))

    # The cached value holds its view, so that no other view can get the same id.
    return snapshot.cached("likeness", f"{id(view)} {by}", make)


def _by_text(net: CorpusNetwork) -> Doubles:
    of_entities = np.zeros((len(net.entities), net.vectors.shape[1]))
    _add_up(*net.contains, net.vectors.astype(np.float64), of_entities)
    return _unit(np.concatenate([net.vectors, of_entities]))


def _by_graph(snapshot: PassageSnapshot, view: View, net: CorpusNetwork) -> Doubles:
    keys = view.gazetteer.keys.take(net.entities)
    names = name_hashes([snapshot.corpus.id(row) for row in net.rows.tolist()], keys)
    first = len(net.rows)
    mentions = WeightedEdges(net.contains.target, net.contains.source + first, net.contains.weight)
    ties = WeightedEdges(net.ties.source + first, net.ties.target + first, net.ties.weight)
    source, target, weight = (np.concatenate(pair) for pair in zip(mentions, ties, strict=True))
    adjacency, weights = symmetric(len(names), WeightedEdges(source, target, weight))
    return projected(adjacency, weights, names)


def _cosines(vectors: Doubles, position: int) -> Doubles:
    """Cosines with one vertex, rounded so that no order depends on the last bit."""
    products = np.einsum("nd,d->n", vectors, vectors[position])
    rounded: Doubles = np.round(products, _DIGITS)
    return rounded


def _best(scores: Doubles, ranks: Array, position: int, k: int) -> Sequence[int]:
    """Positions of the best others that score above 0; ties go to the lower rank."""
    best = top_k(scores, k + 1, ranks).tolist()
    return [i for i in best if scores[i] > 0 and i != position][:k]


def projected(adjacency: Csr, weights: Doubles, names: Ints) -> Doubles:
    """`[n, DIMENSION]`, rows of length 1; 0 for a vertex without edges. `names` are hashes."""
    walk = expand_rows(adjacency), adjacency.indices, weights
    bits = random_bits(names[:, None], np.arange(DIMENSION))
    vectors = np.where(bits >> np.uint64(63), 1.0, -1.0)
    total = np.zeros_like(vectors)
    for alpha in STEPS:
        _add_up(*walk, vectors, sums := np.zeros_like(vectors))
        vectors = _unit(sums)
        total += alpha * vectors
    return _unit(total)


@kernel(small=True)
def _add_up(rows: Array, columns: Array, weights: Array, vectors: Array, sums: Array) -> None:
    """Add `weights[i]` times vector `columns[i]` to sum `rows[i]`, in their order."""
    for i in range(len(rows)):
        sums[rows[i]] += weights[i] * vectors[columns[i]]


def _unit(vectors: Doubles) -> Doubles:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    unit: Doubles = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    return unit
