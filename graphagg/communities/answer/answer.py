"""From a ranking to a `Community`: the best members, their size, their reasons."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.answer.results import Community, Member, Shared
from graphagg.communities.config import QueryConfig
from graphagg.communities.query.ranking import Ranking, sweep_cut
from graphagg.communities.similarity.exact import shared_with_seeds
from graphagg.communities.similarity.neighborhood import TWO_MODE
from graphagg.communities.snapshot import Snapshot

_EXAMPLES = 3


def answer(
    snapshot: Snapshot,
    seeds: Array,
    ranking: Ranking,
    k: int | None,
    limit: int,
    method: str,
    config: QueryConfig,
) -> Community:
    """Name the best `limit` members, or a sweep cut of them where `k` is None."""
    vertices = snapshot.vertices
    best = ranking.best(limit, seeds)
    conductance = None
    if k is None:
        cut = sweep_cut(snapshot.hoods, seeds, ranking.vertices[best], config.push_work)
        if cut is not None:
            best, conductance = best[: cut[0]], cut[1]
    isolated = seeds[snapshot.hoods.degrees(seeds) == 0]
    notes = tuple(f"seed {vertices[int(i)]!r} has no neighbors" for i in isolated)
    return Community(
        seeds=tuple(vertices[int(i)] for i in seeds),
        members=_members(snapshot, seeds, ranking, best, config),
        method=method,
        plan=ranking.plan,
        notes=(*ranking.notes, *notes),
        conductance=conductance,
        _snapshot=snapshot,
    )


def _members(
    snapshot: Snapshot, seeds: Array, ranking: Ranking, best: Array, config: QueryConfig
) -> tuple[Member, ...]:
    vertices = ranking.vertices[best]
    examples = np.full((len(vertices), len(seeds), _EXAMPLES), -1, dtype=np.int64)
    in_set = np.zeros((len(vertices), len(seeds)), dtype=np.bool_)
    counts = shared_with_seeds(
        snapshot.hoods.bundle, seeds, vertices, config.reason_work, examples, in_set
    ).tolist()
    shown = examples.tolist()
    seed_ids = [snapshot.vertices[int(s)] for s in seeds]
    # The sets of a two-mode graph hold elements, which are never seeds.
    adjacent = (in_set & (snapshot.hoods.walk != TWO_MODE)).tolist()
    members = []
    for i, (vertex, position) in enumerate(zip(vertices.tolist(), best.tolist(), strict=True)):
        reason = tuple(
            Shared(
                seed=seed,
                count=None if counts[i][j] < 0 else counts[i][j],
                examples=tuple(snapshot.elements[e] for e in shown[i][j] if e >= 0),
                adjacent=adjacent[i][j],
            )
            for j, seed in enumerate(seed_ids)
            if counts[i][j] != 0 or adjacent[i][j]
        )
        scores = {name: float(values[position]) for name, values in ranking.components.items()}
        score = float(ranking.scores[position])
        members.append(Member(snapshot.vertices[vertex], score, scores, reason))
    return tuple(members)
