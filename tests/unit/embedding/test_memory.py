"""An embedding in bounded memory: the same bytes, whatever is kept in files or read by parts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.embedding import EmbeddingConfig, NodeEmbedding, build
from graphagg.embedding.build import NUMBERS, ORDER, PARTS, REPORT, STARTS, embed
from graphagg.embedding.prone import tasks
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.errors import WriteFailed
from graphagg.graph.weights import load_weighted
from graphagg.store import ranges
from tests.unit.embedding.graphs import communities, graph, values_of

SMALL = EmbeddingConfig(dim=40, pieces=3)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1000),
    pieces=st.integers(1, 5),
    passes=st.integers(1, 2),
    gathered=st.integers(1, 10**5),
    resident=st.integers(1, 10**5),
)
def test_files_and_parts_of_rows_change_no_byte(
    tmp_path_factory, seed, pieces, passes, gathered, resident
):
    network = NetworkMatrix.from_graph(graph(90, 5, seed))
    config = EmbeddingConfig(dim=40, pieces=pieces, propagate=passes)
    whole = embed(network, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_GATHERED", gathered)
        patch.setattr(ranges, "RESIDENT", resident)
        patch.setattr(tasks, "NODES_PER_SHARD", 7)
        files = embed(network, config, folder=tmp_path_factory.mktemp("state"))
        for first, second in zip(files.rotated(0, 90), whole.rotated(0, 90), strict=True):
            np.testing.assert_array_equal(first, second)
    assert files.report == whole.report


@pytest.mark.parametrize("kind", ["undirected", "directed", "two-mode"])
def test_an_index_built_over_files_has_the_same_bytes(tmp_path, monkeypatch, kind):
    config = replace(SMALL, kind=kind)
    NodeEmbedding.build(communities(), tmp_path / "memory", config=config).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "IN_MEMORY", 1)
    kept = []

    def noted(*arguments):
        kept.append(arguments[3])
        return embed(*arguments)

    monkeypatch.setattr(build, "embed", noted)
    NodeEmbedding.build(communities(), "files", config=config).close()
    assert kept[0] is not None and not kept[0].exists()
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("memory", "files")]
    assert manifests[0] == manifests[1]
    assert not [path for path in (tmp_path / "files").iterdir() if path.name.startswith(".tmp")]


def test_a_step_leaves_only_what_the_next_ones_read(tmp_path):
    embed(NetworkMatrix.from_graph(graph()), SMALL, folder=tmp_path)
    left = {path.name for path in tmp_path.glob("*.npy")}
    stages = {"strength.npy", "arrived.npy", "loops.npy", "pass1.8.npy", "pass1.9.npy"}
    assert left - {f"{name}.npy" for name in (PARTS, NUMBERS, ORDER, STARTS, REPORT)} == stages


def test_weights_of_a_cover_are_turned_with_their_entries():
    triples = [(0, 5, 2.0), (0, 3, 0.5), (1, 5, 0.25), (2, 3, 8.0)]
    network = NetworkMatrix.from_graph(*load_weighted(triples, "two-mode"))
    matrix = network.matrix
    dense = np.zeros((matrix.rows, matrix.rows))
    for row in range(matrix.rows):
        dense[row, matrix.row(row)] = values_of(matrix, row)
    np.testing.assert_array_equal(dense, dense.T)
    assert sorted(matrix.entries) == sorted(2 * [2.0, 0.5, 0.25, 8.0])


def test_a_small_disk_is_named_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
    monkeypatch.setattr(build, "IN_MEMORY", 1)
    ran = []
    with pytest.raises(
        WriteFailed, match=r"0\.0 GiB are free, expected 0\.0 GiB for the embedding"
    ):
        NodeEmbedding.build(
            communities(2_000), tmp_path / "out", config=replace(SMALL, dim=64),
            progress=lambda stage, *_: ran.append(stage),
        )  # fmt: skip
    assert ran == ["edges"] and not (tmp_path / "out").exists()
