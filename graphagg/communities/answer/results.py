"""Converts a ranking to a `Community`: the best members, their scores and their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.communities.similarity.jaccard import shared_with_seeds
from graphagg.communities.similarity.neighborhoods import TWO_MODE
from graphagg.communities.snapshot import CommunitySnapshot
from graphagg.errors import InvalidParameter
from graphagg.fields import Brief
from graphagg.graph.ids import VertexId
from graphagg.tables import Exportable, ids_column, ranks_column

if TYPE_CHECKING:
    import networkx
    import pyarrow

    from graphagg.communities.answer.structure import CommunityStructure

REASON_WORK = 50_000
"""Maximum number of element look-ups for the reasons of an answer; the rest is not counted."""
_SHOWN = 5  # members listed in the repr of a community
_EXAMPLES = 3  # shared elements listed in a reason
_HUB = 1_000  # a seed with at least so many neighbors is a hub


@dataclass(frozen=True, repr=False)
class SharedElements(Brief):
    """The elements that a member shares with one seed.

    Attributes:
        seed: the seed.
        count: number of elements in both sets; None if counting would exceed the budget.
        examples: ids of up to three of these elements.
        adjacent: whether the member's set contains the seed (never in a two-mode graph).

    Examples:
        >>> SharedElements("ann", 2, ("bob", "cat"), adjacent=True).to_json()["shared_neighbors"]
        2
        >>> SharedElements("ann", 2, ("bob", "cat"), adjacent=True).explain()
        '2 shared with ann (adjacent)'
    """

    seed: VertexId
    count: int | None
    examples: tuple[VertexId, ...]
    adjacent: bool

    def explain(self) -> str:
        """Describe the shared elements as text."""
        count = "many" if self.count is None else f"{self.count:,}"
        return f"{count} shared with {self.seed}" + (" (adjacent)" if self.adjacent else "")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "seed": self.seed,
            "shared_neighbors": self.count,
            "examples": list(self.examples),
            "adjacent": self.adjacent,
        }


@dataclass(frozen=True, repr=False)
class Member(Brief):
    """A vertex of a community.

    Attributes:
        id: the id of the vertex.
        score: the score that ranks the members; its scale depends on the method.
        scores: the components of the score, by name.
        reason: elements shared with each seed; seeds without shared elements are left out.

    Examples:
        >>> Member("dan", 0.5, {"jaccard": 0.5}, (SharedElements("ann", 2, (), False),)).explain()
        '2 shared with ann'
        >>> Member("dan", 0.5, {"jaccard": 0.5}, ()).to_json()["score"]
        0.5
    """

    id: VertexId
    score: float
    scores: Mapping[str, float]
    reason: tuple[SharedElements, ...]

    def explain(self) -> str:
        """Explain in one line why the vertex is a member."""
        return "; ".join(map(SharedElements.explain, self.reason)) or "reached through others"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        return {
            "id": self.id,
            "score": self.score,
            "scores": dict(self.scores),
            "reason": [shared.to_json() for shared in self.reason],
        }


@dataclass(frozen=True, repr=False)
class Community(Brief, Exportable):
    """The answer to a query.

    Attributes:
        seeds: the seeds of the query, without repeats.
        members: best first, without the seeds.
        method: the method that ranked the members.
        plan: how candidates were found: `exact` comparison, `lsh` tables, `exact+lsh` (tables for
            the seeds that exceed the work budget), `scan` of all signatures, or `push` (PageRank).
        notes: remarks, for instance about truncated LSH buckets or isolated seeds.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from graphagg.communities import CommunityIndex
        >>> folder = TemporaryDirectory()
        >>> index = CommunityIndex.build([(1, 2), (1, 3), (2, 3), (3, 4)], folder.name)
        >>> community = index.query([1], k=2)
        >>> community.to_arrow().column("vertex").to_pylist()
        [2, 3]
        >>> sorted(community.to_networkx().edges)
        [(1, 2), (1, 3), (2, 3)]
        >>> len(community.structure().communities()), community.to_pandas().shape[0]
        (1, 2)
        >>> community.save(folder.name + "/members.csv")
        >>> sorted(community.to_json())[:2], community.members[0].to_json()["id"]
        (['members', 'method'], 2)
    """

    seeds: tuple[VertexId, ...]
    members: tuple[Member, ...]
    method: str
    plan: str
    notes: tuple[str, ...] = ()
    _snapshot: CommunitySnapshot | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        names = ", ".join(f"{shortened(m.id)} {m.score:.3g}" for m in self.members[:_SHOWN])
        more = ", ..." if len(self) > _SHOWN else ""
        return f"Community({len(self):,} members of {shortened(list(self.seeds))}: {names}{more})"

    def _repr_html_(self) -> str:
        rows = [(str(each.id), f"{each.score:.3g}", each.explain()) for each in self.members[:20]]
        cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>{escape(repr(self))}"

    def structure(self, *, resolution: float = 1.0, random_state: int = 0) -> CommunityStructure:
        """Compute the similarity graph of up to 2,000 seeds and members, and its sub-communities.

        Args:
            resolution: resolution of the modularity; a larger value gives more sub-communities.
            random_state: seed of Leiden and of the layout.
        """
        from graphagg.communities.answer.structure import structure_of

        snapshot, ids = self._graph()
        return structure_of(snapshot, ids, len(self.seeds), resolution, random_state)

    def to_networkx(self) -> networkx.Graph:
        """Return a networkx graph of seeds, members and the edges among them in the indexed graph.

        Nodes have the attribute `seed`; members also have `rank` (from 1) and `score`. For a
        directed graph the result is a `DiGraph`. In a two-mode graph (up to 2,000 sets) an edge
        joins two sets that share an element, weighted by their Jaccard similarity.
        """
        from graphagg.communities.answer.structure import subgraph_of

        graph = subgraph_of(*self._graph())
        for seed in self.seeds:
            graph.nodes[seed]["seed"] = True
        for rank, member in enumerate(self.members, 1):
            graph.nodes[member.id].update(seed=False, rank=rank, score=member.score)
        return graph

    def to_arrow(self) -> pyarrow.Table:
        """Return a table of the members, best first.

        Columns: `rank` (from 1), `vertex`, `score`, `score_<name>` for each component of the score,
        and `why`, as text.
        """
        import pyarrow as pa

        names = self.members[0].scores if self.members else ()
        return pa.table(
            {
                "rank": ranks_column(len(self.members)),
                "vertex": ids_column([member.id for member in self.members], self.seeds),
                "score": pa.array([member.score for member in self.members], pa.float64()),
                **{
                    f"score_{name}": pa.array([m.scores[name] for m in self.members], pa.float64())
                    for name in names
                },
                "why": pa.array([member.explain() for member in self.members], pa.string()),
            }
        )

    def _graph(self) -> tuple[CommunitySnapshot, list[VertexId]]:
        """Return the index that was queried, and the ids of seeds and members."""
        if self._snapshot is None:
            raise InvalidParameter(
                "this Community is not the result of a query, so it has no graph; call "
                "CommunityIndex.query"
            )
        return self._snapshot, [*self.seeds, *(member.id for member in self.members)]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        return {
            "seeds": list(self.seeds),
            "members": [member.to_json() for member in self.members],
            "method": self.method,
            "plan": self.plan,
            "notes": list(self.notes),
        }


def answer(
    snapshot: CommunitySnapshot, seeds: Array, ranking: VertexRanking, k: int, method: str
) -> Community:
    """Return the answer with the best `k` members of a ranking."""
    vertices = snapshot.vertices
    best = ranking.best(k, seeds)
    isolated = seeds[snapshot.neighborhoods.degrees(seeds) == 0]
    notes = tuple(f"seed {vertices[int(i)]!r} has no neighbors" for i in isolated)
    return Community(
        seeds=tuple(vertices[int(i)] for i in seeds),
        members=_members(snapshot, seeds, ranking, best),
        method=method,
        plan=ranking.plan,
        notes=(*ranking.notes, *notes, *_hub_notes(snapshot, seeds, ranking.scores[best])),
        _snapshot=snapshot,
    )


def _hub_notes(snapshot: CommunitySnapshot, seeds: Array, scores: Array) -> list[str]:
    """Return a note if the neighbors of a hub have equal scores."""
    same = int(np.count_nonzero(scores == scores[-1])) if len(scores) else 0
    degrees = snapshot.neighborhoods.degrees(seeds)
    if same < 2 or degrees.max() < _HUB:
        return []
    hub, degree = snapshot.vertices[int(seeds[degrees.argmax()])], int(degrees.max())
    return [
        f"seed {hub!r} has {degree:,} neighbors, and {same:,} members have the same score: they "
        "are ordered by id; add seeds, or use the method agglomerative"
    ]


def _members(
    snapshot: CommunitySnapshot, seeds: Array, ranking: VertexRanking, best: Array
) -> tuple[Member, ...]:
    vertices = ranking.vertices[best]
    examples = np.full((len(vertices), len(seeds), _EXAMPLES), -1, dtype=np.int64)
    in_set = np.zeros((len(vertices), len(seeds)), dtype=np.bool_)
    counts = shared_with_seeds(
        snapshot.neighborhoods.bundle, seeds, vertices, REASON_WORK, examples, in_set
    ).tolist()
    example_rows = examples.tolist()
    seed_ids = [snapshot.vertices[int(s)] for s in seeds]
    # The sets of a two-mode graph hold elements, which are never seeds.
    adjacent = (in_set & (snapshot.neighborhoods.walk != TWO_MODE)).tolist()
    members = []
    for i, (vertex, position) in enumerate(zip(vertices.tolist(), best.tolist(), strict=True)):
        reason = tuple(
            SharedElements(
                seed=seed,
                count=None if counts[i][j] < 0 else counts[i][j],
                examples=tuple(snapshot.elements[e] for e in example_rows[i][j] if e >= 0),
                adjacent=adjacent[i][j],
            )
            for j, seed in enumerate(seed_ids)
            if counts[i][j] != 0 or adjacent[i][j]
        )
        scores = {name: float(values[position]) for name, values in ranking.components.items()}
        score = float(ranking.scores[position])
        members.append(Member(snapshot.vertices[vertex], score, scores, reason))
    return tuple(members)
