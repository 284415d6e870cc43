"""The MCP server, asked by the real client over both of its transports."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from graphagg.communities import CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.rag import Passage, PassageIndex
from graphagg.serve.http.security import Access
from graphagg.serve.http.server import bind, make_server
from graphagg.serve.mcp import create_server, http_app
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.commands import GRAPHAGG
from tests.unit.communities.graphs import planted
from tests.unit.serve.live import SECONDS

TOKEN = "correct-horse-battery-staple"
TOOLS = {
    "search_passages", "explain_path", "community_of", "similar_vertices", "corpus_themes",
    "theme_passages", "similar_passages", "similar_entities",
}  # fmt: skip


def ask(server: Any, questions: Callable[[Client], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with Client(server) as client:
            return await questions(client)

    return asyncio.run(session())


def tool(server: Any, name: str, **arguments: Any) -> Any:
    """The structured content of a call that succeeds."""

    async def call(client: Client) -> Any:
        answer = await client.call_tool(name, arguments)
        assert not answer.is_error, answer.content
        return answer.structured_content

    return ask(server, call)


def failure(server: Any, name: str, **arguments: Any) -> str:
    """The message of a call that fails."""

    async def call(client: Client) -> str:
        answer = await client.call_tool(name, arguments)
        assert answer.is_error
        return str(answer.content[0].text)

    return ask(server, call)


@pytest.fixture(scope="module")
def service(indices: Sources):
    made = Service(indices)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(service: Service) -> Any:
    return create_server(service)


def test_the_tools_have_schemas_and_are_read_only(server: Any) -> None:
    async def tools(client: Client) -> Any:
        return (await client.list_tools()).tools

    found = {each.name: each for each in ask(server, tools)}
    assert set(found) == TOOLS
    for each in found.values():
        assert each.output_schema and each.description
        assert each.annotations.read_only_hint and each.annotations.open_world_hint is False
    assert found["search_passages"].input_schema["required"] == ["question"]


def test_the_tools_answer_as_the_library_does(server: Any, indices: Sources) -> None:
    models = {"encoder": indices.encoder, "extractor": indices.extractor}
    question = "On which river does the city lie where Babbage read?"
    assert indices.passages and indices.communities and indices.embedding
    with PassageIndex.open(indices.passages, **models) as passages:  # type: ignore[arg-type]
        hits = [hit.to_json() for hit in passages.retrieve(question, 3)]
        why = passages.explain(question, "p4", 2).to_json()
    with CommunityIndex.open(indices.communities) as communities:
        members = communities.query([3], 4).to_json()["members"]
    with NodeEmbedding.open(indices.embedding) as embedding:
        near = [vars(each) for each in embedding.neighbors(3, 4)]
    found = tool(server, "search_passages", question=question, top_k=3)["hits"]
    for hit, expected in zip(found, hits, strict=True):
        assert _without_titles(hit, expected) == expected
    explained = tool(server, "explain_path", question=question, passage_id="p4", top_k=2)
    assert explained["reason"] == why["reason"] and explained["rank"] == why["rank"]
    assert _without_titles(explained["hit"], why["hit"]) == why["hit"]
    assert tool(server, "community_of", seeds=["3"], top_k=4)["members"] == members
    assert tool(server, "similar_vertices", vertex="3", top_k=4)["neighbors"] == near


def _without_titles(hit: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What the library's answer holds; the service may add the titles of passages on the path."""
    path = [{key: step[key] for key in step if key != "title"} for step in hit["path"]]
    return {key: hit[key] for key in expected} | {"path": path}


def test_errors_say_what_to_change(server: Any) -> None:
    assert "closest ids" in failure(server, "community_of", seeds=["999"])
    assert "UnknownPassage" in failure(server, "explain_path", question="Ada?", passage_id="x")
    assert "question" in failure(server, "search_passages", question="")
    assert "question" in failure(server, "search_passages", question="a" * 2_001)
    assert "top_k" in failure(server, "search_passages", question="Ada?", top_k=101)
    assert "mode" in failure(server, "search_passages", question="Ada?", mode="magic")
    assert "InvalidFilter" in failure(server, "search_passages", question="?!", filter={"x": 1})
    assert "UnknownVertex" in failure(server, "similar_vertices", vertex="999")


def test_only_what_is_there_is_a_tool(indices: Sources) -> None:
    async def names(client: Client) -> set[str]:
        return {each.name for each in (await client.list_tools()).tools}

    service = Service(Sources(communities=indices.communities))
    assert ask(create_server(service), names) == {"community_of"}
    service.close()


def test_the_next_call_sees_what_was_published(tmp_path: Path) -> None:
    edges, _ = planted(blocks=2, size=8)
    CommunityIndex.build(np.array(edges), tmp_path / "idx").close()
    service = Service(Sources(communities=tmp_path / "idx"))
    server = create_server(service)
    assert "UnknownVertex" in failure(server, "community_of", seeds=[500])
    with CommunityIndex.open(tmp_path / "idx") as index:
        index.add_edges([(500, 0), (500, 1)])
    assert tool(server, "community_of", seeds=[500])["members"]
    service.close()


def test_over_stdio(indices: Sources) -> None:
    command, *arguments = GRAPHAGG
    started = StdioServerParameters(
        command=command, args=[*arguments, "mcp", "--communities", str(indices.communities)]
    )
    found = tool(stdio_client(started), "community_of", seeds=[3], top_k=4)
    assert indices.communities
    with CommunityIndex.open(indices.communities) as index:
        assert found["members"] == index.query([3], 4).to_json()["members"]


@pytest.fixture
def over_http(service: Service, server: Any):
    """The address of the server's HTTP transport, which wants a token."""
    app = http_app(server, service, Access(token=TOKEN))
    listening, listens = bind("127.0.0.1", 0), threading.Event()
    running = make_server(app, service.limits, ready=lambda address: listens.set(), last_call=0.05)
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    assert listens.wait(SECONDS)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    running.should_exit = True
    thread.join(SECONDS)


def test_over_http(over_http: str, server: Any) -> None:
    async def session() -> Any:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(over_http, http_client=http)
            async with Client(transport) as client:
                names = {each.name for each in (await client.list_tools()).tools}
                answer = await client.call_tool("community_of", {"seeds": [3], "top_k": 4})
                return names, answer.structured_content

    names, found = asyncio.run(session())
    assert names == TOOLS
    assert found["members"] == tool(server, "community_of", seeds=[3], top_k=4)["members"]


def test_over_http_a_stranger_gets_nothing(over_http: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"accept": "application/json, text/event-stream"}
    token = {"authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(trust_env=False, headers=accept) as client:
        assert client.post(over_http, json=body).status_code == 401
        wrong = {"authorization": f"Bearer {TOKEN}x"}
        assert client.post(over_http, json=body, headers=wrong).status_code == 401
        rebound = token | {"host": "evil.example"}
        assert client.post(over_http, json=body, headers=rebound).status_code == 403
        foreign = token | {"origin": "https://evil.example"}
        assert client.post(over_http, json=body, headers=foreign).status_code == 403
        large = {**body, "params": {"x": "a" * (1 << 20)}}
        assert client.post(over_http, json=large, headers=token).status_code == 413


def test_the_command_refuses(call, indices: Sources, tmp_path: Path) -> None:
    communities = ("mcp", "--communities", indices.communities)
    assert "are of --http" in call(*communities, "--host", "0.0.0.0").error
    assert "--token-file" in call(*communities, "--http", "--host", "0.0.0.0").error
    assert "no index to serve" in call("mcp").error


def test_an_answer_is_bounded_whatever_the_documents_are(tmp_path: Path) -> None:
    """Whole documents of 100,000 characters, with long titles and metadata."""
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    filler = "nothing of use stands here. " * 2_000
    corpus = [
        Passage(
            f"d{i}",
            f"{filler} Ada wrote notes number{i}. {filler}",
            "T" * 10_000,
            {"note": "v" * 100_000, "year": i},
        )
        for i in range(3)
    ]
    PassageIndex.build(corpus, tmp_path / "i", chunking=None, **models).close()  # type: ignore[arg-type]
    service = Service(Sources(passages=tmp_path / "i", **models))  # type: ignore[arg-type]
    server = create_server(service)

    async def search(client: Client) -> Any:
        asked = {"question": "Who wrote notes number1?", "mode": "bm25", "top_k": 100}
        return await client.call_tool("search_passages", asked)

    answer = ask(server, search)
    assert sum(len(part.text) for part in answer.content) < 20_000
    hits = answer.structured_content["hits"]
    assert len(hits) == 3
    for hit in hits:
        cut, match = hit["cut"], hit["match"]
        number = hit["id"].removeprefix("d")
        assert cut["characters"] > 100_000 and cut["start"] > 0
        assert hit["text"][match["start"] : match["end"]] == f"Ada wrote notes number{number}."
        assert hit["metadata"]["year"] == int(number) and len(hit["metadata"]["note"]) < 400
    short = tool(server, "search_passages", question="notes number1", mode="bm25", characters=50)
    assert all(len(hit["text"]) <= 50 for hit in short["hits"])
    best = tool(server, "search_passages", question="notes number1", mode="bm25")["hits"][0]
    least = {"question": "notes number1", "mode": "bm25", "min_score": best["score"]}
    assert [h["id"] for h in tool(server, "search_passages", **least)["hits"]] == [best["id"]]
    service.close()
