"""Settings of an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict, get_args

from graphagg.checks import integer, one_of
from graphagg.graph.kinds import GRAPH_KINDS, GraphKind

Partitioner = Literal["auto", "metis", "streaming"]
Dtype = Literal["float32", "float16"]
Side = Literal["from", "to"]
"""Ends of an edge: directed and two-mode graphs have vectors for both."""
PARTITIONERS: tuple[Partitioner, ...] = get_args(Partitioner)
DTYPES: tuple[Dtype, ...] = get_args(Dtype)

FILTER = "walks"
"""Name of the current propagation method in the manifest; older manifests have no name."""
MAX_PIECE_EDGES = 5_000_000
_MARGIN = 32
_LIMIT = 2**31


@dataclass(frozen=True)
class EmbeddingConfig:
    """Parameters of an embedding.

    Attributes:
        dim: number of dimensions of the vectors; fewer if the graph is too small.
        pieces: number of pieces of the graph. None: chosen to fit `max_piece_edges`.
        max_piece_edges: maximum number of matrix entries in a piece; each edge counts as two. None:
            5,000,000, or no limit if `pieces` is given.
        partitioner: how the graph is cut: `metis`, which holds it in memory; `streaming`, which
            reads the graph row by row, so that it need not fit in memory; or `auto`, which uses
            `metis` up to 100 million entries, else `streaming`.
        propagate: number of propagation passes along walks, 1 or 2; 2 suits sparse graphs.
        kind: kind of graph; an edge of a two-mode graph is (element, set).
        leaf_rank: minimum rank of the factorization of a piece.
        dtype: number type of the stored vectors.
        random_state: random seed.

    Examples:
        >>> EmbeddingConfig(dim=64, pieces=4).width
        96
        >>> config = EmbeddingConfig(dim=64, pieces=4)
        >>> config.rank(4), EmbeddingConfig.from_json(config.to_json()) == config
        (64, True)
        >>> EmbeddingConfig(dim=0)
        Traceback (most recent call last):
        graphagg.errors.InvalidParameter: dim is 0, expected an integer from 1 to 1024
    """

    dim: int = 128
    pieces: int | None = None
    max_piece_edges: int | None = None
    partitioner: Partitioner = "auto"
    propagate: int = 1
    kind: GraphKind = "undirected"
    leaf_rank: int = 64
    dtype: Dtype = "float32"
    random_state: int = 0

    def __post_init__(self) -> None:
        one_of("partitioner", self.partitioner, PARTITIONERS)
        one_of("kind", self.kind, GRAPH_KINDS)
        one_of("dtype", self.dtype, DTYPES)
        integer("dim", self.dim, 1, 1024)
        integer("propagate", self.propagate, 1, 2)
        integer("leaf_rank", self.leaf_rank, 1, 512)
        integer("random_state", self.random_state, 0, 2**32 - 1)
        if self.pieces is not None:
            integer("pieces", self.pieces, 1, _LIMIT)
        if self.max_piece_edges is not None:
            integer("max_piece_edges", self.max_piece_edges, 2, _LIMIT)

    @property
    def width(self) -> int:
        """Number m of directions that the merge keeps."""
        return self.dim + _MARGIN

    def rank(self, pieces: int) -> int:
        """Rank of the decomposition of a piece; all pieces together have rank 2m."""
        return max(self.leaf_rank, -(-2 * self.width // pieces)) if pieces > 1 else self.width

    def to_json(self) -> dict[str, Any]:
        """Return the `parameters` of the manifest; `filter` names the propagation of vectors."""
        return {**asdict(self), "filter": FILTER}

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any]) -> EmbeddingConfig:
        """Read the configuration from a manifest; ignore unknown parameters."""
        return cls(**{n: each for n, each in parameters.items() if n in cls.__dataclass_fields__})


class EmbeddingOptions(TypedDict, total=False):
    """The fields of `EmbeddingConfig`, as keyword arguments."""

    dim: int
    pieces: int | None
    max_piece_edges: int | None
    partitioner: Partitioner
    propagate: int
    kind: GraphKind
    leaf_rank: int
    dtype: Dtype
    random_state: int
