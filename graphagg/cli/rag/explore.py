"""`graphagg rag graph`: the graph of a corpus, for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphagg.cli.output.console import AsJson, out, print_json
from graphagg.cli.rag.options import Directory, Exclude, Filters, Include, selected
from graphagg.rag.graph.config import GraphConfig
from graphagg.rag.graph.corpus_graph import EdgeKind

GRAPH = (
    "Example: graphagg rag graph idx --out edges.parquet --edges entities\n\n"
    "Example: graphagg rag graph idx --out corpus.graphml --filter 'year>=2000'"
)


def graph(
    directory: Directory,
    target: Annotated[
        Path, typer.Option("--out", help="File: .parquet, .csv; of all edges .graphml, .gexf too.")
    ],
    config: GraphConfig,
    edges: Annotated[
        EdgeKind,
        typer.Option(help="all; entities (of two that share sentences); passages (with entities)."),
    ] = "all",
    filters: Filters = None,
    include: Include = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Write the graph of passages and entities, for `communities build` and `embed build` too."""
    from graphagg.rag import PassageIndex

    visible = selected(filters, include, exclude, False)
    del visible["bridge_through_filtered"]
    with PassageIndex.open(directory) as opened:
        found = opened.graph(config=config, **visible)
    found.save(target, edges)
    sizes = found.to_json()
    if as_json:
        print_json({"file": str(target), "edges": edges, **sizes})
        return
    out.print(
        f"{target}: {sizes['passages']:,} passages, {sizes['entities']:,} entities, "
        f"{sizes['contains']:,} edges between them, {sizes['shares']:,} between entities",
        markup=False,
    )
