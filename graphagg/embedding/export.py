"""Vectors in other programs' forms: Parquet, word2vec text, PyG, networkx, a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import one_of
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.results import Neighbors
from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.tables import Writer, save, table_writers

if TYPE_CHECKING:
    import networkx
    import pyarrow

    from graphagg.embedding.index import NodeEmbedding

_FORMS = {".parquet": "parquet", ".csv": "csv", ".txt": "word2vec", ".vec": "word2vec"}
MOST_POINTS = 10_000
FORMATS = ("parquet", "csv", "word2vec")


def write_vectors(
    ids: Sequence[VertexId], rows: Array, path: str | os.PathLike[str], form: str | None = None
) -> None:
    """Write vectors `[n, d]` with their ids; the whole file or none.

    `parquet` has columns `id` and `vector` (a list of d floats); `csv` a column `id` and d columns
    `v1`, `v2`, ... `word2vec` is its text format: a line `n d`, then one line per vertex; an id
    with white space in it cannot be written.

    Args:
        ids: of the vertices.
        rows: their vectors.
        path: the file.
        form: the format; None: by the suffix .parquet, .csv, .txt or .vec.

    Raises:
        InvalidParameter: another format or suffix, or an id that the format cannot hold.
        WriteFailed: the file system refuses.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "vectors.txt"
        >>> write_vectors(["a", "b"], np.eye(2, dtype=np.float32), path)
        >>> print(path.read_text(), end="")
        2 2
        a 1 0
        b 0 1
    """
    writers: dict[str, Writer] = {
        "parquet": lambda partial: _write_parquet(ids, rows, partial),
        "csv": table_writers(lambda: _wide_table(ids, rows))[".csv"],
        "word2vec": lambda partial: _write_word2vec(ids, rows, partial),
    }
    if form is None:
        save(path, {suffix: writers[name] for suffix, name in _FORMS.items()})
        return
    one_of("format", form, FORMATS)
    save(path, {Path(path).suffix.casefold(): writers[form]})


def _wide_table(ids: Sequence[VertexId], rows: Array) -> pyarrow.Table:
    import pyarrow as pa

    columns = {f"v{i + 1}": np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])}
    return pa.table({"id": list(ids), **columns})


def _write_parquet(ids: Sequence[VertexId], rows: Array, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(rows).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    pq.write_table(pa.table({"id": list(ids), "vector": vectors}), path)


def _write_word2vec(ids: Sequence[VertexId], rows: Array, path: Path) -> None:
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


def to_pyg(ids: Sequence[VertexId], rows: Array, targets: Array | None = None) -> Any:
    """PyG `Data` with `x` `[n, d]` float32, the ids as `vertex`, and `targets` as `x_to`.

    Args:
        ids: of the rows.
        rows: `[n, d]`.
        targets: of a directed graph, the vectors of the vertices as targets of edges.

    Raises:
        MissingExtra: torch or torch_geometric is not installed.
    """
    try:
        import torch
        from torch_geometric.data import Data
    except ImportError:
        raise MissingExtra("torch_geometric", "nn") from None
    data = Data(x=torch.from_numpy(np.array(rows, dtype=np.float32)), vertex=list(ids))
    if targets is not None:
        data.x_to = torch.from_numpy(np.array(targets, dtype=np.float32))
    return data


def to_networkx(ids: VertexIds, rows: Array, graph: Any, attribute: str = "vector") -> Any:
    """Set each vector as an attribute of its node in a networkx graph, and give the graph back.

    Nodes without a vector stay as they are.
    """
    for node in graph.nodes:
        row = ids.find(node)
        if row is not None:
            graph.nodes[node][attribute] = np.array(rows[row])
    return graph


def neighbor_graph(
    ids: Sequence[VertexId],
    rows: Array,
    pieces: Array,
    nearest: Callable[[VertexId], Neighbors] | None,
    attribute: str,
) -> networkx.Graph:
    """A networkx graph of vertices with their vector and `piece`.

    Args:
        ids: of the vertices.
        rows: `[n, d]` their vectors.
        pieces: `[n]`.
        nearest: gives the vertices that a vertex is joined with, where its vector is not zero.
        attribute: the vectors' name.
    """
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "embedding") from None
    graph = networkx.Graph()
    for vertex, row, piece in zip(ids, rows, pieces, strict=True):
        graph.add_node(vertex, piece=int(piece), **{attribute: np.array(row)})
    if nearest is not None:
        for vertex, row in zip(ids, rows, strict=True):
            if row.any():
                for near in nearest(vertex):
                    graph.add_edge(vertex, near.id, weight=near.score)
    return graph


def project(rows: Array, random_state: int = 0) -> Array:
    """t-SNE of rows at length 1, `[n, 2]`, by scikit-learn.

    Raises:
        InvalidParameter: under 3 rows.
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtra("scikit-learn", "embedding") from None
    if len(rows) < 3:
        raise InvalidParameter(f"{len(rows)} vertices have a vector, wanted 3 at least to draw")
    perplexity = min(30.0, (len(rows) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", random_state=random_state)
    with one_thread():  # on a few thousand points threads cost more than they give
        points: Array = model.fit_transform(rows)
    return points


def draw(
    index: NodeEmbedding,
    path: str | os.PathLike[str],
    *,
    labels: Sequence[str | None] | None = None,
    random_state: int = 0,
) -> None:
    """Draw the vertices, colored by piece, or by label where labels are given.

    Of a larger graph 10,000 vertices are drawn at random; those without a vector are left out.

    Args:
        index: the embedding.
        path: .png or .svg.
        labels: of each vertex, None where it has none.
        random_state: of the choice and of t-SNE.
    """
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted .png or .svg")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "embedding") from None
    rows = index.normalized()
    drawn = np.flatnonzero(rows.any(axis=1))
    if len(drawn) > MOST_POINTS:
        generator = np.random.default_rng(random_state)
        drawn = np.sort(generator.choice(drawn, MOST_POINTS, replace=False))
    colors = _colors(index, labels)[drawn]
    points = project(rows[drawn], random_state)
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(
        points[:, 0], points[:, 1], s=4, c=colors, cmap="tab20", vmin=0, vmax=19, linewidths=0
    )
    axes.set_title(f"{len(drawn):,} vertices, colored by {'label' if labels else 'piece'}")
    axes.set_axis_off()
    figure.savefig(target, dpi=120, metadata={"Date": None} if target.suffix == ".svg" else None)


def _colors(index: NodeEmbedding, labels: Sequence[str | None] | None) -> Array:
    if labels is None:
        return np.asarray(index.parts[: len(index)]) % 20
    names = sorted({label for label in labels if label is not None})
    colors = {label: i % 20 for i, label in enumerate(names)}
    return np.array([19 if label is None else colors[label] for label in labels])
