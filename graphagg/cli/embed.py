"""`graphagg embed`: build, extend, ask, export and evaluate an embedding.

The options of `build` are the fields of the dataclasses that `cli/builds/embedding.py` names,
which the jobs on Spark and the files of `--config` share.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from graphagg.cli.builds.embedding import EmbeddingBuild, embedding_config
from graphagg.cli.builds.graphs import find_edges
from graphagg.cli.builds.run import build_command
from graphagg.cli.folders import Directory, K
from graphagg.cli.options import command
from graphagg.cli.output.console import (
    AsJson,
    err,
    out,
    print_change,
    print_json,
    progress_report,
)
from graphagg.embedding.config import EmbeddingConfig, Side
from graphagg.errors import InvalidParameter
from graphagg.graph.reading.settings import WeightedReading

if TYPE_CHECKING:
    from graphagg.embedding.evaluation.measure import Scores

app = typer.Typer(help="Vectors of vertices, from pieces of a graph.", no_args_is_help=True)

RandomState = Annotated[int, typer.Option(help="Seed of every random choice.")]
SideName = Annotated[
    Side, typer.Option(help="Directed and two-mode graphs: use the vectors of this end.")
]

_BUILD = "Example: graphagg embed build edges.txt.gz --out emb --dim 64 --max-piece-edges 2000000"
_ADD = "Example: graphagg embed add emb new_edges.txt"
_NEIGHBORS = "Example: graphagg embed neighbors emb --vertex alice --top-k 10"
_EXPORT = "Example: graphagg embed export emb --out vectors.txt --format word2vec"
_DRAW = "Example: graphagg embed draw emb --out picture.png --labels labels.txt"
_EVAL = "Example: graphagg embed eval edges.txt.gz --labels labels.txt --pieces 16"


app.command("build", epilog=_BUILD)(build_command(EmbeddingBuild))


def add(
    directory: Directory,
    edges: Annotated[Path, typer.Argument(help="Edges of new vertices.")],
    reading: WeightedReading,
    as_json: AsJson = False,
) -> None:
    """Give new vertices vectors from their neighbors'; all others stay as they are."""
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index:
        change = index.add(edges, **vars(reading))
    print_change(directory, change.to_json(), as_json)


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
        print_json(
            {"vertex": vertex, "neighbors": [{"id": n.id, "score": n.score} for n in nearest]}
        )
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("vertex")
    table.add_column("dot" if dot else "cosine", justify="right")
    for neighbor in nearest:
        table.add_row(escape(str(neighbor.id)), f"{neighbor.score:.4f}")
    out.print(table)


@app.command("export", epilog=_EXPORT)
def export(
    directory: Directory,
    target: Annotated[Path, typer.Option("--out", help="The file.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="parquet, csv or word2vec.", show_default="by the suffix of --out"
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


@app.command("draw", epilog=_DRAW)
def draw(
    directory: Directory,
    target: Annotated[Path, typer.Option("--out", help="The picture, .png or .svg.")],
    labels: Annotated[Path | None, typer.Option(help="Color by label, not by piece.")] = None,
    random_state: RandomState = 0,
) -> None:
    """Draw the vertices in two dimensions."""
    from graphagg.embedding import NodeEmbedding
    from graphagg.embedding.evaluation.classification import read_labels
    from graphagg.embedding.picture import draw as paint

    with NodeEmbedding.open(directory) as index:
        names = read_labels(labels, index.vertices).first() if labels is not None else None
        paint(index, target, labels=names, random_state=random_state)
    err.print(f"wrote {target}", markup=False)


def evaluate(
    edges: Annotated[list[str], typer.Argument(help="Edges, as embed build takes them.")],
    config: Annotated[EmbeddingConfig, embedding_config, "Embedding"],
    reading: WeightedReading,
    labels: Annotated[Path | None, typer.Option(help="File of labels: classify nodes too.")] = None,
    holdout: Annotated[float, typer.Option(help="Share of edges held out; 0: no links.")] = 0.3,
    repeats: Annotated[int, typer.Option(help="Number of splits and embeddings.")] = 3,
    shuffles: Annotated[
        int, typer.Option(help="Shuffles of the labeled nodes per embedding.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Measure an embedding beside the unpartitioned control and simple heuristics."""
    from graphagg.embedding.evaluation.classification import read_labels
    from graphagg.embedding.evaluation.measure import classify_nodes, predict_links
    from graphagg.graph.weights import load_weighted

    graph, weights = load_weighted(find_edges(edges), config.kind, **vars(reading))
    if not holdout and labels is None:
        raise InvalidParameter("holdout is 0 and there are no labels: give --holdout or --labels")
    truth = None if labels is None else read_labels(labels, graph.rows)
    measured: dict[str, Scores] = {}
    with progress_report() as report:
        if holdout:
            links = predict_links(
                graph, weights, config, holdout=holdout, repeats=repeats, progress=report
            )
            measured["link_prediction"] = links.uniform
            measured["link_prediction_degree_matched"] = links.matched
        if truth is not None:
            measured["node_classification"] = classify_nodes(
                graph, weights, truth, config, repeats=repeats, shuffles=shuffles, progress=report
            )
    if truth is not None and truth.unknown:
        err.print(f"{truth.unknown:,} labels are of vertices not in the graph; left out")
    if as_json:
        shown: dict[str, Any] = {name: scores.to_json() for name, scores in measured.items()}
        print_json({**shown, **({"unknown_labels": truth.unknown} if truth else {})})
        return
    for name, scores in measured.items():
        _print_scores(name.replace("_", " "), scores)


app.command("eval", epilog=_EVAL)(command(evaluate))


def _print_scores(title: str, scores: Scores) -> None:
    measures = sorted({name for run in scores.runs.values() for name in run})
    table = Table("method", *measures, title=title, title_justify="left", box=None, pad_edge=False)
    shown = scores.to_json()
    for method, run in scores.runs.items():
        cells = []
        for measure in measures:
            values: Any = shown[method]
            for name in measure.split("/"):
                values = values.get(name, {})
            cells.append(f"{values['mean']:.4f} ± {values['std']:.4f}" if measure in run else "")
        table.add_row(method, *cells)
    out.print(table)
