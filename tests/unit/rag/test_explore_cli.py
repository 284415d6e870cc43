"""`graphagg rag graph`, `map` and `similar`: what they print is what the library gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.graph import load_graph
from graphagg.rag import PassageIndex
from tests.unit.commands import Answer

Call = Callable[..., Answer]


@pytest.fixture
def index_folder(demo_index: Path) -> Path:
    return demo_index


def test_graph_writes_edges_that_the_readers_take(
    call: Call, index_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "edges.parquet"
    asked = ("rag", "graph", index_folder, "--out", out, "--edges", "entities")
    sizes = call(*asked, "--json").json
    assert load_graph(out).edges == sizes["shares"] > 0
    assert str(out) in call(*asked, "--floor", ".2").out
    assert call("rag", "graph", index_folder, "--out", tmp_path / "x.txt").code == 2


def test_map_prints_themes(call: Call, index_folder: Path, tmp_path: Path) -> None:
    with PassageIndex.open(index_folder) as index:
        made = index.map()
    assert call("rag", "map", index_folder, "--json").json == made.to_json()
    table = call("rag", "map", index_folder).out
    assert all(theme.label in table for theme in made.themes[:3])
    one = call("rag", "map", index_folder, "--theme", 1)
    assert made["1"].label in one.out and made["1"].typical[0].id in one.out
    listed = call("rag", "map", index_folder, "--theme", 1, "--json").json
    assert listed["passage_ids"] == made.passages_of("1")
    call("rag", "map", index_folder, "--out", tmp_path / "themes.csv")
    written = (tmp_path / "themes.csv").read_text().splitlines()
    assert len(written) == 1 + len(made.passages) and "theme" in written[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--theme", "99"), "theme '99'"),
        (("--resolution", 0), "resolution is 0"),
        (("--when", "nothing"), "nothing"),
    ],
)
def test_map_says_what_is_wrong(
    call: Call, index_folder: Path, options: tuple[object, ...], said: str
) -> None:
    answer = call("rag", "map", index_folder, *options)
    assert answer.code == 2 and said in answer.err


def test_similar_prints_what_is_alike(call: Call, index_folder: Path) -> None:
    with PassageIndex.open(index_folder) as index:
        expected = index.similar_passages("warsaw", 3).to_json()
        entities = index.similar_entities("Marie Curie", 3).to_json()
    assert call("rag", "similar", index_folder, "warsaw", "-k", 3, "--json").json == expected
    asked = ("rag", "similar", index_folder, "Marie Curie", "--entity", "-k", 3)
    assert call(*asked, "--json").json == entities
    assert "cosine" in call(*asked).out
    answer = call("rag", "similar", index_folder, "nobody")
    assert answer.code == 2 and "nobody" in answer.err
