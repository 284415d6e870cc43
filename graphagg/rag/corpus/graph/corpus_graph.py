"""`CorpusGraph`: passages and entities as a graph, in the forms that other tools take."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from graphagg.arrays import Ints
from graphagg.checks import one_of
from graphagg.errors import MissingExtra
from graphagg.rag.config.graph import GraphConfig
from graphagg.rag.corpus.graph.ties import Edges, entities_in_graph, entity_ties, passage_ties
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View
from graphagg.tables import graph_writers, save, table_writers

if TYPE_CHECKING:
    import networkx
    import pyarrow

EdgeKind = Literal["all", "entities", "passages"]
CONTAINS, SHARES = "contains", "shares"


@dataclass(frozen=True)
class CorpusGraph:
    """The visible passages of an index, the entities that they name, and how they are tied.

    Attributes:
        passages: `[P]` ids, in the order of the index.
        entities: `[E]` keys, ascending by their UTF-8 bytes.
        contains: of an entity (source) and a passage (target): see `graph.ties` for the weights.
        counts: `[n]` int64, occurrences N of each entity in the passage.
        shares: of two entities that share sentences, source before target.

    Examples:
        >>> contains = Edges(np.array([0, 1]), np.array([0, 0]), np.array([1.0, 0.5]))
        >>> shares = Edges(np.array([0]), np.array([1]), np.array([0.4]))
        >>> graph = CorpusGraph(["p1"], ["ada", "york"], contains, np.array([1, 1]), shares)
        >>> graph.to_json()
        {'passages': 1, 'entities': 2, 'contains': 2, 'shares': 1}
        >>> graph.entity_edges().to_pylist()
        [{'source': 'ada', 'target': 'york', 'weight': 0.4}]
    """

    passages: Sequence[str]
    entities: Sequence[str]
    contains: Edges
    counts: Ints
    shares: Edges

    def entity_edges(self) -> pyarrow.Table:
        """Edges of entities: `source`, `target` and `weight`.

        For `CommunityIndex.build(graph.entity_edges(), DIR)`, `NodeEmbedding.build` and, as
        Parquet, the jobs on Spark.
        """
        keys = np.array(self.entities, dtype=object)
        source, target, weight = self.shares
        return _table(source=keys[source], target=keys[target], weight=weight)

    def passage_edges(self) -> pyarrow.Table:
        """Edges of passages and entities: `element`, `set`, `weight` and `count`.

        For `CommunityIndex.build(graph.passage_edges(), DIR, config=IndexConfig(kind="two-mode"))`:
        entities that the same passages name are alike.
        """
        keys, ids = (np.array(names, dtype=object) for names in (self.entities, self.passages))
        entity, passage, weight = self.contains
        return _table(element=ids[passage], set=keys[entity], weight=weight, count=self.counts)

    def to_arrow(self) -> pyarrow.Table:
        """All edges: `source`, `target`, `weight`, `relation` and `count`.

        Ends are named `passage:ID` and `entity:KEY`, so that no name stands for two; `count` is 0
        where `relation` is `shares`.
        """
        ids, keys = self._nodes()
        first, second = self.contains, self.shares
        return _table(
            source=np.concatenate([keys[first.source], keys[second.source]]),
            target=np.concatenate([ids[first.target], keys[second.target]]),
            weight=np.concatenate([first.weight, second.weight]),
            relation=[CONTAINS] * len(first.weight) + [SHARES] * len(second.weight),
            count=np.concatenate([self.counts, np.zeros(len(second.weight), np.int64)]),
        )

    def _nodes(self) -> tuple[Any, Any]:
        return (
            np.array([f"passage:{identifier}" for identifier in self.passages], dtype=object),
            np.array([f"entity:{key}" for key in self.entities], dtype=object),
        )

    def to_networkx(self) -> networkx.Graph:
        """The graph; nodes as in `to_arrow`, with `kind` and `name`; edges with their columns.

        Raises:
            MissingExtra: networkx is not installed.
        """
        try:
            import networkx
        except ImportError:
            raise MissingExtra("networkx", "communities") from None
        graph = networkx.Graph()
        for kind, nodes, names in zip(
            ("passage", "entity"), self._nodes(), (self.passages, self.entities), strict=True
        ):
            for node, name in zip(nodes.tolist(), names, strict=True):
                graph.add_node(node, kind=kind, name=name)
        columns = self.to_arrow().to_pydict()
        for source, target, *values in zip(*columns.values(), strict=True):
            names = [name for name in columns if name not in ("source", "target")]
            graph.add_edge(source, target, **dict(zip(names, values, strict=True)))
        return graph

    def to_pyg(self) -> Any:
        """A `HeteroData` of PyTorch Geometric.

        Node types `passage` and `entity` with `name` (a list) and `num_nodes`; edge types
        `("entity", "contains", "passage")`, from an entity to a passage that contains it, and
        `("entity", "shares", "entity")`, each pair both ways, with `edge_index` `[2, n]` int64 and
        `edge_weight` `[n]` float32.

        Raises:
            MissingExtra: PyTorch Geometric is not installed.
        """
        try:
            import torch
            from torch_geometric.data import HeteroData
        except ImportError as error:
            raise MissingExtra.of(error, "nn") from None
        data = HeteroData()
        for kind, names in (("passage", self.passages), ("entity", self.entities)):
            data[kind].num_nodes, data[kind].name = len(names), list(names)
        a, b, weight = self.shares
        both = Edges(np.r_[a, b], np.r_[b, a], np.r_[weight, weight])
        for relation, target, edges in (
            (CONTAINS, "passage", self.contains), (SHARES, "entity", both),
        ):  # fmt: skip
            stored = data["entity", relation, target]
            stored.edge_index = torch.from_numpy(np.stack([edges.source, edges.target]))
            stored.edge_weight = torch.from_numpy(edges.weight.astype(np.float32))
        return data

    def save(self, path: str | os.PathLike[str], edges: EdgeKind = "all") -> None:
        """Write edges as `.parquet` or `.csv`, or the whole graph as `.graphml` or `.gexf`.

        Args:
            path: the file; its suffix is the format.
            edges: `all` (`to_arrow`), `entities` (`entity_edges`) or `passages` (`passage_edges`).

        Raises:
            InvalidParameter: another suffix, or `edges` is unknown.
            WriteFailed: the file system refuses.
        """
        tables: Mapping[str, Callable[[], pyarrow.Table]] = {
            "all": self.to_arrow,
            "entities": self.entity_edges,
            "passages": self.passage_edges,
        }
        writers = table_writers(tables[one_of("edges", edges, get_args(EdgeKind))])
        save(path, writers | (graph_writers(self.to_networkx) if edges == "all" else {}))

    def to_json(self) -> dict[str, int]:
        """Sizes, under the keys of the command line's `--json`."""
        return {
            "passages": len(self.passages),
            "entities": len(self.entities),
            CONTAINS: len(self.contains.weight),
            SHARES: len(self.shares.weight),
        }


def _table(**columns: Any) -> pyarrow.Table:
    import pyarrow as pa

    types = {"weight": pa.float64(), "count": pa.int64()}
    return pa.table({n: pa.array(v, types.get(n, pa.string())) for n, v in columns.items()})


def corpus_graph(snapshot: Snapshot, view: View, config: GraphConfig) -> CorpusGraph:
    """Build the graph of the visible passages; linear in their mentions, but for sorting.

    Args:
        snapshot: the version.
        view: the visible passages.
        config: the ties of entities.
    """
    rows = view.rows
    position = np.full(len(view.visible), -1, np.int64)
    position[rows] = np.arange(len(rows))
    entities = np.flatnonzero(entities_in_graph(view, config))
    contains, counts = passage_ties(view, entities)
    sentences = np.diff(snapshot.corpus.sentence_bounds)
    return CorpusGraph(
        [snapshot.corpus.id(row) for row in rows.tolist()],
        list(view.gazetteer.keys.take(entities)),
        contains._replace(target=position[contains.target]),
        counts,
        entity_ties(view, entities, sentences, config),
    )
