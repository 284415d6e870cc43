"""The index: saved, opened, equal, extended; and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.graphs.vectors.measure import embed_whole
from graphagg.embedding import EmbeddingConfig, NodeEmbedding, growth
from graphagg.embedding.build import embed
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.errors import (
    ArtifactError,
    CorruptArtifact,
    EmptyGraph,
    GraphAggError,
    InvalidGraph,
    InvalidParameter,
    NotAnArtifact,
    UnknownVertex,
)
from graphagg.graph import load_graph
from graphagg.graph.ids import VertexIds
from graphagg.graph.weights import load_weighted
from tests.unit.embedding.graphs import communities, graph

SMALL = EmbeddingConfig(dim=8, pieces=3)
HALF = EmbeddingConfig(dim=2, dtype="float16")


def similarity(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float64) @ vectors.T.astype(np.float64)


def test_two_builds_give_the_same_bytes_and_a_third_does_nothing(tmp_path):
    for name in "ab":
        NodeEmbedding.build(communities(), tmp_path / name, config=SMALL).close()
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in "ab"]
    assert manifests[0] == manifests[1]
    stages = []
    NodeEmbedding.build(
        communities(),
        tmp_path / "a",
        config=SMALL,
        progress=lambda stage, done, total: stages.append(stage),
    )
    assert stages == ["edges"]
    NodeEmbedding.open(tmp_path / "a", verify=True).close()


def test_a_question_is_answered_by_one_version(tmp_path, monkeypatch):
    """Also where another thread reopens the index after the question has begun."""
    index = NodeEmbedding.build(communities(60, 4), tmp_path / "a", config=SMALL)
    wanted = index.neighbors(5, 8)
    NodeEmbedding.build(
        [(u + 1000, v + 1000) for u, v in communities(90, 3)] + [(5, 1000)],
        tmp_path / "a",
        config=SMALL,
    ).close()
    known = VertexIds.known

    def reopen(ids, vertex):
        index.reopen()
        return known(ids, vertex)

    monkeypatch.setattr(VertexIds, "known", reopen)
    assert index.neighbors(5, 8) == wanted
    monkeypatch.undo()
    assert index.neighbors(5, 8) != wanted


def test_what_is_opened_is_what_was_embedded(tmp_path):
    index = NodeEmbedding.build(graph_pairs := communities(), tmp_path / "a", config=SMALL)
    built = embed(NetworkMatrix.from_graph(load_graph(graph_pairs)), SMALL)
    np.testing.assert_array_equal(index.vectors, built.vectors)
    assert index.partition_report == built.report
    assert index.vectors.dtype == np.float32
    lengths = np.linalg.norm(index.normalized(), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-6)
    np.testing.assert_array_equal(index.vector(5), index.vectors[index.find("5")])
    half = EmbeddingConfig(dim=8, pieces=3, dtype="float16")
    small = NodeEmbedding.build(graph_pairs, tmp_path / "b", config=half)
    assert small.vectors.dtype == np.float16
    np.testing.assert_allclose(small.vectors, index.vectors, atol=2e-3)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_names_do_not_matter(seed):
    """With exact decompositions, renaming the vertices only renames the vectors."""
    pairs = communities(40, 3, seed)
    names = np.random.default_rng(seed).permutation(40)
    config = EmbeddingConfig(dim=8, pieces=1)
    first = embed(NetworkMatrix.from_graph(load_graph(pairs, vertices=range(40))), config).vectors
    renamed = [(int(names[u]), int(names[v])) for u, v in pairs]
    second = embed(
        NetworkMatrix.from_graph(load_graph(renamed, vertices=range(40))), config
    ).vectors
    np.testing.assert_allclose(similarity(first), similarity(second[names]), atol=2e-3)


def test_pieces_give_what_the_whole_gives():
    """Leaves of full rank and d at the rank of the matrix: partition and order cannot show."""
    network = NetworkMatrix.from_graph(graph(50, 4))
    whole = embed_whole(network, EmbeddingConfig(dim=24))
    for pieces in (1, 2, 7):
        config = EmbeddingConfig(dim=24, pieces=pieces, leaf_rank=512)
        found = embed(network, config).vectors
        np.testing.assert_allclose(similarity(found), similarity(whole), atol=0.05)


def test_doubled_weights_change_nothing():
    pairs = communities(60, 4)
    rng = np.random.default_rng(0)
    weights = rng.random(len(pairs)) + 0.1
    config = EmbeddingConfig(dim=8, pieces=2)
    found = []
    for factor in (1.0, 2.0, 1024.0):
        triples = [(u, v, w * factor) for (u, v), w in zip(pairs, weights, strict=True)]
        found.append(embed(NetworkMatrix.from_graph(*load_weighted(triples)), config).vectors)
    lengths = [np.linalg.norm(v) for v in found]
    for vectors, length in zip(found[1:], lengths[1:], strict=True):
        np.testing.assert_allclose(vectors / length, found[0] / lengths[0], atol=1e-4)
    plain = embed(NetworkMatrix.from_graph(load_graph(pairs)), config).vectors
    assert np.abs(plain - found[0]).max() > 0.01


def test_isolated_vertices_have_zeros_and_are_counted(tmp_path):
    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL, vertices=[1000, 1001])
    assert index.manifest.counts["isolated"] == 2
    assert not index.vector(1000).any()
    assert index.vectors[:-2].any(axis=1).all()
    with pytest.raises(InvalidParameter, match="1000 has no edge"):
        index.neighbors(1000)


def test_neighbors_are_brute_forces(tmp_path):
    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    for normalized in (True, False):
        rows = index.normalized() if normalized else index.vectors
        scores = rows @ (rows[7] if normalized else index.vectors[7])
        scores[7] = -np.inf
        wanted = np.argsort(-scores)[:5]
        found = index.neighbors(7, 5, normalized=normalized)
        assert [n.id for n in found] == [index.vertices[int(i)] for i in wanted]
        np.testing.assert_allclose([n.score for n in found], scores[wanted], atol=1e-5)
    assert len(index.neighbors(7, 10_000)) == len(index) - 1


def test_directed_and_two_mode_have_two_sides(tmp_path):
    rng = np.random.default_rng(0)
    arcs = [(u, 100 + int(v)) for u in range(60) for v in rng.integers(0, 30, 5) + u % 2 * 30]
    index = NodeEmbedding.build(
        arcs, tmp_path / "a", config=EmbeddingConfig(dim=8, pieces=2, kind="directed")
    )
    assert index.vectors.shape == index.target_vectors.shape
    assert index.target_vectors[index.find(0)].any()  # no edge points at it: from its other side
    near = [int(n.id) for n in index.neighbors(1, 60, side="from", target_side="to")]
    targets = [vertex for vertex in near if vertex >= 100][:5]
    assert all(130 <= target < 160 for target in targets)
    pairs = [(f"e{v}", f"s{u}") for u, v in arcs]
    index = NodeEmbedding.build(
        pairs, tmp_path / "b", config=EmbeddingConfig(dim=8, pieces=2, kind="two-mode")
    )
    assert len(index.targets) == len({element for element, _ in pairs})
    assert len(index.vertices) == 60
    elements = index.neighbors("s1", 5, side="from", target_side="to")
    assert all(str(element.id) >= "e130" for element in elements)


# --- growing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("propagate", [1, 2])
def test_a_vertex_added_with_its_edges_has_the_vector_it_would_have(tmp_path, propagate):
    """Exact for the linear part: but for the loop, the row over the neighbors' sources."""
    config = EmbeddingConfig(dim=8, pieces=2, propagate=propagate)
    pairs = communities(100, 5)
    index = NodeEmbedding.build(pairs, tmp_path / "a", config=config)
    before = np.array(index.vectors)
    around = [int(v) for u, v in pairs if u == 17] + [int(u) for u, v in pairs if v == 17]
    around = sorted(set(around))
    index.add([(500, v) for v in around])
    network = NetworkMatrix.from_graph(load_graph(pairs))
    _, sources = embed(network, config).rotated(0, network.nodes)
    twin = index.vertices.find(17)
    mean = sources[around].mean(axis=0)
    wanted = before[twin] + (mean - sources[twin]) / np.sqrt(len(around) + 1)
    np.testing.assert_allclose(index.vector(500), wanted, atol=1e-4)
    np.testing.assert_array_equal(index.vectors[: len(before)], before)


def test_adding_in_any_order_of_names_and_counting(tmp_path):
    index = NodeEmbedding.build(
        [(2 * u, 2 * v) for u, v in communities(100, 5)], tmp_path / "a", config=SMALL
    )
    before = {v: np.array(index.vector(v)) for v in index.vertices}
    report = index.add([(1, 2), (1, 4), (3, 1), (2, 4), (9, 11)])
    assert report.added == 4 and report.details == {
        "vertices_without_vector": 2,
        "edges_used": 4,
        "edges_ignored": 1,
    }
    for vertex, vector in before.items():
        np.testing.assert_array_equal(index.vector(vertex), vector)
    assert index.vector(3).any()
    assert not index.vector(9).any()
    reopened = NodeEmbedding.open(tmp_path / "a", verify=True)
    assert len(reopened) == len(before) + 4
    assert reopened.manifest.counts["added"] == 4
    np.testing.assert_array_equal(reopened.vectors, index.vectors)
    index.add([(9, 2)])  # had no edge to a known vertex; now it has
    assert index.vector(9).any()


def test_a_change_goes_on_from_the_newest_version(tmp_path):
    first = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    count = len(first)
    with NodeEmbedding.open(tmp_path / "a") as second:
        second.add([(1000, 1)])
        assert len(first) == count
        first.add([(1001, 1)])
        assert len(first) == count + 2 and first.vector(1000).any()
        assert len(second) == count + 1
        second.reopen()
        assert len(second) == count + 2
        np.testing.assert_array_equal(second.vectors, first.vectors)


def test_adding_to_both_sides(tmp_path):
    arcs = communities(100, 5)
    index = NodeEmbedding.build(
        arcs, tmp_path / "a", config=EmbeddingConfig(dim=8, pieces=2, kind="directed")
    )
    index.add([(500, 3), (500, 4)])
    assert index.vector(500, "from").any()
    assert index.vector(500, "to").any()  # from its other side
    pairs = [(f"e{v}", f"s{u}") for u, v in arcs]
    two = EmbeddingConfig(dim=8, pieces=2, kind="two-mode")
    index = NodeEmbedding.build(pairs, tmp_path / "b", config=two)
    report = index.add([("e3", "new set"), ("new element", "s4")])
    assert report.added == 2
    assert index.vector("new set", "from").any()
    assert index.vector("new element", "to").any()


@pytest.mark.parametrize("kind", ["undirected", "directed", "two-mode"])
def test_deleting_what_was_added_leaves_the_arrays_as_they_were(tmp_path, kind):
    arcs = [(f"e{a}", f"s{b}") for a, b in communities(60, 4)]
    index = NodeEmbedding.build(arcs, tmp_path / "a", dim=8, pieces=2, kind=kind)
    counts, before = index.manifest.counts, arrays(index)
    stages = []
    index.add([("e3", "x"), ("e4", "x"), ("e4", "y")], progress=lambda *step: stages.append(step))
    assert stages == [("edges", 3, 3), ("vectors", 2, 2)] and arrays(index) != before
    assert index.delete_vertices(["y", "x"]).removed == 2
    assert arrays(index) == before
    assert {**index.manifest.counts, "edges": counts["edges"], "added": 0} == counts
    first = index.vertices[0]
    index.delete_vertices(first)
    assert len(index) == counts["vertices"] - 1 and first not in index.vertices
    with pytest.raises(UnknownVertex):
        index.delete_vertices(first)
    with pytest.raises(InvalidParameter, match="keep at least one"):
        index.delete_vertices(list(index.vertices))


def arrays(index):
    folder = index.directory / index.manifest.data
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "config", "error", "message"),
    [
        ([], SMALL, EmptyGraph, "no edge"),
        ([(1, 1)], SMALL, EmptyGraph, "self-loops and no other edge"),
        ([(1, 2, 1.0), (2, 3, float("nan"))], SMALL, InvalidGraph, "edge 2 has the weight nan"),
        ([(1, 2, 3e38), (2, 3, 3e38)], SMALL, InvalidGraph, "the weights sum to 1.2e\\+39"),
        ([(1, 2, 1e30), (2, 3, 1e30)], HALF, InvalidParameter, "'float16', which holds values"),
        ([(1, 2, 1e-30), (2, 3, 1e-30)], HALF, InvalidParameter, "'float16', which holds values"),
        (
            [(1, 2), (2, 3)],
            EmbeddingConfig(dim=2, pieces=4),
            InvalidParameter,
            "pieces is 4, but only 3 vertices",
        ),
    ],
)
def test_bad_graphs_leave_the_old_index(tmp_path, edges, config, error, message):
    NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL).close()
    before = (tmp_path / "a" / "manifest.json").read_bytes()
    with pytest.raises(error, match=message):
        NodeEmbedding.build(edges, tmp_path / "a", config=config)
    assert (tmp_path / "a" / "manifest.json").read_bytes() == before
    NodeEmbedding.open(tmp_path / "a", verify=True).close()
    with pytest.raises(error):
        NodeEmbedding.build(edges, tmp_path / "b", config=config)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_stored_vectors_that_are_not_finite_give_no_answer(tmp_path, bad):
    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL, kind="directed")
    vectors = np.array(index.vectors)
    vectors[3, 1] = bad
    index.snapshot.vectors = vectors
    for sides in ({}, {"side": "to", "target_side": "from"}, {"target_side": "to"}):
        with pytest.raises(CorruptArtifact, match="vectors are not finite"):
            index.neighbors(index.vertices[3], **sides)


def test_one_vertex():
    with pytest.raises(InvalidGraph, match="the graph has 1 vertex, expected at least 2"):
        NetworkMatrix.from_graph(load_graph([], vertices=[7], allow_empty=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 0}, "dim is 0"),
        ({"pieces": 0}, "pieces is 0"),
        ({"max_piece_edges": 1}, "max_piece_edges is 1"),
        ({"partitioner": "odd"}, "partitioner is 'odd', expected one of"),
        ({"kind": "odd"}, "kind is 'odd'"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"propagate": 3}, "propagate is 3, expected an integer from 1 to 2"),
    ],
)
def test_bad_parameters(changes, message):
    with pytest.raises(InvalidParameter, match=message):
        EmbeddingConfig(**changes)


def test_bad_requests(tmp_path):
    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    with pytest.raises(UnknownVertex, match="closest ids are 239"):
        index.neighbors(9999)
    with pytest.raises(InvalidParameter, match="k is 0"):
        index.neighbors(1, 0)
    with pytest.raises(InvalidParameter, match="unknown parameter `dims`, did you mean `dim`"):
        NodeEmbedding.build(communities(), tmp_path / "b", dims=2)
    with pytest.raises(InvalidParameter, match="side is 'odd'"):
        index.normalized("odd")
    with pytest.raises(NotAnArtifact):
        NodeEmbedding.open(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("x")
    with pytest.raises(ArtifactError, match=r"contains 'other\.txt'"):
        NodeEmbedding.build(communities(), tmp_path / "full", config=SMALL)


@settings(max_examples=15, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40),
    pieces=st.integers(1, 4),
    kind=st.sampled_from(["undirected", "directed", "two-mode"]),
)
def test_any_graph_gives_finite_vectors_or_a_named_error(pairs, pieces, kind):
    config = EmbeddingConfig(dim=2, pieces=pieces, kind=kind)
    try:
        found = embed(NetworkMatrix.from_graph(load_graph(pairs, kind)), config)
    except GraphAggError:
        return
    assert np.isfinite(found.vectors).all()
    assert (found.vectors.any(axis=1) | (found.piece_of == -2)).mean() > 0.3


def test_a_small_graph_gives_as_many_dimensions_as_it_has_directions(tmp_path):
    with NodeEmbedding.build([(1, 2), (2, 3)], tmp_path / "a") as index:
        width = index.vectors.shape[1]
        assert 0 < width <= 3 < index.config.dim
        assert np.isfinite(index.vectors).all()
        assert index.read_report.edges == 2
        index.add([(4, 1)])
        assert index.vectors.shape == (4, width)
    narrow = EmbeddingConfig(dim=width)
    with NodeEmbedding.build([(1, 2), (2, 3)], tmp_path / "b", config=narrow) as index:
        assert index.vectors.shape == (3, width)


def test_parameters_of_a_manifest_give_the_configuration_again(tmp_path, monkeypatch):
    """Also those of another version, whose vectors can be read but not added to."""
    config = EmbeddingConfig(dim=16, pieces=3)
    assert EmbeddingConfig.from_json(config.to_json()) == config
    older = config.to_json() | {"base": "prone", "fusion": "merge"}
    assert EmbeddingConfig.from_json(older) == config
    with NodeEmbedding.build(communities(20), tmp_path / "a", config=config) as index:
        monkeypatch.setattr(growth, "FILTER", "bands")
        with pytest.raises(ArtifactError, match="another version of graphagg built this index"):
            index.add([(500, 1)])
