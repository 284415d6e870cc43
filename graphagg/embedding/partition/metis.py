"""The partitioner METIS (Karypis and Kumar, 1998), balanced by node weights."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Ints
from graphagg.embedding.partition.report import SLACK, Parts
from graphagg.errors import MissingExtra
from graphagg.graph.csr import Csr


def metis(matrix: Csr, weights: Ints, count: int, seed: int) -> Parts:
    """Parts `[N]` of a symmetric pattern.

    Raises:
        MissingExtra: pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise MissingExtra("pymetis", "embedding") from None
    if count == 1:
        return np.zeros(matrix.rows, dtype=np.int32)
    options = pymetis.Options(ufactor=round(1000 * (SLACK - 1)), seed=seed % 2**31)
    _, piece_of = pymetis.part_graph(
        count,
        pymetis.CSRAdjacency(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)),
        vweights=np.maximum(weights, 1),
        options=options,
        recursive=False,
    )
    return np.asarray(piece_of, dtype=np.int32)
