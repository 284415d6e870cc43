"""Vectors in other programs' forms: Parquet, word2vec text, PyG, networkx."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.errors import InvalidParameter, MissingExtra

if TYPE_CHECKING:
    import networkx

    from graphagg.embedding.config import Side
    from graphagg.embedding.index import NodeEmbedding

FORMATS = ("parquet", "word2vec")


def write_vectors(
    index: NodeEmbedding, path: str | os.PathLike[str], form: str, side: Side = "from"
) -> None:
    """Write the vectors of one side; whole or not at all.

    `parquet` has columns `id` and `vector` (a list of d floats). `word2vec` is its text format:
    a line `n d`, then a line a vertex; an id with white space in it cannot be written.

    Raises:
        InvalidParameter: another format, or such an id.
    """
    if form not in FORMATS:
        raise InvalidParameter(f"format is {form!r}, wanted one of {FORMATS}")
    target = Path(path)
    partial = target.with_name(f".{target.name}.part")
    try:
        (_write_parquet if form == "parquet" else _write_word2vec)(index, partial, side)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(index: NodeEmbedding, path: Path, side: Side) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, rows = index.side(side)
    flat = pa.array(np.ascontiguousarray(rows).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    pq.write_table(pa.table({"id": list(ids), "vector": vectors}), path)


def _write_word2vec(index: NodeEmbedding, path: Path, side: Side) -> None:
    ids, rows = index.side(side)
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(ids)} {rows.shape[1]}\n")
        for vertex, row in zip(ids, rows, strict=True):
            name = str(vertex)
            if not name or len(name.split()) != 1:
                raise InvalidParameter(
                    f"id {name!r} is empty or has white space in it, which word2vec text cannot "
                    "hold; take the format parquet"
                )
            file.write(f"{name} {' '.join(f'{value:.9g}' for value in row.astype(float))}\n")


def to_pyg(index: NodeEmbedding) -> Any:
    """PyG `Data` with `x` `[n, d]` float32 (directed: also `x_to`) and the ids as `vertex`.

    Raises:
        MissingExtra: torch or torch_geometric is not installed.
    """
    try:
        import torch
        from torch_geometric.data import Data
    except ImportError:
        raise MissingExtra("torch_geometric", "nn") from None
    rows = torch.from_numpy(np.array(index.vectors, dtype=np.float32))
    data = Data(x=rows, vertex=list(index.vertices))
    if index.config.kind != "undirected":
        data.x_to = torch.from_numpy(np.array(index.target_vectors, dtype=np.float32))
    return data


def to_networkx(index: NodeEmbedding, graph: Any, attribute: str = "vector") -> Any:
    """Set each vector as an attribute of its node in a networkx graph, and give the graph back.

    Nodes that the index does not have stay without.
    """
    for node in graph.nodes:
        number = index.vertices.find(node)
        if number is not None:
            graph.nodes[node][attribute] = np.array(index.vectors[number])
    return graph


def neighbor_graph(index: NodeEmbedding, attribute: str, neighbors: int) -> networkx.Graph:
    """The index's vertices with vector and `piece`; see `NodeEmbedding.to_networkx`."""
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "embedding") from None
    if neighbors < 0:
        raise InvalidParameter(f"neighbors is {neighbors}, wanted at least 0")
    graph = networkx.Graph()
    for vertex, row, piece in zip(index.vertices, index.vectors, index.parts, strict=False):
        graph.add_node(vertex, piece=int(piece), **{attribute: np.array(row)})
    if neighbors:
        for vertex, row in zip(index.vertices, index.vectors, strict=True):
            if row.any():
                for near in index.neighbors(vertex, neighbors):
                    graph.add_edge(vertex, near.id, weight=near.score)
    return graph
