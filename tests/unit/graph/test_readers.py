"""Every form of edges gives the same graph; every bad line gives a named error."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import EmptyGraph, InvalidGraph, InvalidParameter, UnreadableFile
from graphagg.graph import load_graph
from graphagg.graph.reading import files
from graphagg.tables import parquet_batches

PAIRS = [(0, 1), (1, 2), (2, 0), (2, 7), (1, 0), (5, 5), (0, 1)]
EDGES = {(0, 1), (1, 2), (0, 2), (2, 7)}


def edges_of(graph):
    return {
        (graph.rows[int(a)], graph.columns[int(b)]) for a, b in zip(*graph.pairs(), strict=True)
    }


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def forms(tmp_path):
    lines = [f"{a}\t{b}" for a, b in PAIRS]
    yield write(tmp_path / "snap.txt", ["# comment", "% too", "", *lines])
    yield write(tmp_path / "spaces.txt", [f"  {a}   {b}  " for a, b in PAIRS])
    yield write(tmp_path / "crlf.txt", [f"{a} {b}\r" for a, b in PAIRS])
    yield write(tmp_path / "edges.csv", ["src,dst", *(f"{a},{b}" for a, b in PAIRS)])
    yield write(tmp_path / "odd.csv", ["node_1,node_2,x", *(f'"{a}", {b},{{}}' for a, b in PAIRS)])
    packed = tmp_path / "packed.txt"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    yield packed
    table = pa.table({"dst": [b for _, b in PAIRS], "src": [a for a, _ in PAIRS]})
    pq.write_table(table, tmp_path / "edges.parquet")
    yield tmp_path / "edges.parquet"
    yield PAIRS
    yield np.array(PAIRS)
    yield tuple(np.array(PAIRS).T)


def test_all_forms_give_one_graph(tmp_path):
    reference = load_graph(PAIRS)
    assert edges_of(reference) == EDGES
    assert list(reference.rows) == [0, 1, 2, 5, 7]
    for form in forms(tmp_path):
        graph = load_graph(form)
        assert graph.digest() == reference.digest(), form
        report = graph.report
        assert (report.edges_read, report.edges) == (7, 4), form
        assert (report.self_loops, report.duplicates) == (1, 2), form


def test_third_column_is_counted(tmp_path):
    path = write(tmp_path / "a.txt", ["0 1 {}", "1 2 0.5", "2 3", "3 4 -1e-3"])
    report = load_graph(path).report
    assert report.weights_ignored == 2
    table = pa.table({"src": [0, 1], "dst": [1, 2], "weight": [0.5, 2.0]})
    pq.write_table(table, tmp_path / "w.parquet")
    assert load_graph(tmp_path / "w.parquet").report.weights_ignored == 2


def test_two_mode_pairs_and_a_mapping_agree():
    graph = load_graph({7: ["x", "y", "x"], 3: ["y"], 12: []}, "two-mode")
    assert list(graph.rows) == [3, 7, 12]
    assert list(graph.columns) == ["x", "y"]
    assert graph.report.duplicates == 1
    pairs = [("x", 7), ("y", 7), ("y", 3)]
    assert load_graph(pairs, "two-mode", vertices=[12]).digest() == graph.digest()


def test_two_mode_keeps_equal_ids_of_both_sides():
    graph = load_graph([(1, 1), (2, 1)], "two-mode")
    assert graph.edges == 2
    assert graph.report.self_loops == 0


def test_kinds():
    directed = load_graph(PAIRS, "directed")
    assert edges_of(directed) == {(0, 1), (1, 2), (2, 0), (2, 7), (1, 0)}
    with pytest.raises(InvalidParameter, match="expected one of"):
        load_graph(PAIRS, "circular")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0 1", "2"], r"line 2: an id is missing or empty \('2', ''\)"),
        (["# c", "0\t1", "", "3\t"], "line 4: an id is missing"),
        (["0,1", ",2"], "line 2: an id is missing"),
        (["0 1", "1 -2"], "line 2: negative id -2"),
        (["-1 2"], "line 1: negative id -1"),
        (["0 1", "x 2"], "line 2: id 'x' among integers"),
        (["a b", "c 12"], "line 2: id '12' is an integer among strings"),
        (["0 a", "1 b"], "one column holds integers and another strings"),
        (["0 1", "007 1"], "line 2: id '007' among integers"),
    ],
)
def test_bad_lines_are_named(tmp_path, lines, message):
    path = write(tmp_path / "bad.txt", lines)
    with pytest.raises(InvalidGraph, match=message) as caught:
        load_graph(path)
    assert str(path) in str(caught.value)


def test_ids_as_strings_take_what_auto_refuses(tmp_path):
    path = write(tmp_path / "a.txt", ["0 1", "x 007", "-2 1"])
    graph = load_graph(path, ids="string")
    assert set(graph.rows) == {"0", "1", "x", "007", "-2"}
    names = load_graph(write(tmp_path / "b.txt", ["a b", "b 2048", "2048 c", "c a"]))
    assert set(names.rows) == {"a", "b", "c", "2048"}
    assert "ids are strings, some of digits" in str(names.report.columns)


def test_headers(tmp_path):
    words = write(tmp_path / "w.csv", ["source,target", "ann,bob"])
    assert load_graph(words).report.header == "source,target"
    assert list(load_graph(words).rows) == ["ann", "bob"]
    names = write(tmp_path / "n.csv", ["ann,bob", "bob,cid"])
    assert load_graph(names).report.header is None
    assert list(load_graph(names, header=True).rows) == ["bob", "cid"]
    unusual = write(tmp_path / "u.csv", ["foo,bar", "1,2"])
    assert load_graph(unusual, header=True).report.header == "foo,bar"
    with pytest.raises(InvalidGraph, match=r"one column holds|among"):
        load_graph(unusual, header=False)


def test_empty_and_missing(tmp_path):
    with pytest.raises(EmptyGraph, match="2 self-loops and no other edge"):
        load_graph([(1, 1), (2, 2)])
    with pytest.raises(EmptyGraph, match="no edge"):
        load_graph(write(tmp_path / "e.txt", ["# nothing"]))
    with pytest.raises(EmptyGraph, match="no edge"):
        load_graph([])
    with pytest.raises(UnreadableFile, match="nowhere"):
        load_graph(tmp_path / "nowhere.txt")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("é b\n".encode("latin-1"))
    with pytest.raises(UnreadableFile, match="UTF-8"):
        load_graph(latin)
    wrong = tmp_path / "w.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), wrong)
    with pytest.raises(InvalidGraph, match="no known pair of names"):
        load_graph(wrong)


@settings(deadline=None)  # the first example may compile
@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 30)), min_size=1, max_size=60))
def test_order_of_edges_changes_nothing(pairs):
    graph = load_graph(pairs, allow_empty=True)
    assert graph.digest() == load_graph(pairs[::-1], allow_empty=True).digest()
    assert graph.digest() == load_graph([(b, a) for a, b in pairs], allow_empty=True).digest()
    expected = {(min(a, b), max(a, b)) for a, b in pairs if a != b}
    assert edges_of(graph) == expected
    report = graph.report
    assert report.edges_read == report.edges + report.duplicates + report.self_loops


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("abcé😀", min_size=1), st.text("ab", min_size=1)), min_size=1))
def test_text_ids_stand_in_byte_order(pairs):
    graph = load_graph(pairs, allow_empty=True)
    names = {name for pair in pairs for name in pair}
    assert list(graph.rows) == sorted(names, key=str.encode)
    for name in names:
        assert graph.rows[graph.rows.find(name)] == name


def test_blocks_do_not_show(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 500, (3000, 2))
    path = write(tmp_path / "many.txt", [f"{a} {b}" for a, b in pairs])
    whole = load_graph(path)
    monkeypatch.setattr(files, "BLOCK", 100)
    parts = load_graph(path)
    assert parts.digest() == whole.digest()
    assert parts.report == whole.report
    write(path, [*(f"{a} {b}" for a, b in pairs), "17"])
    with pytest.raises(InvalidGraph, match="line 3001: an id is missing"):
        load_graph(path)


def test_long_file_makes_no_object_an_edge(tmp_path, monkeypatch):
    import tracemalloc

    pairs = np.random.default_rng(0).integers(0, 1000, (200_000, 2))
    path = tmp_path / "long.txt"
    np.savetxt(path, pairs, fmt="%d")
    load_graph(path)  # compiles
    monkeypatch.setattr(files, "BLOCK", 1 << 16)
    tracemalloc.start()
    load_graph(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 8 bytes an edge as read, 8 as numbered, 16 in rows; a pair of Python integers takes 120.
    assert peak < 50 * len(pairs)


def test_a_parquet_file_of_many_row_groups_is_read_in_the_memory_of_one(tmp_path):
    path, rows = tmp_path / "edges.parquet", 50_000
    pq.write_table(
        pa.table({"a": range(20 * rows), "b": range(20 * rows)}), path, row_group_size=rows
    )
    before, most, seen = pa.total_allocated_bytes(), 0, []
    for batch in parquet_batches(pq.ParquetFile(path), 7_000, ["b"]):
        seen.append(batch["b"].to_numpy().copy())
        most = max(most, pa.total_allocated_bytes() - before)
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(20 * rows))
    assert most <= 4 * 8 * rows  # a group encoded, decoded, and a batch of it
