"""What a query returns: frozen, small, able to say why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphagg.graph.ids import VertexId

if TYPE_CHECKING:
    from graphagg.communities.structure import Structure


@dataclass(frozen=True)
class Shared:
    """What a member shares with one seed.

    Attributes:
        seed: the seed.
        count: elements in both sets; None where counting them would have passed the work budget.
        examples: up to three of them, as the user wrote them.
        adjacent: whether the member's set holds the seed (never in a two-mode graph).
    """

    seed: VertexId
    count: int | None
    examples: tuple[VertexId, ...]
    adjacent: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "seed": self.seed,
            "shared_neighbors": self.count,
            "examples": list(self.examples),
            "adjacent": self.adjacent,
        }


@dataclass(frozen=True)
class Member:
    """A vertex of a community.

    Attributes:
        id: the vertex as the user wrote it.
        score: what the members are ranked by; its scale is the method's.
        scores: the parts of the score, by name.
        reason: what it shares with each seed; seeds with which it shares nothing are left out.
    """

    id: VertexId
    score: float
    scores: Mapping[str, float]
    reason: tuple[Shared, ...]

    def explain(self) -> str:
        """One line for people."""
        parts = []
        for shared in self.reason:
            count = "many" if shared.count is None else f"{shared.count:,}"
            parts.append(
                f"{count} shared with {shared.seed}" + (" (adjacent)" if shared.adjacent else "")
            )
        return "; ".join(parts) or "reached through others"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {
            "id": self.id,
            "score": self.score,
            "scores": dict(self.scores),
            "reason": [shared.to_json() for shared in self.reason],
        }


@dataclass(frozen=True)
class Community:
    """The answer to a query.

    Attributes:
        seeds: what was asked, without repeats.
        members: best first, without the seeds.
        method: how they were ranked.
        plan: how they were found: `exact`, `lsh`, `scan`, `exact+lsh` (seeds that pass the work
            budget go through the tables) or `push`.
        notes: what the reader of the answer should know: buckets cut, seeds that are isolated.
        conductance: of seeds and members, where a sweep cut chose the size.
    """

    seeds: tuple[VertexId, ...]
    members: tuple[Member, ...]
    method: str
    plan: str
    notes: tuple[str, ...] = ()
    conductance: float | None = None
    _structure: Callable[..., Structure] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.members)

    def structure(self, *, resolution: float = 1.0, random_state: int = 0) -> Structure:
        """The weighted similarity graph of seeds and members, and its sub-communities.

        Args:
            resolution: of the modularity; larger gives more sub-communities.
            random_state: of Louvain and the layout.

        Raises:
            MissingExtra: scikit-network is not installed.
        """
        assert self._structure is not None, "a community made by hand has no graph"
        ids = [*self.seeds, *(member.id for member in self.members)]
        return self._structure(ids, len(self.seeds), resolution, random_state)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {
            "seeds": list(self.seeds),
            "members": [member.to_json() for member in self.members],
            "method": self.method,
            "plan": self.plan,
            "notes": list(self.notes),
            "conductance": self.conductance,
        }
