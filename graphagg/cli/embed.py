"""`graphagg embed`: build, extend, ask, export and evaluate an embedding."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from graphagg.cli.output.console import AsJson, Meter, err, out, print_json, progress_report
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.embedding import EmbeddingConfig, PartitionReport
    from graphagg.embedding.evaluation.measure import Scores

app = typer.Typer(help="Vectors of vertices, from pieces of a graph.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The index directory.")]
Edges = Annotated[Path, typer.Argument(help="Text (gz), CSV, Parquet, GML, .mat, .jlg or JSON.")]
Ids = Annotated[str, typer.Option(help="Read text ids as auto, integer or string.")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether text has a header; else recognized."),
]
Weighted = Annotated[
    bool, typer.Option("--weighted/--unweighted", help="Use the weights where edges carry any.")
]
Dim = Annotated[int, typer.Option(help="Length of a vector.")]
Pieces = Annotated[int | None, typer.Option(help="How many pieces.")]
MaxPieceEdges = Annotated[
    int | None,
    typer.Option(help="Matrix entries (an edge has two) a piece holds.  [5000000]"),
]
PartitionerName = Annotated[str, typer.Option(help="auto, metis or streaming.")]
BaseName = Annotated[str, typer.Option(help="prone, netmf, deepwalk or cleora.")]
FusionName = Annotated[str, typer.Option(help="merge, concat or procrustes.")]
Propagate = Annotated[int, typer.Option(help="Passes of spectral propagation, 0 to 2.")]
Directed = Annotated[bool, typer.Option("--directed", help="Edges have a direction.")]
TwoMode = Annotated[bool, typer.Option("--two-mode", help="Pairs are (element, set).")]
RandomState = Annotated[int, typer.Option(help="Seed of every random choice.")]
SideName = Annotated[str, typer.Option(help="Directed and two-mode: from or to.")]

_BUILD = "Example: graphagg embed build edges.txt.gz --out emb --dim 64 --max-piece-edges 2000000"
_ADD = "Example: graphagg embed add emb new_edges.txt"
_NEIGHBORS = "Example: graphagg embed neighbors emb --vertex alice --top-k 10"
_EXPORT = "Example: graphagg embed export emb --out vectors.txt --format word2vec"
_DRAW = "Example: graphagg embed draw emb --out picture.png --labels labels.txt"
_EVAL = "Example: graphagg embed eval edges.txt.gz --labels labels.txt --pieces 16"


@app.command("build", epilog=_BUILD)
def build(
    edges: Edges,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the index goes.")],
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
    master: Annotated[
        str | None, typer.Option(help="Where Spark runs, e.g. local[4].  [local[*]]")
    ] = None,
    dim: Dim = 128,
    pieces: Pieces = None,
    max_piece_edges: MaxPieceEdges = None,
    partitioner: PartitionerName = "auto",
    base: BaseName = "prone",
    fusion: FusionName = "merge",
    propagate: Propagate = 1,
    directed: Directed = False,
    two_mode: TwoMode = False,
    dtype: Annotated[str, typer.Option(help="Stored as float32 or float16.")] = "float32",
    random_state: RandomState = 0,
    ids: Ids = "auto",
    header: Header = None,
    weighted: Weighted = True,
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Embed a graph; an index that is there stays until the new one is complete."""
    from graphagg.embedding import NodeEmbedding

    if engine not in ("local", "spark"):
        raise InvalidParameter(f"engine is {engine!r}, wanted 'local' or 'spark'")
    config = _config(
        dim, pieces, max_piece_edges, partitioner, base, fusion, propagate, directed, two_mode,
        random_state, dtype,
    )  # fmt: skip
    meter = Meter()
    with progress_report() as report:
        make: Any = NodeEmbedding.build
        if engine == "spark":
            from graphagg.embedding.spark.build import build_with_spark
            from graphagg.spark.session import create_session

            make = partial(build_with_spark, create_session("graphagg embed", master))
        index = make(
            str(edges), out_dir, config=config, ids=ids, header=header, weighted=weighted,
            progress=report, force=force,
        )  # fmt: skip
    summary = {"index": str(out_dir), **index.manifest.counts, **meter.read()}
    if as_json:
        print_json({**summary, "partition": index.report.to_json()})
        return
    out.print(
        "{index}: {vertices:,} vertices, {edges:,} edges, {isolated:,} without an edge; "
        "{wall_seconds} s, {cpu_seconds} CPU s, peak {peak_memory_mib} MiB".format(**summary),
        markup=False,
    )
    _print_partition(index.report)


@app.command("add", epilog=_ADD)
def add(
    directory: Directory,
    edges: Annotated[Path, typer.Argument(help="Edges of new vertices.")],
    ids: Ids = "auto",
    header: Header = None,
    weighted: Weighted = True,
    as_json: AsJson = False,
) -> None:
    """Give new vertices vectors from their neighbors'; all others stay as they are."""
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index:
        change = index.add(edges, ids=ids, header=header, weighted=weighted).to_json()  # type: ignore[arg-type]  # checked there
    if as_json:
        print_json({"index": str(directory), **change})
        return
    parts = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in change.items())
    out.print(f"{directory}: {parts}", markup=False)


@app.command("neighbors", epilog=_NEIGHBORS)
def neighbors(
    directory: Directory,
    vertex: Annotated[str, typer.Option(help="The vertex.")],
    top_k: Annotated[int, typer.Option(help="How many.")] = 10,
    of: SideName = "from",
    among: Annotated[str | None, typer.Option(help="Compared with from or to.  [of]")] = None,
    dot: Annotated[bool, typer.Option("--dot", help="By dot product instead of cosine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the vertices whose vectors are nearest."""
    from graphagg.embedding import NodeEmbedding

    with NodeEmbedding.open(directory) as index:
        found = index.neighbors(vertex, top_k, of=of, among=among, normalized=not dot)  # type: ignore[arg-type]  # checked there
    if as_json:
        print_json({"vertex": vertex, "neighbors": [{"id": n.id, "score": n.score} for n in found]})
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("vertex")
    table.add_column("dot" if dot else "cosine", justify="right")
    for one in found:
        table.add_row(str(one.id).replace("[", r"\["), f"{one.score:.4f}")
    out.print(table)


@app.command("export", epilog=_EXPORT)
def export(
    directory: Directory,
    target: Annotated[Path, typer.Option("--out", help="The file.")],
    form: Annotated[str, typer.Option("--format", help="parquet or word2vec.")] = "parquet",
    side: SideName = "from",
) -> None:
    """Write the vectors for other programs."""
    from graphagg.embedding import NodeEmbedding
    from graphagg.embedding.export import write_vectors

    with NodeEmbedding.open(directory) as index:
        write_vectors(*index.side(side), target, form)  # type: ignore[arg-type]  # checked there
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
    from graphagg.embedding.evaluation.labels import read_labels
    from graphagg.embedding.picture import draw as paint

    with NodeEmbedding.open(directory) as index:
        names = read_labels(labels, index.vertices).first() if labels is not None else None
        paint(index, target, labels=names, random_state=random_state)
    err.print(f"wrote {target}", markup=False)


@app.command("eval", epilog=_EVAL)
def evaluate(
    edges: Edges,
    labels: Annotated[Path | None, typer.Option(help="Labels: classify nodes too.")] = None,
    holdout: Annotated[float, typer.Option(help="Share of edges held out; 0: no links.")] = 0.3,
    repeats: Annotated[int, typer.Option(help="Splits and embeddings.")] = 3,
    shuffles: Annotated[int, typer.Option(help="Of the labeled nodes, an embedding.")] = 10,
    dim: Dim = 128,
    pieces: Pieces = None,
    max_piece_edges: MaxPieceEdges = None,
    partitioner: PartitionerName = "auto",
    base: BaseName = "prone",
    fusion: FusionName = "merge",
    propagate: Propagate = 1,
    directed: Directed = False,
    two_mode: TwoMode = False,
    random_state: RandomState = 0,
    ids: Ids = "auto",
    header: Header = None,
    weighted: Weighted = True,
    as_json: AsJson = False,
) -> None:
    """Measure an embedding beside the unpartitioned control and simple heuristics."""
    from graphagg.embedding.evaluation.labels import read_labels
    from graphagg.embedding.evaluation.measure import classify_nodes, predict_links
    from graphagg.graph.weights import load_weighted

    config = _config(
        dim, pieces, max_piece_edges, partitioner, base, fusion, propagate, directed, two_mode,
        random_state,
    )  # fmt: skip
    graph, weights = load_weighted(
        edges, config.kind, ids=ids, header=header, weighted=weighted  # type: ignore[arg-type]  # checked there
    )  # fmt: skip
    if not holdout and labels is None:
        raise InvalidParameter("holdout is 0 and there are no labels: give --holdout or --labels")
    truth = None if labels is None else read_labels(labels, graph.rows)
    found: dict[str, Scores] = {}
    with progress_report() as report:
        if holdout:
            links = predict_links(
                graph, weights, config, holdout=holdout, repeats=repeats, progress=report
            )
            found["link_prediction"] = links.uniform
            found["link_prediction_degree_matched"] = links.matched
        if truth is not None:
            found["node_classification"] = classify_nodes(
                graph, weights, truth, config, repeats=repeats, shuffles=shuffles, progress=report
            )
    if truth is not None and truth.unknown:
        err.print(f"{truth.unknown:,} labels are of vertices not in the graph; left out")
    if as_json:
        shown: dict[str, Any] = {name: scores.to_json() for name, scores in found.items()}
        print_json({**shown, **({"unknown_labels": truth.unknown} if truth else {})})
        return
    for name, scores in found.items():
        _print_scores(name.replace("_", " "), scores)


def _config(
    dim: int, pieces: int | None, max_piece_edges: int | None, partitioner: str, base: str,
    fusion: str, propagate: int, directed: bool, two_mode: bool, random_state: int,
    dtype: str = "float32",
) -> EmbeddingConfig:  # fmt: skip
    from graphagg.embedding import EmbeddingConfig

    if directed and two_mode:
        raise InvalidParameter("--directed and --two-mode exclude each other; give one of them")
    options: dict[str, Any] = {
        "kind": "directed" if directed else "two-mode" if two_mode else "undirected",
        "partitioner": partitioner,
        "base": base,
        "fusion": fusion,
    }
    return EmbeddingConfig(
        dim=dim,
        pieces=pieces,
        max_piece_edges=max_piece_edges,
        propagate=propagate,
        dtype=dtype,  # type: ignore[arg-type]  # checked there
        random_state=random_state,
        **options,
    )


def _print_partition(report: PartitionReport) -> None:
    names = (
        "level", "pieces", "cut", "edge balance", "vertex balance", "border", "copies", "largest"
    )  # fmt: skip
    title = f"partition by {report.partitioner}, {report.hubs} nodes split"
    table = Table(*names, title=title, title_justify="left", box=None, pad_edge=False)
    for number, level in enumerate(report.levels, 1):
        shares = (
            level.cut, level.edge_balance, level.vertex_balance, level.border, level.copies,
            level.largest,
        )  # fmt: skip
        table.add_row(str(number), str(level.pieces), *(f"{share:.3f}" for share in shares))
    out.print(table)


def _print_scores(title: str, scores: Scores) -> None:
    measures = sorted({name for run in scores.runs.values() for name in run})
    table = Table("method", *measures, title=title, title_justify="left", box=None, pad_edge=False)
    shown = scores.to_json()
    for method, run in scores.runs.items():
        cells = []
        for measure in measures:
            place: Any = shown[method]
            for name in measure.split("/"):
                place = place.get(name, {})
            cells.append(f"{place['mean']:.4f} ± {place['std']:.4f}" if measure in run else "")
        table.add_row(method, *cells)
    out.print(table)
