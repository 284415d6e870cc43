"""`graphagg communities`: build, query and change an index of communities, or partition a graph.

The options of `build` come from `cli/builds/graphs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.builds.graphs import CommunitiesBuild, find_edges
from graphagg.cli.builds.run import build_command, merge_indices
from graphagg.cli.folders import Directory, K, OutDir, Shards, opened
from graphagg.cli.options import command
from graphagg.cli.output.console import (
    AsJson,
    Meter,
    err,
    out,
    print_changed,
    print_json,
    print_rows,
    progress_report,
)
from graphagg.cli.output.results import print_members
from graphagg.cli.shell import EXTRA
from graphagg.communities.config import Method, check_method
from graphagg.errors import InvalidParameter
from graphagg.graph.reading.settings import EdgeReading, NeededWeights, WeightedReading

if TYPE_CHECKING:
    from graphagg.communities import Community

app = typer.Typer(help="Communities around seed vertices, in milliseconds.", no_args_is_help=True)

RandomState = Annotated[int, typer.Option(help="Seed of every random choice.")]

_BUILD = "Example: graphagg communities build edges.txt.gz --out comm --kind undirected"
_QUERY = "Example: graphagg communities query comm --seed alice --seed bob -k 20"
_STRUCTURE = "Example: graphagg communities structure comm --seed alice --out community.svg"
_EVAL = "Example: graphagg communities eval comm truth.txt --method fused --method jaccard"
_ADD = "Example: graphagg communities add comm new_edges.csv"
_DELETE = "Example: graphagg communities delete comm --vertex alice --vertex bob"
_MERGE = "Example: graphagg communities merge comm-2024 comm-2025 --out comm"
_DETECT = "Example: graphagg communities detect edges.csv --out communities.csv"
_TABLE_OUT = "File to write: .csv, .parquet or .json; the graph as .graphml or .gexf."
_SHOWN = 1_000
"""Members in a table at most: 100,000 would take 20 seconds."""
_SIZES = 10
"""Communities whose sizes are printed."""
_SHELL = (
    "Example: graphagg communities shell comm --method jaccard\n\n"
    "Example: printf 'alice bob\\nstructure --seed alice\\n' | graphagg communities shell comm"
)


app.command("build", epilog=_BUILD)(build_command(CommunitiesBuild))


@dataclass(frozen=True)
class QueryOptions:
    """A query for the community of some vertices.

    Attributes:
        seed: seed vertex; repeat it for several.
        k: number of members besides the seeds.
        sweep: choose the number of members by a sweep cut.
        method: how members are found and ranked.
    """

    seed: list[str] | None = None
    k: int = field(default=50, metadata=K)
    sweep: bool = field(default=False, metadata={"flags": "--sweep"})
    method: Method = "fused"

    def community(self, directory: PathLike[str]) -> Community:
        """Answer the query from an index."""
        from graphagg.communities import CommunityIndex

        k = None if self.sweep else self.k
        with opened(CommunityIndex, directory) as index:
            return index.query(self.seed or [], k, method=self.method)


def query(
    directory: Directory,
    query: QueryOptions,
    target: Annotated[Path | None, typer.Option("--out", help=_TABLE_OUT)] = None,
    as_json: AsJson = False,
) -> None:
    """Find the community of some vertices."""
    community = query.community(directory)
    if target is not None:
        community.save(target)
        err.print(f"wrote {target}", markup=False)
    if as_json:
        print_json(community.to_json())
        return
    print_members(community.members[:_SHOWN])
    if len(community) > _SHOWN:
        left = f"{len(community) - _SHOWN:,} of {len(community):,} members are not shown"
        err.print(f"{left}; --json prints and --out FILE writes all", markup=False)
    if community.conductance is not None:
        err.print(f"conductance {community.conductance:.3f}", markup=False)
    for note in community.notes:
        err.print(f"note: {note}", markup=False)


def structure(
    directory: Directory,
    query: QueryOptions,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write a picture (.png, .svg), a table (.csv, .parquet, .json) or the similarity "
            "graph (.graphml, .gexf).",
        ),
    ] = None,
    resolution: Annotated[float, typer.Option(help="Larger gives more sub-communities.")] = 1.0,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Split a community into sub-communities, and draw them."""
    community = query.community(directory)
    similarity = community.structure(resolution=resolution, random_state=random_state)
    if picture is not None:
        names = ", ".join(str(name) for name in community.seeds[:5])
        similarity.save(picture, title=f"Community of {names}")
        err.print(f"wrote {picture}", markup=False)
    if as_json:
        print_json(similarity.to_json())
        return
    for rank, vertices in enumerate(similarity.communities(), 1):
        out.print(f"{rank}: {' '.join(map(str, vertices))}", markup=False)


@app.command("shell", epilog=_SHELL, context_settings=EXTRA)
def shell(context: typer.Context, directory: Directory) -> None:
    """Explore communities at a prompt, or with lines on standard input.

    A line holds seed vertices, or a command of this group without the index; help lists them.
    Options of query given here apply to each line of seeds.
    """
    from graphagg.cli.shell import Shell, converse, split
    from graphagg.communities import CommunityIndex

    def seeds(line: str) -> list[str]:
        return [word for seed in split(line) for word in ("--seed", seed)]

    prompt = Shell(app, directory, "query", seeds, context.args)
    with CommunityIndex.open(directory) as index:
        raise typer.Exit(converse(prompt, index, "communities"))


@app.command("eval", epilog=_EVAL)
def evaluate(
    directory: Directory,
    communities: Annotated[Path, typer.Argument(help="The true communities.")],
    seeds: Annotated[int, typer.Option(help="Number of seeds drawn per community.")] = 5,
    draws: Annotated[int, typer.Option(help="Number of draws of seeds per community.")] = 5,
    min_size: Annotated[int, typer.Option(help="Smallest community.")] = 12,
    max_size: Annotated[int | None, typer.Option(help="Largest community.")] = None,
    max_communities: Annotated[
        int | None, typer.Option(help="Number of communities, drawn at random.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method; repeat it to compare.", show_default="fused"),
    ] = None,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Measure the recall of true communities from a few of their members."""
    from graphagg.communities import CommunityIndex
    from graphagg.communities.evaluation import draw_seeds, read_communities
    from graphagg.communities.evaluation import evaluate as measure

    methods = [check_method(name) for name in method or ["fused"]]
    with CommunityIndex.open(directory) as index, progress_report() as report:
        truth = read_communities(communities, index.vertices)
        chosen = truth.select(min_size, max_size, max_communities, random_state)
        questions = draw_seeds(chosen, seeds, draws, random_state)
        results = [
            measure(index, questions, method=name, random_state=random_state, progress=report)
            for name in methods
        ]
    if truth.unknown:
        err.print(f"{truth.unknown:,} members are not in the graph; left out", markup=False)
    if as_json:
        runs = [{**result.to_json(), "unknown_members": truth.unknown} for result in results]
        print_json(runs[0] if len(runs) == 1 else {"runs": runs})
        return
    print_rows(
        [
            {
                "method": run.method,
                "communities": run.communities,
                "recall": run.recall,
                "95 %": "{:.3f}-{:.3f}".format(*run.recall_interval),
                "area": run.recall_auc,
                "ms p50": run.latency_ms["p50"],
                "ms p99": run.latency_ms["p99"],
            }
            for run in results
        ]
    )


def detect_all(
    edges: Annotated[list[str], typer.Argument(help="Edges, as communities build takes them.")],
    reading: WeightedReading,
    written: Annotated[Path | None, typer.Option("--out", help=_TABLE_OUT)] = None,
    resolution: Annotated[
        list[float] | None,
        typer.Option(help="Larger gives more communities; repeat it to compare.", show_default="1"),
    ] = None,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Partition a whole graph into communities, without an index and without seeds."""
    from graphagg.communities import sweep

    resolutions = resolution or [1.0]
    if len(resolutions) > 1 and written is not None:
        raise InvalidParameter("--out writes one partition; give one --resolution")
    partitions = sweep(find_edges(edges), resolutions, random_state=random_state, **vars(reading))
    if len(partitions) > 1:
        rows = [
            {"resolution": each, "communities": len(p), "largest": int(p.sizes[0]),
             "modularity": p.modularity}
            for each, p in partitions.items()
        ]  # fmt: skip
        if as_json:
            print_json({"sweep": rows})
        else:
            print_rows(rows)
        return
    (partition,) = partitions.values()
    if written is not None:
        partition.save(written)
    if as_json:
        print_json(partition.to_json())
        return
    for note in partition.graph.report.notes():
        err.print(note, markup=False)
    sizes = partition.sizes.tolist()
    listed = ", ".join(f"{size:,}" for size in sizes[:_SIZES])
    more = f" and {len(sizes) - _SIZES:,} smaller" if len(sizes) > _SIZES else ""
    out.print(
        f"{len(sizes):,} communities of {len(partition.vertices):,} vertices, "
        f"modularity {partition.modularity:.3f}",
        markup=False,
    )
    out.print(f"sizes: {listed}{more}", markup=False)
    if written is not None:
        err.print(f"wrote {written}", markup=False)
    else:
        err.print("--out FILE writes the partition: .csv, .parquet, .json, .graphml", markup=False)


def add(
    directory: Directory,
    edges: Annotated[Path, typer.Argument(help="Edges to add.")],
    reading: NeededWeights,
    as_json: AsJson = False,
) -> None:
    """Add edges; the result equals a build of the larger graph. Weights add up."""
    from graphagg.communities import CommunityIndex

    meter = Meter()
    with CommunityIndex.open(directory) as index, progress_report() as progress:
        report = index.add(edges, **vars(reading), progress=progress)
        print_changed(directory, report.to_json(), index.manifest, meter, as_json)


def delete(
    directory: Directory,
    reading: EdgeReading,
    edges: Annotated[Path | None, typer.Option(help="Edges to delete; vertices stay.")] = None,
    vertex: Annotated[list[str] | None, typer.Option(help="A vertex to delete; repeat it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Delete edges, or vertices with their edges; the result equals a build of the rest."""
    from graphagg.communities import CommunityIndex

    if (edges is None) == (not vertex):
        raise InvalidParameter("give --edges FILE or --vertex V (which can be repeated), not both")
    meter = Meter()
    with CommunityIndex.open(directory) as index, progress_report() as progress:
        if edges is not None:
            report = index.delete(edges, **vars(reading), progress=progress)
        else:
            report = index.delete_vertices(vertex or [], progress=progress)
        print_changed(directory, report.to_json(), index.manifest, meter, as_json)


app.command("query", epilog=_QUERY)(command(query))
app.command("structure", epilog=_STRUCTURE)(command(structure))
app.command("detect", epilog=_DETECT)(command(detect_all))
app.command("add", epilog=_ADD)(command(add))
app.command("delete", epilog=_DELETE)(command(delete))


@app.command("merge", epilog=_MERGE)
def merge(shards: Shards, out_dir: OutDir, as_json: AsJson = False) -> None:
    """Merge indices of parts of a graph; the result equals one build of all edges."""
    from graphagg.communities import CommunityIndex

    merge_indices(CommunityIndex, shards, out_dir, as_json)
