"""The commands, their JSON, and what goes to which stream."""

from __future__ import annotations

import pytest

from graphagg.errors import GraphAggError, InvalidParameter, UnknownVertex
from tests.unit.commands import invoke
from tests.unit.communities.graphs import planted


def run(*arguments):
    """Run a command; its errors propagate as they do to the main program."""
    return invoke("communities", *arguments)


def run_json(*arguments):
    return run(*arguments, "--json").json


@pytest.fixture
def files(tmp_path):
    edges, _ = planted(4, 20)
    path = tmp_path / "edges.txt"
    path.write_text("# planted\n" + "\n".join(f"{a} {b}" for a, b in edges) + "\n3 3\n")
    return tmp_path


def test_build_query_change(files):
    index = files / "index"
    built = run_json("build", files / "edges.txt", "--out", index)
    assert built["vertices"] == 80
    assert built["read"]["self_loops"] == 1
    answer = run_json("query", index, "--seed", 0, "--seed", 1, "-k", 5)
    assert answer["method"] == "fused"
    assert len(answer["members"]) == 5
    assert answer["members"][0]["reason"][0]["shared_neighbors"] > 0
    table = run("query", index, "--seed", 0, "-k", 3)
    assert "shared with 0" in table.out
    assert "method" not in table.err
    (files / "more.txt").write_text("0 900\n1 900\n")
    added = run_json("add", index, files / "more.txt")
    assert (added["vertices_added"], added["added"]) == (1, 2)
    removed = run_json("delete", index, "--edges", files / "more.txt")
    assert (removed["removed"], removed["vertices_removed"]) == (2, 0)
    gone = run_json("delete", index, "--vertex", 900)
    assert gone["vertices"] == 80
    again = files / "again"
    run("build", files / "edges.txt", "--out", again)
    manifest = (again / "manifest.json").read_text()
    assert manifest == (index / "manifest.json").read_text()


def test_structure_writes_a_picture(files):
    run("build", files / "edges.txt", "--out", files / "index")
    found = run("structure", files / "index", "--seed", 0, "-k", 25, "--out", files / "p.png")
    assert (files / "p.png").read_bytes().startswith(b"\x89PNG")
    assert found.out.startswith("1: ")
    assert "wrote" in found.err
    parts = run_json("structure", files / "index", "--seed", 0)
    assert sorted(v for p in parts["communities"] for v in p) == sorted(parts["vertices"])


def test_detect_begins_from_its_own_file(files):
    first = run("detect", files / "edges.txt", "--out", files / "one.csv", "--restarts", 2)
    assert "modularity of 2 restarts" in first.err and "wrote" in first.err
    again = run_json("detect", files / "edges.txt", "--start", files / "one.csv")
    assert again["changes"]["moved"] == 0 and len(again["communities"]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bands", 100], "at most 64 bands"),
        (["--kind", "two-mode", "--closed"], "cannot be closed"),
    ],
)
def test_bad_options(files, arguments, message):
    with pytest.raises(InvalidParameter, match=message):
        run("build", files / "edges.txt", "--out", files / "new", *arguments)
    assert not (files / "new").exists()


def test_bad_requests_propagate(files):
    run("build", files / "edges.txt", "--out", files / "index")
    with pytest.raises(UnknownVertex, match="closest ids are 79"):
        run("query", files / "index", "--seed", 12345)
    for arguments in (
        ["query", files / "index"],
        ["query", files / "nowhere", "--seed", 1],
        ["delete", files / "index"],
        ["add", files / "index", files / "nowhere.txt"],
        ["build", files / "nowhere.txt", "--out", files / "new"],
    ):
        with pytest.raises(GraphAggError):
            run(*arguments)
    assert not (files / "new").exists()
