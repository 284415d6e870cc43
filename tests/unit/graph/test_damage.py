"""Objects of the wrong form and damaged files give named errors; nothing is read as garbage."""

from __future__ import annotations

import gzip
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from scipy import sparse

from graphagg.communities.evaluation import read_communities
from graphagg.errors import InvalidGraph, InvalidParameter, UnreadableFile
from graphagg.graph import VertexIds, load_graph
from graphagg.graph.reading.batches import ReadCounts
from graphagg.graph.reading.load import open_edges
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.weights import load_weighted
from tests.unit.graph.test_readers import edges_of

COLUMNS = np.array([1, 2, 3]), np.array([4, 5, 6])
CONTENT = "".join(f"{i} {i + 1}\n" for i in range(3000))


@pytest.mark.parametrize("form", [list, tuple])
@pytest.mark.parametrize("kind", ["undirected", "directed"])
def test_two_arrays_are_columns_in_a_list_too(form, kind):
    assert edges_of(load_graph(form(COLUMNS), kind)) == {(1, 4), (2, 5), (3, 6)}
    with pytest.raises(InvalidGraph, match="3 sources and 2 targets"):
        load_graph(form([COLUMNS[0], COLUMNS[1][:2]]))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(1, 2, 3, 4)], r"\(1, 2, 3, 4\), expected pairs"),
        ([(1, 2), [3, 4, 5, 6, 7]], "expected pairs"),
        ([b"ab", b"cd"], "b'ab', expected pairs"),
        (b"1 2", "edges are a bytes"),
        ({1: 5}, "set 1 holds 5, expected a list of elements"),
        ({1: "xy"}, "set 1 holds 'xy', expected a list of elements"),
        ([{1, 2}], "expected pairs"),
        ([{"src": 1, "dst": 2}], "expected pairs"),
        (None, "edges are a NoneType"),
        (sparse.csr_array(np.ones((2, 3))), r"shape \(2, 3\), expected a square matrix"),
        (np.array([[2**63, 1]], dtype=np.uint64), "9223372036854775808 is out of range"),
        ([("a", "\ud800")], r"id '\\ud800' is not valid Unicode"),
        ([(1, 2), ("a", 3)], "mix types: 1 and 'a'"),
        ([(1, -4)], "-4 is out of range"),
        ([(1.5, 2)], "is a float"),
        ([(1,)], "expected pairs"),
        (np.array([[0, -1]]), "negative id -1"),
        (np.zeros((2, 3), dtype=int), r"expected \[E, 2\]"),
    ],
)
def test_objects_of_another_form_are_refused(edges, message):
    with pytest.raises(InvalidGraph, match=message):
        load_graph(edges)


@pytest.mark.parametrize("vertices", [5.5, None, b"ab"])
def test_vertices_must_be_ids(vertices):
    with pytest.raises(InvalidParameter, match=r"vertices is .*, expected a vertex or several"):
        load_graph([(1, 2)], vertices=vertices)
    assert list(load_graph([(1, 2)], vertices=5).rows) == [1, 2, 5]


def test_weights_of_triples_are_counted():
    report = load_graph([(1, 2, 0.5), (2, 3), (3, 4, {"weight": 1}), (4, 5, 2)]).report
    assert (report.weights_ignored, report.edges) == (2, 4)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".mtx", ".net", ".gexf", ".gml", ".graphml"])
def test_other_formats_name_what_reads_them(tmp_path, suffix):
    (tmp_path / f"g{suffix}").write_text("%%MatrixMarket matrix\n")
    with pytest.raises(InvalidGraph, match=r"read it with (json|pandas|scipy|networkx)\."):
        load_graph(tmp_path / f"g{suffix}")
    (tmp_path / "g.txt").write_text("%%MatrixMarket matrix\n2 2 1\n1 2\n")
    with pytest.raises(InvalidGraph, match=r"read it with scipy\.io\.mmread"):
        load_graph(tmp_path / "g.txt")


@pytest.mark.parametrize("damage", ["cut", "flipped", "checksum"])
def test_damaged_gzip_is_named(tmp_path, damage):
    packed = bytearray(gzip.compress(CONTENT.encode()))
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    elif damage == "flipped":
        packed[10] ^= 0xFF  # the head of the deflate stream
    else:
        packed[-8] ^= 0xFF
    path = tmp_path / "g.txt.gz"
    path.write_bytes(packed)
    for read in (load_graph, load_weighted):
        with pytest.raises(UnreadableFile, match=r"cannot be read|broken gzip"):
            read(path)
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_communities(path, VertexIds.of([1]))


@pytest.mark.parametrize("read", [load_graph, load_weighted])
def test_damaged_parquet_is_named(tmp_path, read):
    path = tmp_path / "e.parquet"
    ids = np.random.default_rng(0).integers(0, 2**40, 10_000)
    table = pa.table({"src": ids, "dst": ids + 1, "weight": np.ones(len(ids))})
    pq.write_table(table, path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"e\.parquet"):
        read(path)
    path.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(UnreadableFile, match=r"e\.parquet"):
        read(path)


def test_parquet_ids_out_of_range_are_named(tmp_path):
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"src": pa.array([2**63], pa.uint64()), "dst": [1]}), path)
    with pytest.raises(InvalidGraph, match=r"column src .*expected integers of 0 to 2\^63 - 1"):
        load_graph(path)


def test_no_query_breaks_find():
    integers, strings = VertexIds.of([7, 2**63 - 1]), VertexIds.of(["a", "é"])
    assert integers.find("9" * 5000) is None
    assert integers.find("0" * 5000 + "7") == 0
    assert integers.find(str(2**63 - 1)) == 1
    assert integers.closest("9" * 5000, 1) == [7]
    assert strings.find("\ud800") is None
    with pytest.raises(InvalidGraph, match="not valid Unicode"):
        VertexIds.of(["a", "\ud800"])


def test_ground_truth_as_people_write_it(tmp_path):
    path, largest = tmp_path / "t.csv", 2**63 - 1
    vertices = VertexIds.of([5, 6, largest])
    path.write_bytes(b"\xef\xbb\xbf5\r6\r")
    assert [c.tolist() for c in read_communities(path, vertices).communities] == [[0], [1]]
    path.write_text(f"{largest},1\n5,1\n6,2\n")
    assert [c.tolist() for c in read_communities(path, vertices).communities] == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[1], [2]], "list"),
        ([{"a": 1}, {"a": 2}], "struct"),
        ([b"1", b"2"], "binary"),
        ([1.5, 2.5], "double"),
        ([True, False], "bool"),
        ([date(2026, 1, 1)] * 2, "date32"),
    ],
)
@pytest.mark.parametrize("form", ["table", "parquet"])
def test_columns_of_a_type_that_is_no_id_or_weight_are_named(tmp_path, form, values, kind):
    def given(**columns):
        table = pa.table(columns)
        if form == "table":
            return table
        pq.write_table(table, tmp_path / "e.parquet")
        return tmp_path / "e.parquet"

    for source, target in ([1, 2], values), (values, [1, 2]):
        with pytest.raises(InvalidGraph, match=rf"is {kind}.*expected integers or strings"):
            load_graph(given(source=source, target=target))
    if kind not in ("double", "bool"):
        edges = given(source=[1, 2], target=[2, 3], weight=values)
        with pytest.raises(InvalidGraph, match=f"column weight is {kind}.*expected numbers"):
            load_weighted(edges)
        assert load_graph(edges).edges == 2


@pytest.mark.parametrize(
    "forms", [(".csv", ".csv"), (".parquet", ".parquet"), (".csv", ".parquet")]
)
@pytest.mark.parametrize("kind", ["undirected", "two-mode"])
def test_files_whose_ids_are_of_several_types_are_refused(tmp_path, forms, kind):
    tables = [{"source": [1, 2], "target": [2, 3]}, {"source": ["a"], "target": ["b"]}]
    paths = [tmp_path / f"{i}{form}" for i, form in enumerate(forms)]
    for path, table in zip(paths, map(pa.table, tables), strict=True):
        if path.suffix == ".parquet":
            pq.write_table(table, path)
        else:
            csv.write_csv(table, path)
    for order in (paths, paths[::-1]):
        with pytest.raises(InvalidGraph, match="ids mix integers and strings, expected one type"):
            load_graph(order, kind)


@pytest.mark.parametrize("change", ["longer", "gone", "another"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, suffix, change):
    path = tmp_path / f"e{suffix}"
    table = pa.table({"source": [1, 2], "target": [2, 3]})
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        csv.write_csv(table, path)
    source, _ = open_edges([path, path], "undirected", EdgeReading(), ReadCounts())
    next(iter(source.batches))
    content = path.read_bytes()
    path.unlink()
    if change != "gone":
        path.write_bytes(content + b"\n" if change == "longer" else b"3,4\n")
    with pytest.raises(UnreadableFile, match="changed while it was read"):
        list(source.batches)
