"""Graphs of networkx in and out, and tables of pyarrow and pandas."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.communities import Community, CommunityConfig, CommunityIndex, Member
from graphagg.communities.config import METHODS
from graphagg.errors import InvalidParameter
from tests.unit.communities.graphs import KINDS, jaccard, real_pairs, sets_of

CLASSES = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(pairs=real_pairs, k=st.integers(1, 30), data=st.data())
def test_a_community_is_the_part_of_the_graph_among_its_vertices(
    tmp_path_factory, kind, pairs, k, data
):
    path = tmp_path_factory.mktemp("nx") / "a"
    with CommunityIndex.build(pairs, path, config=CommunityConfig(kind=kind)) as index:
        ends = [a if kind in ("undirected", "directed-out") else b for a, b in pairs if a != b]
        seed = data.draw(st.sampled_from(ends))
        found = index.query([seed], k)
        graph = found.to_networkx()
        ids = [*found.seeds, *(member.id for member in found.members)]
        assert list(graph) == ids
        if kind == "two-mode":
            sets = sets_of(pairs, kind, False)
            for i, a in enumerate(ids):
                for b in ids[:i]:
                    weight = graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0.0
                    assert weight == pytest.approx(jaccard(sets[a], sets[b]))
        else:
            whole = nx.DiGraph() if kind.startswith("directed") else nx.Graph()
            whole.add_edges_from((a, b) for a, b in pairs if a != b)
            assert graph.is_directed() == whole.is_directed()
            ends = tuple if whole.is_directed() else frozenset
            assert set(map(ends, graph.edges)) == set(map(ends, whole.subgraph(ids).edges))
        assert [v for v, is_seed in graph.nodes(data="seed") if is_seed] == list(found.seeds)
        for rank, member in enumerate(found.members, 1):
            node = graph.nodes[member.id]
            assert (node["rank"], node["score"]) == (rank, member.score)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    edges = nx.les_miserables_graph()
    with CommunityIndex.build(edges, tmp_path_factory.mktemp("tables") / "a") as one:
        yield one


@pytest.mark.parametrize("method", METHODS)
def test_tables_hold_the_members(index, method):
    found = index.query(["Valjean", "Javert"], 20, method=method)
    table, frame = found.to_arrow(), found.to_pandas()
    assert isinstance(table, pa.Table) and isinstance(frame, pd.DataFrame)
    assert table.schema.field("vertex").type == pa.string()
    members = found.members
    assert table["rank"].to_pylist() == list(range(1, len(members) + 1))
    assert table["vertex"].to_pylist() == [member.id for member in members]
    assert table["score"].to_pylist() == [member.score for member in members]
    assert table["why"].to_pylist() == [member.explain() for member in members]
    for name in members[0].scores:
        assert table[f"score_{name}"].to_pylist() == [m.scores[name] for m in members]
    pd.testing.assert_frame_equal(frame, table.to_pandas())
    assert pa.Table.from_pandas(frame, preserve_index=False).equals(table)


def test_integers_stay_integers_and_no_member_is_no_row(tmp_path):
    with CommunityIndex.build([(2**62, 1), (1, 5)], tmp_path / "a") as index:
        table = index.query([1], 5).to_arrow()
        assert table.schema.field("vertex").type == pa.int64()
        assert 2**62 in table["vertex"].to_pylist()
    empty = Community(seeds=(7,), members=(), method="fused", plan="exact")
    assert empty.to_arrow().schema.names == ["rank", "vertex", "score", "why"]
    assert empty.to_arrow().schema.field("vertex").type == pa.int64()
    assert len(empty.to_pandas()) == 0
    assert Member("a", 1.0, {}, ()).explain() == "reached through others"


@pytest.mark.parametrize("call", ["structure", "to_networkx"])
def test_a_community_made_by_hand_says_that_it_knows_no_graph(call):
    made = Community(seeds=(7,), members=(), method="fused", plan="exact")
    with pytest.raises(InvalidParameter, match=r"not the result of a query, so it has no graph"):
        getattr(made, call)()


def test_an_answer_keeps_the_version_that_gave_it(tmp_path):
    index = CommunityIndex.build([(0, 1), (1, 2), (2, 0), (2, 3)], tmp_path / "a")
    answer = index.query([0], 3)
    before = (answer.structure().to_json(), sorted(answer.to_networkx().edges))
    index.delete([(0, 1)])
    assert (answer.structure().to_json(), sorted(answer.to_networkx().edges)) == before
    assert not index.query([0], 3).to_networkx().has_edge(0, 1)
