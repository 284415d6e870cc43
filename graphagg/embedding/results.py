"""Neighbors of a vertex, and export of vectors: Parquet and word2vec text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.fields import short
from graphagg.graph.ids import VertexId
from graphagg.tables import Tabular, ids_column, ranks_column, save

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Neighbor:
    """A neighbor of a vertex, with its score.

    Attributes:
        id: the vertex.
        score: cosine or dot product of the two vectors.
    """

    id: VertexId
    score: float


class Neighbors(tuple[Neighbor, ...], Tabular):
    """Neighbors of a vertex, nearest first: a tuple that can be exported as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Neighbors({len(self)}: {short([neighbor.id for neighbor in self])})"

    def to_arrow(self) -> pyarrow.Table:
        """Return a table with one row per neighbor: `rank` (from 1), `vertex`, `score`."""
        import pyarrow as pa

        return pa.table(
            {
                "rank": ranks_column(len(self)),
                "vertex": ids_column([neighbor.id for neighbor in self]),
                "score": pa.array([neighbor.score for neighbor in self], pa.float64()),
            }
        )


def write_vectors(ids: Sequence[VertexId], rows: Array, path: str | os.PathLike[str]) -> None:
    """Write vectors `[n, d]` with their ids, atomically.

    The suffix sets the format: .parquet has columns `id` and `vector` (a list of d floats); .txt
    and .vec are word2vec's text format: a line `n d`, then one line per vertex; ids must not
    contain white space.

    Raises:
        InvalidParameter: the suffix is unknown, or the format cannot store an id.
        WriteFailed: the file cannot be written.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "vectors.txt"
        >>> write_vectors(["a", "b"], np.eye(2, dtype=np.float32), path)
        >>> print(path.read_text(), end="")
        2 2
        a 1 0
        b 0 1
    """
    word2vec = partial(_write_word2vec, ids, rows)
    save(path, {".parquet": partial(_write_parquet, ids, rows), ".txt": word2vec, ".vec": word2vec})


def _write_parquet(ids: Sequence[VertexId], rows: Array, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    flat = pa.array(np.ascontiguousarray(rows).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    parquet.write_table(pa.table({"id": list(ids), "vector": vectors}), path)


def _write_word2vec(ids: Sequence[VertexId], rows: Array, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(ids)} {rows.shape[1]}\n")
        for vertex, row in zip(ids, rows, strict=True):
            name = str(vertex)
            if not name or len(name.split()) != 1:
                raise InvalidParameter(
                    f"id {name!r} is empty or contains white space, which word2vec text cannot "
                    "hold; write .parquet"
                )
            file.write(f"{name} {' '.join(f'{value:.9g}' for value in row.astype(float))}\n")
