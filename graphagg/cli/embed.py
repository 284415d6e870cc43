"""`graphagg embed`: extend, query and export an embedding."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graphagg.cli.folders import READING, Directory, K
from graphagg.cli.output.console import (
    AsJson,
    err,
    print_changed,
    print_json,
    print_rows,
    progress_report,
)
from graphagg.embedding.config import Side
from graphagg.graph.reading.settings import WeightedReading

SideName = Annotated[
    Side,
    Parameter(help="Vectors of the sources or targets of edges, if the graph has directions."),
]


def add(
    directory: Directory, edges: Path, /, *,
    reading: Annotated[WeightedReading, READING] = WeightedReading(), as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add vertices, with vectors computed from their neighbors. Existing vectors do not change.

    Example: graphagg embed add emb new_edges.txt

    Args:
        edges: file with the edges of the new vertices.
    """
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index, progress_report() as progress:
        report = index.add(edges, columns=reading, progress=progress)
        print_changed(directory, report.to_json(), index.manifest, as_json)


def neighbors(
    directory: Directory,
    /,
    *,
    vertex: str,
    k: K = 10,
    of: SideName = "from",
    among: Side | None = None,
    dot: bool = False,
    as_json: AsJson = False,
) -> None:
    """Show the vertices with the nearest vectors.

    Example: graphagg embed neighbors emb --vertex alice -k 10

    Args:
        vertex: the vertex whose neighbors are shown.
        k: number of neighbors to show.
        among: vectors to compare with. None: the same as --of.
        dot: rank by dot product instead of cosine.
    """
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index:
        nearest = index.neighbors(vertex, k, side=of, target_side=among, normalized=not dot)
    if as_json:
        print_json({"vertex": vertex, "neighbors": [asdict(n) for n in nearest]})
        return
    score = "dot" if dot else "cosine"
    print_rows([{"vertex": str(n.id), score: n.score} for n in nearest])


def export(
    directory: Directory, /, *, target: Annotated[Path, Parameter("--out")], side: SideName = "from"
) -> None:
    """Write the vectors to a file for other programs.

    Example: graphagg embed export emb --out vectors.txt

    Args:
        target: file to write: .parquet, or .txt in word2vec format.
    """
    from graphagg.embedding import NodeEmbedding
    from graphagg.embedding.results import write_vectors

    with NodeEmbedding.open(directory) as index:
        write_vectors(*index.vectors_of(side), target)
    err.print(f"wrote {target}", markup=False)
