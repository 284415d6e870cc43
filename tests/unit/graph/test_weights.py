"""Edges with and without weights: every reader gives the graph and the sums of a plain dict."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from functools import reduce
from operator import add
from pathlib import Path

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidGraph
from graphagg.graph import load_graph
from graphagg.graph.graph import GRAPH_KINDS
from graphagg.graph.reading import files, sources
from graphagg.graph.weights import load_weighted

WEIGHTS = st.floats(0, 2.0**100) | st.integers(0, 3).map(float) | st.just(0.1)
NUMBERS = st.integers(0, 9) | st.integers(0, 2**63 - 1)
NAMES = st.text('ab ",é', max_size=3).map(lambda name: f"x{name}y")


def edge_lists(ids):
    return st.lists(st.tuples(ids, ids, WEIGHTS), min_size=1, max_size=40)


EDGES = edge_lists(NUMBERS) | edge_lists(NAMES) | edge_lists(st.integers(0, 2))


def sums_of(edges, kind):
    """The weight of each entry by its ids: repeats are added up in float64, smallest first."""
    repeats = defaultdict(list)
    for source, target, weight in edges:
        if kind == "two-mode":
            repeats[target, source].append(weight)
        elif source != target:
            repeats[source, target].append(weight)
            if kind == "undirected":
                repeats[target, source].append(weight)
    return {pair: np.float32(reduce(add, sorted(found))) for pair, found in repeats.items()}


def entries_of(graph, weights):
    matrix = graph.adjacency
    assert len(weights) == len(matrix.indices)
    return {
        (graph.rows[row], graph.columns[int(matrix.indices[i])]): weights[i]
        for row in range(matrix.rows)
        for i in range(matrix.indptr[row], matrix.indptr[row + 1])
    }


def forms(folder, edges, kind):
    """The same pairs or triples in every form that can hold them."""
    names = ["src", "dst", "weight"][: len(edges[0])]
    columns = dict(zip(names, map(list, zip(*edges, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "edges.parquet", row_group_size=7)
    yield folder / "edges.parquet"
    with (folder / "edges.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *edges])
    yield folder / "edges.csv"
    text = "# comment\n" + "".join("\t".join(map(str, edge)) + "\n" for edge in edges)
    (folder / "edges.txt").write_text(text, encoding="utf-8")
    yield folder / "edges.txt"
    (folder / "edges.txt.gz").write_bytes(gzip.compress(text.encode()))
    yield folder / "edges.txt.gz"
    yield edges
    yield tuple(edges)
    yield iter(edges)
    graph = nx.MultiDiGraph()
    graph.add_edges_from((edge[0], edge[1], {"weight": w}) for edge in edges for w in edge[2:])
    graph.add_edges_from(edge for edge in edges if len(edge) == 2)
    if kind != "two-mode":  # there, all its vertices are sets too
        yield graph
    if all(isinstance(end, int) and end < 2**53 for edge in edges for end in edge[:2]):
        yield np.array(edges)


def header_of(form):
    """Random names in a first line may read as a header, so the text says that it has none."""
    return False if isinstance(form, Path) and ".txt" in form.name else None


@pytest.mark.parametrize("kind", GRAPH_KINDS)
@settings(deadline=None)
@given(edges=EDGES)
def test_every_reader_gives_the_sums_of_a_dict(tmp_path_factory, kind, edges):
    sums = sums_of(edges, kind)
    assume(sums)
    folder = tmp_path_factory.mktemp("edges")
    with pytest.MonkeyPatch.context() as patch:  # several blocks and batches each
        patch.setattr(files, "BLOCK", 512)
        patch.setattr(sources, "EDGES_AT_ONCE", 7)
        for form in forms(folder, edges, kind):
            graph, weights = load_weighted(form, kind, header=header_of(form))
            assert weights is not None and weights.dtype == np.float32, form
            assert entries_of(graph, weights) == sums, form
            assert graph.adjacency.data is None
            assert (graph.report.edges_read, graph.report.weights_ignored) == (len(edges), 0)
        plain = load_graph([edge[:2] for edge in edges], kind)
        assert graph.digest() == plain.digest()


@pytest.mark.parametrize("kind", GRAPH_KINDS)
@settings(deadline=None)
@given(edges=EDGES)
def test_pairs_have_no_weights_in_any_form(tmp_path_factory, kind, edges):
    assume(sums_of(edges, kind))
    pairs = [edge[:2] for edge in edges]
    reference = load_graph(pairs, kind)
    for form in forms(tmp_path_factory.mktemp("pairs"), pairs, kind):
        graph, weights = load_weighted(form, kind, header=header_of(form))
        assert weights is None, form
        assert graph.digest() == reference.digest(), form
    for form in forms(tmp_path_factory.mktemp("triples"), edges, kind):
        if isinstance(form, np.ndarray):
            continue  # [E, 3] has weights or is refused
        graph, weights = load_weighted(form, kind, weighted=False, header=header_of(form))
        assert weights is None
        assert graph.digest() == reference.digest(), form
        assert graph.report.weights_ignored == len(edges), form


@pytest.mark.parametrize(
    ("lines", "ignored"),
    [
        (["1 2 x", "2 3 4", "4 5 {}"], 1),
        (["1 2", "2 3 4"], 1),
        (["1 2 1_0", "2 3 4"], 1),
        (["a b {'weight': 1}"], 0),
        (["u v x", "1 2", "2 3 5"], 0),
    ],
)
def test_a_first_line_without_a_number_has_no_weights(tmp_path, lines, ignored):
    path = tmp_path / "edges.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    graph, weights = load_weighted(path)
    assert weights is None
    assert graph.report.weights_ignored == ignored


@pytest.mark.parametrize("cell", ["x", "", "1_0", "1 0", "é"])
def test_a_third_cell_that_is_no_number_is_named_with_its_line(tmp_path, cell):
    path = tmp_path / "edges.csv"
    path.write_text(f"# comment\nsrc,dst,weight\n1,2,0.5\n\n2,3,{cell}\n", encoding="utf-8")
    with pytest.raises(InvalidGraph, match=f"line 5: weight '{cell}' beside numbers"):
        load_weighted(path)
    assert load_weighted(path, weighted=False)[1] is None


@pytest.mark.parametrize("cell", ["2.5", "+2.5", "25e-1", "2.5,7", "02.50"])
def test_weights_however_they_are_written(tmp_path, cell):
    path = tmp_path / "edges.txt"
    between = "," if "," in cell else "\t"
    path.write_text(f"a{between}b{between}1\nb{between}c{between}{cell}\n")
    graph, weights = load_weighted(path, "directed")
    assert entries_of(graph, weights) == {("a", "b"): 1.0, ("b", "c"): 2.5}


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), None])
def test_weights_out_of_range_are_refused(tmp_path, weight):
    edges = [(1, 2, 1.0), (2, 3, weight), (3, 4, weight)]
    columns = dict(zip(("src", "dst", "weight"), zip(*edges, strict=True), strict=True))
    pq.write_table(pa.table({n: list(v) for n, v in columns.items()}), tmp_path / "e.parquet")
    for form in (edges, tmp_path / "e.parquet"):
        with pytest.raises(InvalidGraph, match=r"edge 2 has the weight .*, expected a number of 0"):
            load_weighted(form)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(1, 2, 0.5), (2, 3, {})], "the third item of a triple is not a number"),
        (np.array([[0.5, 1.0, 1.0]]), "not integers, expected whole numbers"),
        (np.array([["a", "b", "1"]]), "the edge array holds <U1"),
        (nx.Graph([("a", "b", {"weight": "heavy"})]), "'a' - 'b' has the weight 'heavy'"),
    ],
)
def test_weights_of_objects_that_are_no_numbers_are_named(edges, message):
    with pytest.raises(InvalidGraph, match=message):
        load_weighted(edges)


def test_networkx_edges_without_a_weight_weigh_one():
    graph = nx.Graph([("a", "b", {"weight": 2}), ("b", "c"), ("c", "d", {"weight": None})])
    found, weights = load_weighted(graph)
    assert entries_of(found, weights)["b", "c"] == entries_of(found, weights)["d", "c"] == 1
    assert entries_of(found, weights)["b", "a"] == 2
