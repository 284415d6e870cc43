"""Settings of a community index and its queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict, cast, get_args

from graphagg.checks import integer, one_of
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind

SetKind = Literal["undirected", "directed-in", "directed-out", "two-mode"]
Method = Literal["minhash", "jaccard", "agglomerative", "pagerank", "fused"]
QualityFunction = Literal["modularity", "cpm"]
KINDS: tuple[SetKind, ...] = get_args(SetKind)
METHODS: tuple[Method, ...] = get_args(Method)

GRAPH_KIND: dict[SetKind, GraphKind] = {
    "undirected": "undirected",
    "directed-in": "directed",
    "directed-out": "directed",
    "two-mode": "two-mode",
}


@dataclass(frozen=True)
class CommunityConfig:
    """Parameters of a community index.

    Attributes:
        kind: which neighbors form the set of a vertex: all (`undirected`), `directed-in`,
            `directed-out`, or the elements of a set (`two-mode`: an edge is (element, set), such as
            (follower, page)).
        closed: include the vertex itself in its set. This finds slightly more of the true
            communities. None: True, unless two-mode.
        permutations: number of slots of a signature (K).
        bands: number of bands of the LSH tables (b); 0: K // r, as many as fit.
        rows: number of slots per band (r); b * r is at most K. With 64 bands of 2 rows, sets of
            similarity 0.10 match with a probability of 0.5.
        hash_seed: seed of the hash family; 1 is datasketch's default.

    Examples:
        >>> CommunityConfig(kind="two-mode").closed
        False
        >>> CommunityConfig(permutations=64).bands
        32
    """

    kind: SetKind = "undirected"
    closed: bool | None = None
    permutations: int = 128
    bands: int = 0
    rows: int = 2
    hash_seed: int = 1

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        if self.closed is None:
            object.__setattr__(self, "closed", self.kind != "two-mode")
        if self.closed and self.kind == "two-mode":
            raise InvalidParameter("sets of a two-mode graph cannot be closed; pass `closed=False`")
        integer("permutations", self.permutations, 1, 4096)
        integer("bands", self.bands, 0, 4096)
        integer("rows", self.rows, 1, min(64, self.permutations))
        if self.bands == 0:
            object.__setattr__(self, "bands", self.permutations // self.rows)
        integer("hash_seed", self.hash_seed, 0, 2**32 - 1)
        if self.bands * self.rows > self.permutations:
            raise InvalidParameter(
                f"{self.bands} bands of {self.rows} rows take {self.bands * self.rows} slots, the "
                f"signature has {self.permutations}; use at most {self.permutations // self.rows} "
                "bands, or more permutations"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the `parameters` of the manifest."""
        return asdict(self)


class CommunityOptions(TypedDict, total=False):
    """The fields of `CommunityConfig`, as keyword arguments."""

    kind: SetKind
    closed: bool | None
    permutations: int
    bands: int
    rows: int
    hash_seed: int


def check_method(method: str) -> Method:
    """Return the method; raise `InvalidParameter` with the choices if it does not exist."""
    return one_of("method", cast(Method, method), METHODS)
