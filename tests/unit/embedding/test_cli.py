"""`graphagg embed` from the shell's side."""

from __future__ import annotations

import json

import pytest

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.errors import GraphAggError, UnknownVertex
from tests.unit.commands import invoke
from tests.unit.embedding.graphs import communities


@pytest.fixture
def files(tmp_path):
    pairs = communities(120, 5)
    (tmp_path / "edges.txt").write_text("".join(f"{u} {v}\n" for u, v in pairs))
    (tmp_path / "more.txt").write_text("900 1\n900 2\n901 900\n")
    return tmp_path


def run(*arguments):
    return invoke("embed", *arguments).out


def test_build_ask_add_and_export(files):
    built = json.loads(
        run("build", files / "edges.txt", "--out", files / "a", "--dim", 8, "--pieces", 3, "--json")
    )
    assert built["pieces"] == 3
    assert built["partition"]["levels"][0]["cut"] < 1
    again = run("build", files / "edges.txt", "--out", files / "a", "--dim", 8, "--pieces", 3)
    assert again.startswith("unchanged")
    found = json.loads(run("neighbors", files / "a", "--vertex", 7, "-k", 4, "--json"))
    with NodeEmbedding.open(files / "a") as index:
        assert index.config == EmbeddingConfig(dim=8, pieces=3)
        wanted = index.neighbors(7, 4)
    assert [n["id"] for n in found["neighbors"]] == [n.id for n in wanted]
    assert "cosine" in run("neighbors", files / "a", "--vertex", 7)
    change = json.loads(run("add", files / "a", files / "more.txt", "--json"))
    assert change["added"] == 2
    assert "intact" in invoke("verify", files / "a").out
    run("export", files / "a", "--out", files / "v.txt")
    assert (files / "v.txt").read_text().startswith("122 8\n")


def test_bad_requests_propagate(files):
    run("build", files / "edges.txt", "--out", files / "a", "--dim", 8, "--pieces", 3)
    with pytest.raises(UnknownVertex, match="closest ids are 119"):
        run("neighbors", files / "a", "--vertex", 12345)
    for arguments in (
        ["build", files / "nowhere.txt", "--out", files / "b"],
        ["build", files / "edges.txt", "--out", files / "b", "--pieces", 5000],
        ["neighbors", files / "nowhere", "--vertex", 1],
        ["add", files / "a", files / "nowhere.txt"],
        ["export", files / "a", "--out", files / "x.odd"],
    ):
        with pytest.raises(GraphAggError):
            run(*arguments)
    assert not (files / "b").exists()
