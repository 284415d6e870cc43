"""An embedding in bounded memory: the same bytes, whatever is kept in files or read by parts."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.embedding import EmbeddingConfig, NodeEmbedding, build, index, memory
from graphagg.embedding.build import embed
from graphagg.embedding.memory import LEAST_PIECE, Needs, fitting
from graphagg.embedding.prone import tasks
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.errors import InvalidParameter, WriteFailed
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks
from graphagg.graph.weights import load_weighted
from graphagg.store import ranges
from tests.unit.embedding.graphs import communities, graph

SMALL = EmbeddingConfig(dim=40, pieces=3)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    pieces=st.integers(1, 5),
    passes=st.integers(0, 2),
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
        np.testing.assert_array_equal(files.vectors, whole.vectors)
        np.testing.assert_array_equal(files.sources, whole.sources)
    assert files.report == whole.report
    np.testing.assert_array_equal(files.log_q_of(0, 90), whole.log_q_of(0, 90))


@pytest.mark.parametrize("kind", ["undirected", "directed", "two-mode"])
@pytest.mark.parametrize("passes", [0, 1])
def test_an_index_built_over_files_has_the_same_bytes(tmp_path, monkeypatch, kind, passes):
    config = replace(SMALL, kind=kind, propagate=passes)
    NodeEmbedding.build(communities(), tmp_path / "memory", config=config).close()
    monkeypatch.setattr(index, "IN_MEMORY", 1)
    kept = []

    def noted(*arguments):
        kept.append(arguments[3])
        return embed(*arguments)

    monkeypatch.setattr(index, "embed", noted)
    NodeEmbedding.build(communities(), tmp_path / "files", config=config).close()
    assert kept[0] is not None and not kept[0].exists()
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("memory", "files")]
    assert manifests[0] == manifests[1]
    assert not [path for path in (tmp_path / "files").iterdir() if path.name.startswith(".tmp")]


def test_a_step_leaves_only_what_the_next_ones_read(tmp_path):
    embed(NetworkMatrix.from_graph(graph()), SMALL, folder=tmp_path)
    left = {path.name for path in tmp_path.glob("*.npy")}
    assert left == {"strength.npy", "arrived.npy", "loops.npy", "pass1.3.npy", "pass1.4.npy"}


# --- what a disk must hold -----------------------------------------------------------------------


def full(patch, free):
    usage = shutil.disk_usage("/")._replace(free=free)
    patch.setattr(ranges.shutil, "disk_usage", lambda folder: usage)


def size_of(folder):
    with os.scandir(folder) as entries:
        return sum(size_of(e) if e.is_dir() else e.stat().st_size for e in entries)


def taken_and_asked(patch, edges, folder, config):
    """The most that a build over files has on the disk, and what the checks asked for before."""
    most, asked = 0, []

    def watched(method):
        def run(self, *arguments, **named):
            nonlocal most
            result = method(self, *arguments, **named)
            most = max(most, size_of(folder))
            return result

        return run

    def check(folder, needed, what):
        asked.append(needed)

    patch.setattr(index, "IN_MEMORY", 1)
    patch.setattr(memory, "check_space", check)
    # What is written has its size from the start.
    patch.setattr(FileArrays, "create", watched(FileArrays.create))
    patch.setattr(Blocks, "save", watched(Blocks.save))
    NodeEmbedding.build(edges, folder, config=config).close()
    return most, asked


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    reach=st.sampled_from([20, 1500]),
    hubs=st.integers(0, 8),
    dim=st.sampled_from([4, 40, 128]),
    pieces=st.integers(1, 20),
    leaf_rank=st.sampled_from([8, 64]),
    propagate=st.integers(0, 2),
    kind=st.sampled_from(["undirected", "directed", "two-mode"]),
    dtype=st.sampled_from(["float32", "float16"]),
)
def test_a_build_takes_no_more_of_a_disk_than_it_asked_for(
    tmp_path_factory, seed, reach, hubs, **options
):
    folder, generator = tmp_path_factory.mktemp("a") / "index", np.random.default_rng(seed)
    sources = generator.integers(0, 1500, 8000)
    edges = np.stack([sources, (sources + generator.integers(1, reach, 8000)) % 1500], axis=1)
    stars = np.stack([np.repeat(np.arange(hubs), 1500), np.tile(np.arange(1500), hubs)], axis=1)
    config = EmbeddingConfig(iterations=0, **options)
    with pytest.MonkeyPatch.context() as patch:
        most, asked = taken_and_asked(patch, np.concatenate([edges, stars]), folder, config)
    assert len(asked) == 2
    assert most <= asked[1]


def test_a_disk_that_is_too_small_is_named_before_the_work_begins(tmp_path, monkeypatch):
    full(monkeypatch, 1000)
    monkeypatch.setattr(index, "embed", None)
    with pytest.raises(WriteFailed, match=r"0\.0 GiB are free, wanted .* vectors and sources of"):
        NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)


def test_halos_that_do_not_fit_are_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "IN_MEMORY", 1)
    monkeypatch.setattr(build, "factorization", None)
    many = replace(SMALL, pieces=30, leaf_rank=128)
    asked = []
    monkeypatch.setattr(memory, "check_space", lambda folder, needed, what: asked.append(needed))
    with pytest.raises(TypeError):  # the factorization, which is None
        NodeEmbedding.build(communities(), tmp_path / "a", config=many, vertices=range(240))
    assert asked[0] < asked[1]
    monkeypatch.undo()
    monkeypatch.setattr(index, "IN_MEMORY", 1)
    monkeypatch.setattr(build, "factorization", None)
    full(monkeypatch, asked[0])
    with pytest.raises(WriteFailed, match=r"GiB are free, wanted .* of [\d,]+ columns"):
        NodeEmbedding.build(communities(), tmp_path / "a", config=many, vertices=range(240))


# --- what a memory chooses -----------------------------------------------------------------------

LARGE = Needs(2_000_000, 25_000_000, 2_000_000, 16_000_000)


@given(memory=st.integers(1, 1 << 36))
def test_what_is_chosen_fits_or_the_least_that_works_is_named(memory):
    config = EmbeddingConfig()
    try:
        chosen = fitting(config, LARGE, memory)
    except InvalidParameter as error:
        least = int(str(error).split("wanted ")[1].split(" MiB")[0].replace(",", ""))
        assert memory < (least + 1) << 20
        fitting(config, LARGE, (least + 1) << 20)
        return
    assert LARGE.memory(chosen) <= memory
    assert (chosen.max_piece_edges or LEAST_PIECE) >= LEAST_PIECE
    assert replace(chosen, max_piece_edges=None, partitioner="auto") == config


def test_enough_memory_changes_nothing_and_no_memory_asks_nothing():
    config = EmbeddingConfig()
    assert fitting(config, LARGE, 1 << 40) == config
    assert fitting(config, Needs(10**9, 10**11, 10**9, 0), None) is config


def test_what_the_configuration_says_is_not_chosen_again():
    config = EmbeddingConfig(pieces=4, partitioner="metis")
    assert fitting(config, LARGE, 1 << 36) == config
    with pytest.raises(InvalidParameter, match="let pieces be chosen"):
        fitting(config, LARGE, 1 << 29)


def test_a_memory_that_is_too_small_for_a_build(tmp_path):
    with pytest.raises(InvalidParameter, match=r"memory is 1 MiB, wanted \d+ MiB at least"):
        NodeEmbedding.build(communities(), tmp_path / "a", memory="1MiB")
    with pytest.raises(InvalidParameter, match="a size such as 8GiB"):
        NodeEmbedding.build(communities(), tmp_path / "a", memory="much")


def test_weights_of_a_cover_are_turned_with_their_entries():
    triples = [(0, 5, 2.0), (0, 3, 0.5), (1, 5, 0.25), (2, 3, 8.0)]
    network = NetworkMatrix.from_graph(*load_weighted(triples, "two-mode"))
    matrix = network.matrix
    dense = np.zeros((matrix.rows, matrix.rows))
    for row in range(matrix.rows):
        dense[row, matrix.row(row)] = matrix.values(row)
    np.testing.assert_array_equal(dense, dense.T)
    assert sorted(matrix.entries) == sorted(2 * [2.0, 0.5, 0.25, 8.0])
