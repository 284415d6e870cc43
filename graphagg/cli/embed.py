"""`graphagg embed`: extend, query and export an embedding."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graphagg.cli.folders import Directory, K
from graphagg.cli.options import command
from graphagg.cli.output.console import (
    AsJson,
    Meter,
    err,
    print_changed,
    print_json,
    print_rows,
    progress_report,
)
from graphagg.embedding.config import Side
from graphagg.graph.reading.settings import WeightedReading

SideName = Annotated[
    Side, Parameter(help="Directed and two-mode graphs: use the vectors of this end.")
]


@command
def add(
    directory: Directory, edges: Path, *, reading: WeightedReading, as_json: AsJson = False
) -> None:
    """Compute vectors of new vertices from their neighbors'; the others do not change.

    Example: graphagg embed add emb new_edges.txt

    Options:
        edges: edges of new vertices.
    """
    from graphagg.embedding import NodeEmbedding

    meter = Meter()
    with NodeEmbedding.open(directory) as index, progress_report() as progress:
        report = index.add(edges, columns=reading, progress=progress)
        print_changed(directory, report.to_json(), index.manifest, meter, as_json)


@command
def neighbors(
    directory: Directory,
    *,
    vertex: str,
    k: K = 10,
    of: SideName = "from",
    among: Side | None = None,
    dot: bool = False,
    as_json: AsJson = False,
) -> None:
    """Show the vertices whose vectors are nearest.

    Example: graphagg embed neighbors emb --vertex alice -k 10

    Options:
        vertex: the vertex.
        k: number of neighbors.
        among: compare with the vectors of this end. None: the same end.
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


@command
def export(
    directory: Directory, *, target: Annotated[Path, Parameter("--out")], side: SideName = "from"
) -> None:
    """Write the vectors for other programs.

    Example: graphagg embed export emb --out vectors.txt

    Options:
        target: the file: .parquet, .arrow, .npy, .csv, or .txt as word2vec writes it.
    """
    from graphagg.embedding import NodeEmbedding
    from graphagg.embedding.export import write_vectors

    with NodeEmbedding.open(directory) as index:
        write_vectors(*index.vectors_of(side), target)
    err.print(f"wrote {target}", markup=False)
