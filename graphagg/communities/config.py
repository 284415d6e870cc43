"""Settings of the index and of its queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

from graphagg.checks import integer, number, one_of
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind

Kind = Literal["undirected", "directed-in", "directed-out", "two-mode"]
Method = Literal["minhash", "jaccard", "agglomerative", "pagerank", "fused", "containment"]
Plan = Literal["auto", "exact", "lsh", "scan"]
KINDS: tuple[Kind, ...] = get_args(Kind)
METHODS: tuple[Method, ...] = get_args(Method)
PLANS: tuple[Plan, ...] = get_args(Plan)

GRAPH_KIND: dict[Kind, GraphKind] = {
    "undirected": "undirected",
    "directed-in": "directed",
    "directed-out": "directed",
    "two-mode": "two-mode",
}


@dataclass(frozen=True)
class IndexConfig:
    """Parameters of an index.

    Attributes:
        kind: neighbors that form a vertex's set: all (`undirected`), the in-neighbors or the
            out-neighbors, or the elements of a set (`two-mode`: an edge is (element, set), as a
            follower comes before the page).
        closed: whether the set holds the vertex itself. None: yes, unless two-mode. Closed sets
            find more of the true communities (0.575 against 0.572 on email-Eu-core, 0.436 against
            0.423 on LastFM Asia, recall of `minhash` at community size).
        permutations: number of slots of a signature (K).
        bands: number of bands of the LSH tables (b).
        rows: slots per band (r); b * r is at most K. 64 bands of 2 match with probability one half
            at a similarity of 0.10.
        partitions: number of groups of sets by size, which the method `containment` searches.
        hash_seed: seed of the hash family; 1 is datasketch's default.
        weights: keep the weights of edges, all above 0: similarity is weighted Jaccard, the walk
            follows heavy edges more, and repeats of an edge add up.

    Examples:
        >>> IndexConfig(kind="two-mode").closed
        False
        >>> IndexConfig(permutations=64, bands=32, rows=2).permutations
        64
        >>> IndexConfig(weights=True).to_json()["weights"]
        True
    """

    kind: Kind = "undirected"
    closed: bool | None = field(default=None, metadata={"flags": "--closed/--open"})
    permutations: int = 128
    bands: int = 64
    rows: int = 2
    partitions: int = 16
    hash_seed: int = 1
    weights: bool = field(default=False, metadata={"flags": "--weights"})

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        if self.closed is None:
            object.__setattr__(self, "closed", self.kind != "two-mode")
        if self.closed and self.kind == "two-mode":
            raise InvalidParameter("closed sets of a two-mode graph: a set is no element; use open")
        integer("permutations", self.permutations, 1, 4096)
        integer("bands", self.bands, 1, 4096)
        integer("rows", self.rows, 1, 64)
        integer("partitions", self.partitions, 1, 256)
        integer("hash_seed", self.hash_seed, 0, 2**32 - 1)
        if self.bands * self.rows > self.permutations:
            raise InvalidParameter(
                f"{self.bands} bands of {self.rows} rows take {self.bands * self.rows} slots, the "
                f"signature has {self.permutations}; take at most "
                f"{self.permutations // self.rows} bands, or more permutations"
            )

    def to_json(self) -> dict[str, Any]:
        """The manifest's `parameters`; an index without weights does not name them."""
        parameters = asdict(self)
        if not self.weights:
            del parameters["weights"]
        return parameters


@dataclass(frozen=True)
class QueryConfig:
    """Bounds on the work of a query, and the methods' constants.

    Attributes:
        exact_work: most entries of the compressed rows that exact comparison reads; a seed that
            does not fit is looked up in the LSH tables.
        minhash_work: the same bound for `minhash`, which then still compares signatures.
        scan_below: with fewer vertices `minhash` compares all signatures.
        bucket_cap: most vertices that are taken of one LSH bucket.
        candidates: most vertices that are compared one by one.
        pair_work: most element look-ups of comparisons one by one.
        reason_work: most element look-ups of the reasons; shared elements beyond are not counted.
        alpha: probability of a return to the seeds in each step of the walk.
        eps: residual per edge of a vertex that the push leaves.
        push_work: most edges that the push reads.
        growth_work: most entries that `agglomerative` reads.
        sweep_limit: most members that a sweep cut considers.

    Examples:
        >>> QueryConfig(alpha=0.15, push_work=100_000).fused.stage
        10
    """

    exact_work: int = 1_000_000
    minhash_work: int = 25_000
    scan_below: int = 100_000
    bucket_cap: int = 64
    candidates: int = 8_192
    pair_work: int = 200_000
    alpha: float = 0.05
    eps: float = 1e-5
    push_work: int = 2_000_000
    reason_work: int = 50_000
    growth_work: int = 500_000
    sweep_limit: int = 1_000
    fused: FusedConfig = field(default_factory=lambda: FusedConfig())

    def __post_init__(self) -> None:
        for name in ("bucket_cap", "candidates", "sweep_limit"):
            integer(name, getattr(self, name), 1, 2**31)
        for name in ("exact", "minhash", "pair", "reason", "push", "growth"):
            integer(f"{name}_work", getattr(self, f"{name}_work"), 0, 2**62)
        number("alpha", self.alpha, above=0, below=1)
        number("eps", self.eps, above=0, below=1)


@dataclass(frozen=True)
class FusedConfig:
    """Constants of `fused`; see `query.fused` for the formula.

    Attributes:
        power: exponent of PageRank.
        floor: least constant that is added to each similarity.
        gap: growth of the constant where few of the best by PageRank have a similarity.
        grown: number of first vertices to which similarities are also taken.
        mixture: share of the similarities to these vertices.
        stage: members of the first stage; each later stage doubles the members.
    """

    power: float = 0.7
    floor: float = 0.05
    gap: float = 3.0
    grown: int = 30
    mixture: float = 0.5
    stage: int = 10


def check_method(method: str) -> Method:
    """Return the method; `InvalidParameter` names the choices if there is no such method."""
    return one_of("method", cast(Method, method), METHODS)


def check_plan(plan: str) -> Plan:
    """Return the plan; `InvalidParameter` names the choices if there is no such plan."""
    return one_of("plan", cast(Plan, plan), PLANS)
