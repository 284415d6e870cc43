"""Vectors in other programs' forms."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.embedding.results import write_vectors
from graphagg.errors import InvalidParameter
from tests.unit.embedding.graphs import communities

SMALL = EmbeddingConfig(dim=8, pieces=3)


def test_exports_give_the_vectors_back(tmp_path):
    from gensim.models import KeyedVectors

    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    write_vectors(*index.vectors_of("from"), tmp_path / "v.parquet")
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["id"].to_pylist() == list(index.vertices)
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), index.vectors)
    write_vectors(*index.vectors_of("from"), tmp_path / "v.txt")
    vectors = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    np.testing.assert_array_equal(vectors["17"], index.vector(17))
    with pytest.raises(InvalidParameter, match=r"suffix '\.odd'"):
        write_vectors(*index.vectors_of("from"), tmp_path / "v.odd")
    named = NodeEmbedding.build(
        [(f"a {u}", f"a {v}") for u, v in communities(60)], tmp_path / "b", config=SMALL
    )
    (tmp_path / "kept.txt").write_text("before")
    with pytest.raises(InvalidParameter, match="white space"):
        write_vectors(*named.vectors_of("from"), tmp_path / "kept.txt")
    assert (tmp_path / "kept.txt").read_text() == "before"
