"""Export of vectors: Parquet, Arrow, CSV, word2vec text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.graph.ids import VertexId
from graphagg.tables import Writer, save, table_writers

if TYPE_CHECKING:
    import pyarrow


def write_vectors(ids: Sequence[VertexId], rows: Array, path: str | os.PathLike[str]) -> None:
    """Write vectors `[n, d]` with their ids, atomically.

    By the suffix: .parquet and .arrow (an IPC file) have columns `id` and `vector` (a list of d
    floats); .npy the vectors alone, in the order of the ids; .csv a column `id` and d columns `v1`,
    `v2`, ...; .txt and .vec are word2vec's text format: a line `n d`, then one line per vertex; ids
    must not contain white space.

    Raises:
        InvalidParameter: another suffix, or an id that the format cannot hold.
        WriteFailed: the file system refuses.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "vectors.txt"
        >>> write_vectors(["a", "b"], np.eye(2, dtype=np.float32), path)
        >>> print(path.read_text(), end="")
        2 2
        a 1 0
        b 0 1
    """
    from pyarrow import feather, parquet

    def word2vec(partial: Path) -> None:
        _write_word2vec(ids, rows, partial)

    writers: dict[str, Writer] = {
        ".parquet": lambda partial: parquet.write_table(_list_table(ids, rows), partial),
        ".arrow": lambda partial: feather.write_feather(_list_table(ids, rows), partial),
        ".npy": lambda partial: np.save(partial, rows, allow_pickle=False),
        ".csv": table_writers(lambda: _wide_table(ids, rows))[".csv"],
    }
    save(path, {**writers, ".txt": word2vec, ".vec": word2vec})


def _wide_table(ids: Sequence[VertexId], rows: Array) -> pyarrow.Table:
    import pyarrow as pa

    columns = {f"v{i + 1}": np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])}
    return pa.table({"id": list(ids), **columns})


def _list_table(ids: Sequence[VertexId], rows: Array) -> pyarrow.Table:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(rows).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    return pa.table({"id": list(ids), "vector": vectors})


def _write_word2vec(ids: Sequence[VertexId], rows: Array, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(ids)} {rows.shape[1]}\n")
        for vertex, row in zip(ids, rows, strict=True):
            name = str(vertex)
            if not name or len(name.split()) != 1:
                raise InvalidParameter(
                    f"id {name!r} is empty or has white space in it, which word2vec text cannot "
                    "hold; write .parquet"
                )
            file.write(f"{name} {' '.join(f'{value:.9g}' for value in row.astype(float))}\n")
