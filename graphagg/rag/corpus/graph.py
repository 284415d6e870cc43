"""`CorpusGraph`: passages and entities as a graph, and its edges as tables.

Two entities are tied if a sentence names both. The view decides which names count: the leftmost and
longest ones, and in the title (part of the first sentence) the entity whose name is the title. If
s(a) of S sentences name a, and s(a, b) sentences name both:

    pmi(a, b)     = ln(S s(a, b) / (s(a) s(b)))
    npmi(a, b)    = pmi(a, b) / ln(S / s(a, b)), at most 1 (Bouma 2009)

If an entity e occurs N times in a passage p, and is tied to df of P passages, the edge of p and e
has the weight (1 + ln N) ln(1 + P / df).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from graphagg.arrays import Doubles, Ints, Mask, members, ranges
from graphagg.checks import one_of
from graphagg.fields import Brief
from graphagg.rag.config.corpus import GraphConfig
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import DATE, LINKABLE
from graphagg.rag.tables.mentions import BASE_TITLE, FULL_TITLE
from graphagg.rag.tables.view import LONGEST_NAME, View
from graphagg.tables import save, table_writers

if TYPE_CHECKING:
    import pyarrow

EdgeKind = Literal["entities", "passages"]


class WeightedEdges(NamedTuple):
    """Edges `[n]`: source and target int64, weight float64, above 0."""

    source: Ints
    target: Ints
    weight: Doubles

    def of(self, some: Mask) -> WeightedEdges:
        """Return the edges that a mask selects."""
        return WeightedEdges(self.source[some], self.target[some], self.weight[some])


@dataclass(frozen=True, repr=False)
class CorpusGraph(Brief):
    """The visible passages of an index, the entities that they name, and their edges.

    Attributes:
        passages: `[P]` ids, in the order of the index.
        entities: `[E]` keys, ascending by their UTF-8 bytes.
        contains: edges from entities to passages; the module docstring defines the weights.
        counts: `[n]` int64, number N of occurrences of each entity in the passage.
        shares: edges of two entities that share sentences, source before target.

    Examples:
        >>> contains = WeightedEdges(np.array([0, 1]), np.array([0, 0]), np.array([1.0, 0.5]))
        >>> shares = WeightedEdges(np.array([0]), np.array([1]), np.array([0.4]))
        >>> graph = CorpusGraph(["p1"], ["ada", "york"], contains, np.array([1, 1]), shares)
        >>> graph.to_json()
        {'passages': 1, 'entities': 2, 'contains': 2, 'shares': 1}
        >>> graph.entity_edges().to_pylist()
        [{'source': 'ada', 'target': 'york', 'weight': 0.4}]
        >>> graph.passage_edges().num_rows
        2
        >>> from tempfile import mkdtemp
        >>> graph.save(mkdtemp() + "/edges.csv", "passages")
    """

    passages: Sequence[str]
    entities: Sequence[str]
    contains: WeightedEdges
    counts: Ints
    shares: WeightedEdges

    def entity_edges(self) -> pyarrow.Table:
        """Return the edges of entities: `source`, `target` and `weight`.

        Use the table for `CommunityIndex.build(graph.entity_edges(), DIR)`, `NodeEmbedding.build`
        and, saved as Parquet, for Spark jobs.
        """
        keys = np.array(self.entities, dtype=object)
        source, target, weight = self.shares
        return _table(source=keys[source], target=keys[target], weight=weight)

    def passage_edges(self) -> pyarrow.Table:
        """Return the edges of passages and entities: `element`, `set`, `weight` and `count`.

        Use the table for `CommunityIndex.build` with `CommunityConfig(kind="two-mode")`: entities
        named by the same passages are similar.
        """
        keys, ids = (np.array(names, dtype=object) for names in (self.entities, self.passages))
        entity, passage, weight = self.contains
        return _table(element=ids[passage], set=keys[entity], weight=weight, count=self.counts)

    def save(self, path: str | os.PathLike[str], edges: EdgeKind = "entities") -> None:
        """Write edges as `.parquet` or `.csv`.

        Args:
            path: the file; its suffix selects the format.
            edges: `entities` (`entity_edges`) or `passages` (`passage_edges`).

        Raises:
            InvalidParameter: the suffix or `edges` is unknown.
            WriteFailed: the file cannot be written.
        """
        of_entities = one_of("edges", edges, get_args(EdgeKind)) == "entities"
        save(path, table_writers(self.entity_edges if of_entities else self.passage_edges))

    def to_json(self) -> dict[str, int]:
        """Return the sizes, with the keys of the command line's `--json`."""
        return {
            "passages": len(self.passages),
            "entities": len(self.entities),
            "contains": len(self.contains.weight),
            "shares": len(self.shares.weight),
        }


def _table(**columns: Any) -> pyarrow.Table:
    import pyarrow as pa

    types = {"weight": pa.float64(), "count": pa.int64()}
    return pa.table({n: pa.array(v, types.get(n, pa.string())) for n, v in columns.items()})


def corpus_graph(snapshot: PassageSnapshot, view: View, config: GraphConfig) -> CorpusGraph:
    """Build the graph of the visible passages; linear in their mentions, except for sorting."""
    snapshot.artifact.check_values()
    rows = view.rows
    entities = np.flatnonzero(entities_in_graph(view, config))
    contains, counts = passage_ties(view, entities)
    sentences = np.diff(snapshot.corpus.sentence_bounds)
    return CorpusGraph(
        [snapshot.corpus.id(row) for row in rows.tolist()],
        list(view.gazetteer.keys.take(entities)),
        contains._replace(target=positions_of(rows, len(view.visible))[contains.target]),
        counts,
        entity_ties(view, entities, sentences, config),
    )


def positions_of(values: Ints, size: int) -> Ints:
    """Return `[size]` positions of the numbers in distinct `values`; -1 for missing numbers."""
    position = np.full(size, -1, np.int64)
    position[values] = np.arange(len(values))
    return position


def entities_in_graph(view: View, config: GraphConfig) -> Mask:
    """Return a mask `[E]` of the entities in the graph: each is tied to a visible passage."""
    kind = view.gazetteer.kind
    usable: Mask = (np.asarray(view.df) > 0) & view.entity & ((kind & LINKABLE) > 0)
    return usable if config.dates else usable & ((kind & DATE) == 0)


def passage_ties(view: View, entities: Ints) -> tuple[WeightedEdges, Ints]:
    """Return edges of entities (position in `entities`) and rows (target), and N of each edge.

    The rows of an entity ascend.
    """
    g = view.gazetteer
    df, (pairs, _) = np.asarray(view.df)[entities], members(g.pair_bounds, entities)
    pairs = pairs[view.tie[pairs] > 0]
    source, count = np.repeat(np.arange(len(entities)), df), g.count[pairs].astype(np.int64)
    rarity = np.log1p(view.passages / np.maximum(df, 1))
    weight = (1.0 + np.log(count)) * rarity[source]
    rows = g.row[pairs].astype(np.int64)
    inside = view.visible[rows]  # all of them, unless the index is damaged
    return WeightedEdges(source[inside], rows[inside], weight[inside]), count[inside]


def entity_ties(view: View, entities: Ints, sentences: Ints, config: GraphConfig) -> WeightedEdges:
    """Return edges of entities (positions in `entities`, source < target) that share sentences.

    `entities` is sorted; `sentences` `[R]` is the number of sentences of each passage.
    """
    of_sentence, entity = _named(view, entities, sentences)
    total = int(sentences[view.visible].sum())
    sizes = np.bincount(of_sentence, minlength=int(of_sentence.max(initial=-1)) + 1)
    total -= int(np.count_nonzero(sizes > config.max_names))
    short = sizes[of_sentence] <= config.max_names
    of_sentence, entity = of_sentence[short], entity[short]
    pairs = _pairs_of(of_sentence, entity, len(entities))
    codes, shared = np.unique(pairs, return_counts=True)
    source, target = np.divmod(codes, max(len(entities), 1))
    alone = np.bincount(entity, minlength=len(entities))
    weight = _npmi(shared, alone[source], alone[target], total)
    is_tied = (weight > 0) & (weight >= config.floor)
    edges = WeightedEdges(source[is_tied], target[is_tied], weight[is_tied])
    return edges.of(_strongest(edges, config.neighbors))


def _named(view: View, entities: Ints, sentences: Ints) -> tuple[Ints, Ints]:
    """Return the distinct pairs of a visible sentence and an entity in it, sorted by sentence.

    Sentences are numbered over all rows, entities by their position in `entities`.
    """
    g = view.gazetteer
    position = positions_of(entities, len(g.keys))
    counts = (view.counts_as() == LONGEST_NAME) | ((g.flags & (FULL_TITLE | BASE_TITLE)) > 0)
    which = np.flatnonzero(counts & (position[g.entity] >= 0))
    rows = np.repeat(np.arange(len(view.visible)), np.diff(g.bounds))[which]
    is_visible = view.visible[rows]
    which, rows = which[is_visible], rows[is_visible]
    starts = np.cumsum(sentences) - sentences
    sentence = starts[rows] + g.sentence[which]
    codes = np.unique(sentence * len(entities) + position[g.entity[which]])
    return np.divmod(codes, max(len(entities), 1))


def _pairs_of(of_sentence: Ints, entity: Ints, entities: int) -> Ints:
    """Return `a * entities + b` for all pairs of entities a < b of each sentence."""
    places = np.arange(len(of_sentence))
    following = np.searchsorted(of_sentence, of_sentence, side="right") - places - 1
    first = np.repeat(places, following)
    pairs: Ints = entity[first] * entities + entity[ranges(places + 1, following)]
    return pairs


def _npmi(shared: Ints, first: Ints, second: Ints, total: int) -> Doubles:
    rest = np.log(total / shared)
    mutual = np.log(total * shared / (first * second))
    return np.where(rest > 0, mutual / np.where(rest > 0, rest, 1.0), 1.0)


def _strongest(edges: WeightedEdges, most: int) -> Mask:
    """Return a mask of the `most` heaviest edges of either end; ties: the lower other end."""
    n = len(edges.weight)
    owner = np.concatenate([edges.source, edges.target])
    other = np.concatenate([edges.target, edges.source])
    order = np.lexsort((other, -np.tile(edges.weight, 2), owner))
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1) > 0)
    lengths = np.diff(np.append(starts, 2 * n))
    rank: Any = np.arange(2 * n) - np.repeat(starts, lengths)
    mask = np.zeros(n, bool)
    mask[order[rank < most] % max(n, 1)] = True
    return mask
