"""`graphagg communities`: query and change a community index, or partition a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from graphagg.cli.folders import READING, Directory, K, find_edges
from graphagg.cli.options import FLAT
from graphagg.cli.output.console import (
    AsJson,
    err,
    out,
    print_changed,
    print_json,
    print_members,
    print_rows,
    progress_report,
)
from graphagg.communities.config import Method, QualityFunction
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.settings import EdgeReading, WeightedReading

if TYPE_CHECKING:
    from graphagg.communities import Community

RandomState = Annotated[int, Parameter(help="Random seed.")]
Target = Annotated[Path | None, Parameter("--out")]
_SHOWN = 1_000
"""Maximum number of members in a table: printing 100,000 takes 20 seconds."""


@dataclass(frozen=True)
class QueryOptions:
    """A query for the community of some vertices.

    Attributes:
        seed: a seed vertex; can be given several times.
        k: number of members to return besides the seeds.
        method: method that finds and ranks the members.
    """

    seed: list[str] | None = None
    k: K = 50
    method: Method = "fused"

    def community(self, directory: str) -> Community:
        """Query an index for the community."""
        from graphagg.communities import CommunityIndex

        with CommunityIndex.open(directory) as index:
            return index.query(self.seed or [], self.k, method=self.method)


Query = Annotated[QueryOptions, FLAT]


def query(
    directory: Directory, /, *, query: Query = QueryOptions(), target: Target = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Find the community of some vertices.

    Example: graphagg communities query comm --seed alice --seed bob -k 20

    Args:
        target: output file: .csv, .parquet or .json; or the graph as .graphml or .gexf.
    """
    community = query.community(directory)
    if target is not None:
        community.save(target)
        err.print(f"wrote {target}", markup=False)
    if as_json:
        print_json(community.to_json())
        return
    print_members(community.members[:_SHOWN])
    if len(community) > _SHOWN:
        omitted = f"{len(community) - _SHOWN:,} of {len(community):,} members are not shown"
        err.print(f"{omitted}; --json prints all, --out FILE writes all", markup=False)
    for note in community.notes:
        err.print(f"note: {note}", markup=False)


def structure(
    directory: Directory,
    /,
    *,
    query: Query = QueryOptions(),
    picture: Target = None,
    resolution: float = 1.0,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Split a community into sub-communities, and draw them.

    Example: graphagg communities structure comm --seed alice --out community.svg

    Args:
        picture: output file of the drawing: .png, .svg or .pdf.
        resolution: larger values give more sub-communities.
    """
    community = query.community(directory)
    similarity = community.structure(resolution=resolution, random_state=random_state)
    if picture is not None:
        names = ", ".join(str(name) for name in community.seeds[:5])
        similarity.draw(picture, title=f"Community of {names}")
        err.print(f"wrote {picture}; it shows {similarity.describe()}", markup=False)
    if as_json:
        print_json(similarity.to_json())
        return
    for rank, vertices in enumerate(similarity.communities(), 1):
        out.print(f"{rank}: {' '.join(map(str, vertices))}", markup=False)


def detect(
    edges: list[str],
    /,
    *,
    reading: Annotated[WeightedReading, READING] = WeightedReading(),
    file: Target = None,
    kind: GraphKind = "undirected",
    objective: QualityFunction = "modularity",
    resolution: float = 1.0,
    iterations: int = 2,
    restarts: int = 1,
    start: Path | None = None,
    fixed: list[str] | None = None,
    random_state: RandomState = 0,
    as_json: AsJson = False,
) -> None:
    """Partition a whole graph into communities, without an index and without seeds.

    Example: graphagg communities detect edges.csv --out communities.csv

    Example: graphagg communities detect more.csv --start communities.csv --out now.csv

    Args:
        edges: files of edges, as for `communities build`.
        kind: kind of graph; an edge of a two-mode graph is (element, set).
        file: output file: .csv, .parquet or .json; or the graph as .graphml or .gexf.
        objective: quality function: modularity, or cpm (communities denser than the resolution).
        resolution: larger values give more communities.
        iterations: number of iterations of Leiden; -1 iterates until the partition no longer
            improves.
        restarts: number of runs with different seeds; the best partition is kept.
        start: partition to start from (.csv, .parquet); communities keep their numbers.
        fixed: a vertex that stays in its community of --start; can be given several times.
    """
    from graphagg.communities import detect as partitioned

    partition = partitioned(
        find_edges(edges), kind=kind, objective=objective, resolution=resolution,
        iterations=iterations, restarts=restarts, start=start, fixed=fixed or (),
        random_state=random_state, **vars(reading),
    )  # fmt: skip
    if file is not None:
        partition.save(file)
    if as_json:
        print_json(partition.to_json())
        return
    changes = [] if partition.changes is None else partition.changes.describe()
    if tries := partition.restarts:
        changes.append(f"{objective} of {restarts} restarts: {min(tries):.4f} to {max(tries):.4f}")
    for note in [*partition.graph.report.notes(), *changes]:
        err.print(note, markup=False)
    print_rows([{
        "communities": len(partition), "largest": int(partition.sizes.max()),
        "vertices": len(partition.vertices), "modularity": partition.modularity,
    }])  # fmt: skip
    if file is not None:
        err.print(f"wrote {file}", markup=False)
    else:
        err.print("--out FILE writes the partition: .csv, .parquet, .json, .graphml", markup=False)


def add(
    directory: Directory, edges: Path, /, *,
    reading: Annotated[EdgeReading, READING] = EdgeReading(), as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add edges to an index. The result equals an index built from the larger graph.

    Example: graphagg communities add comm new_edges.csv

    Args:
        edges: file with the edges to add.
    """
    from graphagg.communities import CommunityIndex

    with CommunityIndex.open(directory) as index, progress_report() as progress:
        report = index.add(edges, columns=reading, progress=progress)
        print_changed(directory, report.to_json(), index.manifest, as_json)


def delete(
    directory: Directory,
    /,
    *,
    reading: Annotated[EdgeReading, READING] = EdgeReading(),
    edges: Path | None = None,
    vertex: list[str] | None = None,
    as_json: AsJson = False,
) -> None:
    """Delete edges, or vertices with their edges. The result equals a rebuilt index.

    Example: graphagg communities delete comm --vertex alice --vertex bob

    Args:
        edges: file with the edges to delete; their vertices stay in the index.
        vertex: a vertex to delete; can be given several times.
    """
    from graphagg.communities import CommunityIndex

    if (edges is None) == (not vertex):
        raise InvalidParameter("give either --edges FILE or --vertex V (several times if needed)")
    with CommunityIndex.open(directory) as index, progress_report() as progress:
        if edges is not None:
            report = index.delete(edges, columns=reading, progress=progress)
        else:
            report = index.delete_vertices(vertex or [], progress=progress)
        print_changed(directory, report.to_json(), index.manifest, as_json)
