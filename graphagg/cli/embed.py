"""`graphagg embed`: build, extend, query and export an embedding.

The options of `build` come from `cli/builds/graphs.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from graphagg.cli.builds.graphs import EmbeddingBuild
from graphagg.cli.builds.run import build_command
from graphagg.cli.folders import Directory, K
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, Meter, err, print_changed, print_json, print_rows
from graphagg.embedding.config import Side
from graphagg.graph.reading.settings import WeightedReading

app = typer.Typer(help="Vectors of vertices, from pieces of a graph.", no_args_is_help=True)

SideName = Annotated[
    Side, typer.Option(help="Directed and two-mode graphs: use the vectors of this end.")
]

_BUILD = "Example: graphagg embed build edges.txt.gz --out emb --dim 64 --max-piece-edges 2000000"
_ADD = "Example: graphagg embed add emb new_edges.txt"
_NEIGHBORS = "Example: graphagg embed neighbors emb --vertex alice -k 10"
_EXPORT = "Example: graphagg embed export emb --out vectors.txt --format word2vec"


app.command("build", epilog=_BUILD)(build_command(EmbeddingBuild))


def add(
    directory: Directory,
    edges: Annotated[Path, typer.Argument(help="Edges of new vertices.")],
    reading: WeightedReading,
    as_json: AsJson = False,
) -> None:
    """Give new vertices vectors from their neighbors'; all others stay as they are."""
    from graphagg.embedding import NodeEmbedding

    meter = Meter()
    with NodeEmbedding.open(directory) as index:
        report = index.add(edges, **vars(reading))
        print_changed(directory, report.to_json(), index.manifest, meter, as_json)


app.command("add", epilog=_ADD)(command(add))


@app.command("neighbors", epilog=_NEIGHBORS)
def neighbors(
    directory: Directory,
    vertex: Annotated[str, typer.Option(help="The vertex.")],
    k: Annotated[int, typer.Option(*K["flags"], help="Number of neighbors.")] = 10,
    of: SideName = "from",
    among: Annotated[
        Side | None, typer.Option(help="Compare with the vectors of this end.", show_default="of")
    ] = None,
    dot: Annotated[
        bool, typer.Option("--dot", help="Rank by dot product instead of cosine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the vertices whose vectors are nearest."""
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index:
        nearest = index.neighbors(vertex, k, of=of, among=among, normalized=not dot)
    if as_json:
        print_json({"vertex": vertex, "neighbors": [asdict(n) for n in nearest]})
        return
    score = "dot" if dot else "cosine"
    print_rows([{"vertex": str(n.id), score: n.score} for n in nearest])


@app.command("export", epilog=_EXPORT)
def export(
    directory: Directory,
    target: Annotated[Path, typer.Option("--out", help="The file.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="parquet, arrow, npy, csv or word2vec.",
            show_default="by the suffix of --out",
        ),
    ] = None,
    side: SideName = "from",
) -> None:
    """Write the vectors for other programs."""
    from graphagg.embedding import NodeEmbedding
    from graphagg.embedding.export import write_vectors

    with NodeEmbedding.open(directory) as index:
        write_vectors(*index.side(side), target, form)
    err.print(f"wrote {target}", markup=False)
