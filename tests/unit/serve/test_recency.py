"""`as_of` and recency over HTTP and MCP, on a folder: the answers of the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import PassageIndex, Recency, read_documents
from graphagg.serve.mcp import create_server
from graphagg.serve.mcp.text import number
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.serve.live import Live
from tests.unit.serve.test_mcp import failure, tool

QUESTION = "What does Ada pay for the flat?"
NOTES = {
    "may 2026-05-02.txt": "Ada pays 700 for the flat in London.",
    "june 2026-06-20.txt": "Ada pays 740 for the flat.",
    "lease 2020.txt": "the flat has two rooms.",
}
MAY, _, LEASE = NOTES
MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor("en")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    for name, text in NOTES.items():
        (folder / name).write_text(text, encoding="utf-8")
    directory = folder / "idx"
    PassageIndex.build(read_documents(folder), directory, **MODELS).close()
    return directory


@pytest.fixture(scope="module")
def index(place: Path) -> PassageIndex:
    return PassageIndex.open(place, **MODELS)


def shown(hits: list[dict[str, Any]]) -> list[tuple[str, float, dict[str, float]]]:
    return [(hit["id"], hit["score"], hit["components"]) for hit in hits]


def test_what_was_known_and_what_is_new(
    start: Callable[..., Live], place: Path, index: PassageIndex
) -> None:
    live = start(Sources(place, **MODELS))
    server = create_server(Service(Sources(place, **MODELS)))
    options = {"as_of": "2026-06-01", "recency": 0.5, "half_life": 15}
    expected = index.retrieve(QUESTION, 5, as_of="2026-06-01", recency=Recency(0.5, 15))
    assert {hit.passage.id for hit in expected} == {MAY, LEASE}
    wanted = shown([hit.to_json() for hit in expected])
    body = {"question": QUESTION, **options}
    assert shown(live.json("/v1/passages/search", body)["hits"]) == wanted
    said = tool(server, "search_passages", **body)
    assert all(identifier in said and number(score) in said for identifier, score, _ in wanted)
    assert "740" not in said
    # Questions that wait together are not mixed up with others that see more.
    everything = live.json("/v1/passages/search", {"question": QUESTION})["hits"]
    assert {hit["id"] for hit in everything} == {*NOTES}
    assert live.error(400, "/v1/passages/search", body | {"as_of": "soon"}) == "InvalidParameter"
    live.error(422, "/v1/passages/search", body | {"recency": -1})
    live.error(422, "/v1/passages/search", body | {"half_life": 0})
    assert "as_of is 'soon'" in failure(server, "search_passages", question="?!", as_of="soon")
