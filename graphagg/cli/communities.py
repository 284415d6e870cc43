"""`graphagg communities`: build, query, evaluate and change an index of communities."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from graphagg.cli.output.console import AsJson, Meter, err, out, print_json, progress_report
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.communities import Community, CommunityIndex
    from graphagg.communities.evaluation.measure import Evaluation
    from graphagg.graph import ReadReport

app = typer.Typer(help="Communities around seed vertices, in milliseconds.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The index directory.")]
OutDir = Annotated[Path, typer.Option("--out", help="Where the index goes.")]
Seeds = Annotated[list[str] | None, typer.Option("--seed", help="A seed vertex; repeat it.")]
TopK = Annotated[int, typer.Option(help="Members besides the seeds.")]
Sweep = Annotated[bool, typer.Option("--sweep", help="A sweep cut chooses how many members.")]
MethodName = Annotated[
    str,
    typer.Option(help="fused, minhash, jaccard, agglomerative, pagerank or containment."),
]
PlanName = Annotated[str, typer.Option(help="How candidates are found: auto, exact, lsh or scan.")]
Ids = Annotated[str, typer.Option(help="Read text ids as auto, integer or string.")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether text has a header; else recognized."),
]
RandomState = Annotated[int, typer.Option(help="Seed of every random choice.")]

_BUILD = "Example: graphagg communities build edges.txt.gz --out comm --kind undirected"
_QUERY = "Example: graphagg communities query comm --seed alice --seed bob --top-k 20"
_STRUCTURE = "Example: graphagg communities structure comm --seed alice --out community.svg"
_EVAL = "Example: graphagg communities eval comm truth.txt --method fused --method jaccard"
_ADD = "Example: graphagg communities add comm new_edges.csv"
_REMOVE = "Example: graphagg communities remove comm --vertex alice --vertex bob"
_MERGE = "Example: graphagg communities merge comm-2024 comm-2025 --out comm"
_SHELL = (
    "Example: graphagg communities shell comm --seed alice\n\n"
    "Example: printf 'seed alice\\nmore 20\\nsave found.csv\\n' | graphagg communities shell comm"
)


@app.command("build", epilog=_BUILD)
def build(
    edges: Annotated[Path, typer.Argument(help="Text (gz), CSV, Parquet, GML, .jlg or JSON.")],
    out_dir: OutDir,
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
    master: Annotated[
        str | None, typer.Option(help="Where Spark runs, e.g. local[4].  [local[*]]")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="undirected, directed-in, directed-out or two-mode.")
    ] = "undirected",
    closed: Annotated[
        bool | None,
        typer.Option("--closed/--open", help="Does a vertex belong to its own set? [closed]"),
    ] = None,
    permutations: Annotated[int, typer.Option(help="Slots of a signature.")] = 128,
    bands: Annotated[int | None, typer.Option(help="LSH bands.  [64]")] = None,
    rows: Annotated[int | None, typer.Option(help="Slots a band.  [2]")] = None,
    similarity: Annotated[
        float | None, typer.Option(help="Choose bands and rows for this Jaccard similarity.")
    ] = None,
    ids: Ids = "auto",
    header: Header = None,
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index a graph; an index that is there stays until the new one is complete."""
    from graphagg.communities import CommunityIndex, IndexConfig
    from graphagg.communities.similarity.lsh import choose_bands

    if engine not in ("local", "spark"):
        raise InvalidParameter(f"engine is {engine!r}, wanted 'local' or 'spark'")
    if similarity is not None:
        if bands is not None or rows is not None:
            raise InvalidParameter("--similarity chooses bands and rows; give it or them, not both")
        bands, rows = choose_bands(permutations, similarity)
    config = IndexConfig(
        kind=kind,  # type: ignore[arg-type]  # checked there
        closed=closed,
        permutations=permutations,
        bands=64 if bands is None else bands,
        rows=2 if rows is None else rows,
    )
    meter = Meter()
    with progress_report() as report:
        make: Any = CommunityIndex.build
        if engine == "spark":
            from graphagg.communities.spark import build_with_spark
            from graphagg.spark.session import create_session

            make = partial(build_with_spark, create_session("graphagg communities", master))
        index = make(
            str(edges),
            out_dir,
            config=config,
            ids=ids,
            header=header,
            progress=report,
            force=force,
        )
    _print_summary(out_dir, index, index.report, meter, as_json)


@app.command("query", epilog=_QUERY)
def query(
    directory: Directory,
    seed: Seeds = None,
    top_k: TopK = 50,
    sweep: Sweep = False,
    method: MethodName = "fused",
    plan: PlanName = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the community of some vertices."""
    community = _ask(directory, seed, top_k, sweep, method, plan)
    if as_json:
        print_json(community.to_json())
        return
    table = Table(box=None, pad_edge=False)
    for name in ("vertex", "score", "why"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for member in community.members:
        table.add_row(_plain(member.id), f"{member.score:.4g}", _plain(member.explain()))
    out.print(table)
    err.print(f"method {community.method}, plan {community.plan}", markup=False)
    if community.conductance is not None:
        err.print(f"conductance {community.conductance:.3f}", markup=False)
    for note in community.notes:
        err.print(f"note: {note}", markup=False)


@app.command("structure", epilog=_STRUCTURE)
def structure(
    directory: Directory,
    picture: Annotated[
        Path | None, typer.Option("--out", help="Write a picture here, .png or .svg.")
    ] = None,
    seed: Seeds = None,
    top_k: TopK = 50,
    sweep: Sweep = False,
    method: MethodName = "fused",
    plan: PlanName = "auto",
    resolution: Annotated[float, typer.Option(help="Larger gives more sub-communities.")] = 1.0,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Part a community into sub-communities, and draw it."""
    community = _ask(directory, seed, top_k, sweep, method, plan)
    found = community.structure(resolution=resolution, random_state=random_state)
    if picture is not None:
        names = ", ".join(str(name) for name in community.seeds[:5])
        found.draw(picture, title=f"Community of {names}")
        err.print(f"wrote {picture}", markup=False)
    if as_json:
        print_json(found.to_json())
        return
    for number, part in enumerate(found.communities(), 1):
        out.print(f"{number}: {' '.join(str(vertex) for vertex in part)}", markup=False)


@app.command("shell", epilog=_SHELL)
def shell(
    directory: Directory,
    seed: Seeds = None,
    method: MethodName = "fused",
) -> None:
    """Explore communities at a prompt, or by commands on standard input, one a line."""
    from graphagg.cli.shell.communities import CommunityShell
    from graphagg.cli.shell.prompt import converse
    from graphagg.communities import CommunityIndex

    with CommunityIndex.open(directory) as index:
        code = converse(CommunityShell(index, seed or (), method), "communities")
    raise typer.Exit(code)


@app.command("eval", epilog=_EVAL)
def evaluate(
    directory: Directory,
    communities: Annotated[Path, typer.Argument(help="The true communities.")],
    seeds: Annotated[int, typer.Option(help="Seeds drawn of each community.")] = 5,
    draws: Annotated[int, typer.Option(help="Times they are drawn.")] = 5,
    min_size: Annotated[int, typer.Option(help="Smallest community.")] = 12,
    max_size: Annotated[int | None, typer.Option(help="Largest community.")] = None,
    max_communities: Annotated[
        int | None, typer.Option(help="So many communities, drawn at random.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="A method; repeat it to compare.  [fused]")
    ] = None,
    plan: Annotated[
        list[str] | None, typer.Option(help="A plan; repeat it to compare.  [auto]")
    ] = None,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Measure how much of true communities is found from a few of their members."""
    from graphagg.communities import CommunityIndex
    from graphagg.communities.config import check_method, check_plan
    from graphagg.communities.evaluation.ground_truth import read_communities
    from graphagg.communities.evaluation.measure import draw_seeds
    from graphagg.communities.evaluation.measure import evaluate as run

    methods = [check_method(name) for name in method or ["fused"]]
    plans = [check_plan(name) for name in plan or ["auto"]]
    results: list[Evaluation] = []
    with CommunityIndex.open(directory) as index, progress_report() as report:
        truth = read_communities(communities, index.vertices)
        chosen = truth.select(min_size, max_size, max_communities, random_state)
        questions = draw_seeds(chosen, seeds, draws, random_state)
        for name in methods:
            for kind in plans:
                results.append(
                    run(
                        index,
                        questions,
                        method=name,
                        plan=kind,
                        random_state=random_state,
                        progress=report,
                    )
                )
    if truth.unknown:
        err.print(f"{truth.unknown:,} members are not in the graph; left out", markup=False)
    if as_json:
        _print_evaluations(results, truth.unknown)
    else:
        _table_evaluations(results)


@app.command("add", epilog=_ADD)
def add(
    directory: Directory,
    edges: Annotated[Path, typer.Argument(help="Edges to add.")],
    ids: Ids = "auto",
    header: Header = None,
    as_json: AsJson = False,
) -> None:
    """Add edges; the result equals a build of the larger graph."""
    from graphagg.communities import CommunityIndex

    with CommunityIndex.open(directory) as index, progress_report() as report:
        change = index.add_edges(
            edges,
            ids=ids,  # type: ignore[arg-type]  # checked there
            header=header,
            progress=report,
        )
    _print_change(directory, change.to_json(), as_json)


@app.command("remove", epilog=_REMOVE)
def remove(
    directory: Directory,
    edges: Annotated[Path | None, typer.Option(help="Edges to remove; vertices stay.")] = None,
    vertex: Annotated[list[str] | None, typer.Option(help="A vertex to remove; repeat it.")] = None,
    ids: Ids = "auto",
    header: Header = None,
    as_json: AsJson = False,
) -> None:
    """Remove edges, or vertices with their edges; the result equals a build of what is left."""
    from graphagg.communities import CommunityIndex

    if (edges is None) == (not vertex):
        raise InvalidParameter("give --edges FILE, or --vertex V one or more times, and not both")
    with CommunityIndex.open(directory) as index, progress_report() as report:
        if edges is not None:
            change = index.remove_edges(
                edges,
                ids=ids,  # type: ignore[arg-type]  # checked there
                header=header,
                progress=report,
            )
        else:
            change = index.remove_vertices(vertex or [], progress=report)
    _print_change(directory, change.to_json(), as_json)


@app.command("merge", epilog=_MERGE)
def merge(
    shards: Annotated[list[Path], typer.Argument(help="Indices built with the same parameters.")],
    out_dir: OutDir,
    as_json: AsJson = False,
) -> None:
    """Merge indices that were built apart; the result equals one build of all edges."""
    from graphagg.communities import CommunityIndex

    meter = Meter()
    with progress_report() as report:
        index = CommunityIndex.merge(list(shards), out_dir, progress=report)
    _print_summary(out_dir, index, None, meter, as_json)


def _ask(
    directory: Path, seed: list[str] | None, top_k: int, sweep: bool, method: str, plan: str
) -> Community:
    from graphagg.communities import CommunityIndex
    from graphagg.communities.config import check_method, check_plan

    with CommunityIndex.open(directory) as index:
        return index.query(
            seed or [],
            None if sweep else top_k,
            method=check_method(method),
            plan=check_plan(plan),
        )


def _print_summary(
    directory: Path,
    index: CommunityIndex,
    read: ReadReport | None,
    meter: Meter,
    as_json: bool,
) -> None:
    size = sum(entry.bytes for entry in index.manifest.files.values())
    summary: dict[str, Any] = {
        "index": str(directory),
        **index.manifest.counts,
        "bytes": size,
        **({"read": read.to_json()} if read is not None else {}),
        **meter.read(),
    }
    if as_json:
        print_json(summary)
        return
    out.print(
        "{index}: {vertices:,} vertices, {edges:,} edges, {bytes:,} bytes; {wall_seconds} s, "
        "{cpu_seconds} CPU s, peak {peak_memory_mib} MiB".format(**summary),
        markup=False,
    )
    if read is not None:
        for name, value in read.to_json().items():
            if value and name not in ("edges", "edges_read"):
                err.print(f"{name.replace('_', ' ')}: {value}", markup=False)


def _print_change(directory: Path, change: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"index": str(directory), **change})
        return
    parts = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in change.items())
    out.print(f"{directory}: {parts}", markup=False)


def _print_evaluations(results: list[Evaluation], unknown: int) -> None:
    rows = [{**result.to_json(), "unknown_members": unknown} for result in results]
    print_json(rows[0] if len(rows) == 1 else {"runs": rows})


def _table_evaluations(results: list[Evaluation]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("method", "plan", "communities", "recall", "95 %", "area", "ms p50", "ms p99"):
        table.add_column(name, justify="left" if name in ("method", "plan") else "right")
    for run in results:
        low, high = run.recall_interval
        table.add_row(
            run.method,
            run.plan,
            str(run.communities),
            f"{run.recall:.3f}",
            f"{low:.3f}-{high:.3f}",
            f"{run.recall_auc:.3f}",
            f"{run.latency_ms['p50']:.2f}",
            f"{run.latency_ms['p99']:.2f}",
        )
    out.print(table)


def _plain(value: object) -> str:
    """Text with nothing that the console would take for markup."""
    return str(value).replace("[", r"\[")
