"""A graph of another law than `benchmarks.scaling.inputs`, quicker to generate: for 10^8 edges on.

Of n edges each begins at place u^2.2 of n / 12 vertices, for a uniform u; three in four end within
500 places of there, the others at a place of the same law.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_EDGES_A_VERTEX = 12
_POWER = 2.2
_NEAR, _SHARE = 500, 0.75
_BLOCK = 4_000_000


def write_quick(path: Path, edges: int, random_state: int = 0) -> None:
    """Write the graph as Parquet with `src` and `dst`, uncompressed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator, count = np.random.default_rng(random_state), edges // _EDGES_A_VERTEX
    schema = pa.schema({"src": pa.int32(), "dst": pa.int32()})
    options = {"compression": "none", "use_dictionary": False}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for start in range(0, edges, _BLOCK):
            size = min(_BLOCK, edges - start)
            first, far = (_places(generator, count, size) for _ in range(2))
            near = first + generator.integers(-_NEAR, _NEAR + 1, size)
            second = np.where(generator.random(size) < _SHARE, near % count, far)
            ends = {"src": first.astype(np.int32), "dst": second.astype(np.int32)}
            writer.write_table(pa.table(ends, schema))


def _places(generator: np.random.Generator, count: int, size: int) -> np.ndarray:
    return (generator.random(size) ** _POWER * count).astype(np.int64)
