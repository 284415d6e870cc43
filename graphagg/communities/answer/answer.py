"""From a ranking to a `Community`: the best members, their size, their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.answer.results import Community, Member, Shared
from graphagg.communities.config import QueryConfig
from graphagg.communities.query.ranking import Ranking, sweep_cut
from graphagg.communities.similarity.exact import shared_with_seeds
from graphagg.communities.similarity.neighborhood import TWO_MODE

if TYPE_CHECKING:
    import networkx

    from graphagg.communities.answer.structure import Structure
    from graphagg.communities.index import CommunityIndex
    from graphagg.graph.ids import VertexId


_EXAMPLES = 3


def answer(
    index: CommunityIndex,
    seeds: Array,
    ranking: Ranking,
    k: int | None,
    wanted: int,
    method: str,
    config: QueryConfig,
) -> Community:
    """Name the best `wanted` members (or a sweep cut of them, where `k` is None)."""
    hoods = index.expander.hoods
    best = ranking.best(wanted, seeds)
    conductance = None
    if k is None:
        cut = sweep_cut(hoods, seeds, ranking.vertices[best], config.push_work)
        if cut is not None:
            best, conductance = best[: cut[0]], cut[1]
    alone = seeds[hoods.sets.indptr[seeds + 1] == hoods.sets.indptr[seeds]]
    notes = tuple(f"seed {index.vertices[int(i)]!r} has no neighbors" for i in alone)
    return Community(
        seeds=tuple(index.vertices[int(i)] for i in seeds),
        members=_members(index, seeds, ranking, best, config),
        method=method,
        plan=ranking.plan,
        notes=(*ranking.notes, *notes),
        conductance=conductance,
        _origin=_Origin(index),
    )


def _members(
    index: CommunityIndex, seeds: Array, ranking: Ranking, best: Array, config: QueryConfig
) -> tuple[Member, ...]:
    hoods = index.expander.hoods
    vertices = ranking.vertices[best]
    examples = np.full((len(vertices), len(seeds), _EXAMPLES), -1, dtype=np.int64)
    held = np.zeros((len(vertices), len(seeds)), dtype=np.bool_)
    counts = shared_with_seeds(
        hoods.sets.indptr, hoods.sets.indices, hoods.closed, seeds, vertices, config.reason_work,
        examples, held,
    ).tolist()  # fmt: skip
    shown = examples.tolist()
    seed_ids = [index.vertices[int(s)] for s in seeds]
    adjacent = (held & (hoods.walk != TWO_MODE)).tolist()
    members = []
    for i, (v, position) in enumerate(zip(vertices.tolist(), best.tolist(), strict=True)):
        reason = []
        for j in range(len(seeds)):
            if counts[i][j] == 0 and not adjacent[i][j]:
                continue
            reason.append(
                Shared(
                    seed=seed_ids[j],
                    count=None if counts[i][j] < 0 else counts[i][j],
                    examples=tuple(index.elements[e] for e in shown[i][j] if e >= 0),
                    adjacent=adjacent[i][j],
                )
            )
        members.append(
            Member(
                id=index.vertices[v],
                score=float(ranking.scores[position]),
                scores={name: float(part[position]) for name, part in ranking.parts.items()},
                reason=tuple(reason),
            )
        )
    return tuple(members)


class _Origin:
    """The index an answer comes from; the drawing libraries load when they are needed."""

    def __init__(self, index: CommunityIndex) -> None:
        self._index = index

    def structure(
        self, ids: Sequence[VertexId], seeds: int, resolution: float, random_state: int
    ) -> Structure:
        """See `structure_of`."""
        from graphagg.communities.answer.structure import structure_of

        return structure_of(self._index, ids, seeds, resolution, random_state)

    def graph(self, ids: Sequence[VertexId]) -> networkx.Graph:
        """See `subgraph_of`."""
        from graphagg.communities.answer.subgraph import subgraph_of

        return subgraph_of(self._index, ids)
