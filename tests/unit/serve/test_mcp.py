"""The MCP server, asked by the real client over both of its transports."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from graphagg.communities import CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.question.excerpts import tokens_of
from graphagg.serve.http.security import Access
from graphagg.serve.http.server import bind, make_server
from graphagg.serve.mcp import create_server, http_app
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.commands import GRAPHAGG
from tests.unit.communities.graphs import planted
from tests.unit.serve.live import SECONDS

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
TOKEN = "correct-horse-battery-staple"
TOOLS = {"search_passages", "read_passage", "search", "fetch", "community_of", "similar_vertices"}
QUESTION = "On which river does the city lie where Babbage read?"


def ask(server: Any, questions: Callable[[Client], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with Client(server) as client:
            return await questions(client)

    return asyncio.run(session())


def tool(server: Any, name: str, **arguments: Any) -> str:
    """The text of a call that succeeds; nothing else is sent."""

    async def call(client: Client) -> str:
        answer = await client.call_tool(name, arguments)
        assert not answer.is_error, answer.content
        assert answer.structured_content is None
        (part,) = answer.content
        return str(part.text)

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
    found = {each.name: each for each in ask(server, _tools)}
    assert set(found) == TOOLS
    for each in found.values():
        assert each.description and each.output_schema is None
        assert each.annotations.read_only_hint and each.annotations.open_world_hint is False
    assert found["search_passages"].input_schema["required"] == ["question"]


async def _tools(client: Client) -> Any:
    return (await client.list_tools()).tools


def test_the_description_says_what_the_corpus_is_and_what_to_filter_by(tmp_path: Path) -> None:
    rows = [
        Passage("a", "Ada wrote.", "Ada", {"year": 1843, "lang": "en", "when": "1843-07-01"}),
        Passage("b", "Babbage read.", "Babbage", {"year": 1791.5, "lang": "de", "deep": {"x": 1}}),
    ]
    index = PassageIndex.build(rows, tmp_path / "i", **MODELS)
    service = Service(Sources(passages=tmp_path / "i", **MODELS))
    server = create_server(service, "Letters of two inventors.")

    def said() -> str:
        (search,) = [t for t in ask(server, _tools) if t.name == "search_passages"]
        return str(search.description)

    assert "2 passages. Letters of two inventors." in said()
    assert '"Ada", "Babbage"' in said()
    assert all(key in said() for key in ("year (number)", "lang (string)", "when (date)"))
    assert "deep (mixed)" in said() and len(said()) <= 800
    index.add([Passage("c", "Curie found.", "Curie", {"lang": "fr"})])
    assert "3 passages" in said()
    index.close()
    service.close()


def test_the_tools_answer_as_the_library_does(server: Any, indices: Sources) -> None:
    models = {"encoder": indices.encoder, "extractor": indices.extractor}
    assert indices.passages and indices.communities and indices.embedding
    with PassageIndex.open(indices.passages, **models) as passages:  # type: ignore[arg-type]
        hits = passages.retrieve(QUESTION, 3)
    with CommunityIndex.open(indices.communities) as communities:
        members = communities.query([3], 4).members
    with NodeEmbedding.open(indices.embedding) as embedding:
        near = embedding.neighbors(3, 4)
    found = tool(server, "search_passages", question=QUESTION, k=3)
    assert found == tool(server, "search_passages", question=QUESTION, k=3, mode="multihop")
    assert f"confidence {hits.confidence:.2f}\n\n[1] " in found
    places = [found.index(f"[{n}] {hit.passage.id} ") for n, hit in enumerate(hits, start=1)]
    assert places == sorted(places) and "[4]" not in found
    assert all(f"{hit.score:.3g}" in found and hit.passage.text in found for hit in hits)
    results = json.loads(tool(server, "search", query=QUESTION))["results"]
    assert [each["id"] for each in results[:3]] == [hit.passage.id for hit in hits]
    fetched = json.loads(tool(server, "fetch", id=results[0]["id"]))
    assert (fetched["title"], fetched["text"]) == (hits[0].passage.title, hits[0].passage.text)
    assert fetched["id"] == hits[0].passage.id and fetched.keys() >= {"url", "metadata"}
    lines = tool(server, "community_of", seeds=["3"], k=4).split("\n")
    assert [line.split(" ")[:2] for line in lines] == [
        [str(member.id), f"{member.score:.3g}:"] for member in members
    ]
    assert tool(server, "similar_vertices", vertex="3", k=4).split("\n") == [
        f"{each.id} {each.score:.3g}" for each in near
    ]


def test_a_passage_is_read_with_what_stands_around_it(tmp_path: Path) -> None:
    chunks = [
        Passage(f"d#{i}", f"Part {i} of the story.", "Story", {"page": i}, "d", i) for i in range(9)
    ]
    long = Passage("../long", "".join(f"word{i} " for i in range(1_000)))
    PassageIndex.build([*chunks, long], tmp_path / "i", chunking=None, **MODELS).close()
    service = Service(Sources(passages=tmp_path / "i", **MODELS))
    server = create_server(service)
    found = tool(server, "read_passage", passage_id="d#4", around=2).split("\n")
    assert found[0] == 'd#4 "Story" {"page":4}'
    assert found[1:-1] == [f"Part {i} of the story." for i in range(2, 7)]
    assert found[-1] == "(before: d#1; after: d#7)"
    assert tool(server, "read_passage", passage_id="d").startswith("d#0 ")
    cut = tool(server, "read_passage", passage_id="../long", characters=1_000)
    body = cut.split("\n")[1]
    assert len(cut) <= 1_000 and body.endswith("...")
    assert long.text.startswith(body.removesuffix("..."))
    assert long.text in tool(server, "read_passage", passage_id="../long", characters=20_000)
    assert "use an id from a search" in failure(server, "read_passage", passage_id="none")
    service.close()


def test_errors_say_what_to_change(server: Any) -> None:
    unknown = failure(server, "search_passages", query="Ada?")
    assert unknown == "InvalidRequest: query: there is no such key; did you mean 'question'?"
    assert failure(server, "search_passages") == "InvalidRequest: question: field required"
    assert "closest ids" in failure(server, "community_of", seeds=["999"])
    assert "question" in failure(server, "search_passages", question="")
    assert "question" in failure(server, "search_passages", question="a" * 2_001)
    assert "or equal to 100" in failure(server, "search_passages", question="Ada?", k=101)
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
        index.add([(500, 0), (500, 1)])
    assert "shared with 500" in tool(server, "community_of", seeds=[500])
    service.close()


def test_over_stdio_hostile_lines_are_survived(indices: Sources) -> None:
    """Only messages are printed, and the end of the input ends the process."""
    call = {"name": "community_of", "arguments": {"seeds": [3], "k": 4}}
    messages = [
        b"no json", bytes(range(11, 256)), b"[" * 100_000, b"null", b"x" * 3_000_000,
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"no/such"}',
        json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}).encode(),
    ]  # fmt: skip
    about = {"protocolVersion": "2025-03-26", "capabilities": {}}
    about["clientInfo"] = {"name": "test", "version": "1"}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}
    command = [*GRAPHAGG, "mcp", "--communities", str(indices.communities)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        process.stdin.write(b"\n".join(messages) + b"\n")
        process.stdin.flush()
        answers: dict[int, Any] = {}
        while 2 not in answers or 1 not in answers:
            answer = json.loads(process.stdout.readline())
            answers[answer.get("id")] = answer
        rest, _ = process.communicate(timeout=SECONDS)
    assert answers[1]["error"]["code"] == -32601
    found = answers[2]["result"]["content"][0]["text"]
    assert "shared with 3" in found and indices.communities
    with CommunityIndex.open(indices.communities) as index:
        members = index.query([3], 4).members
    assert [line.split(" ")[0] for line in found.split("\n")] == [str(m.id) for m in members]
    assert process.returncode == 0 and all(json.loads(line) for line in rest.splitlines())


@pytest.fixture
def over_http(service: Service, server: Any):
    """The address of the server's HTTP transport, which wants a token."""
    app = http_app(server, service, Access(token=TOKEN))
    listening, listens = bind("127.0.0.1", 0), threading.Event()
    running = make_server(app, service.limits, ready=listens.set)
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
                answer = await client.call_tool("community_of", {"seeds": [3], "k": 4})
                return names, answer.content[0].text

    names, found = asyncio.run(session())
    assert names == TOOLS
    assert found == tool(server, "community_of", seeds=[3], k=4)


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
    assert "need --http" in call(*communities, "--host", "0.0.0.0").error
    assert "--token-file" in call(*communities, "--http", "--host", "0.0.0.0").error
    assert "no index to serve" in call("mcp").error


def test_an_answer_is_bounded_whatever_the_documents_are(tmp_path: Path) -> None:
    """Whole documents of 100,000 characters, with long titles and metadata."""
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
    PassageIndex.build(corpus, tmp_path / "i", chunking=None, **MODELS).close()
    service = Service(Sources(passages=tmp_path / "i", **MODELS))
    server = create_server(service)

    asked = {"question": "Who wrote notes number1?", "mode": "bm25", "k": 100}
    answer = tool(server, "search_passages", **asked)
    assert tokens_of(answer) <= 2_000
    for number in range(3):
        assert f"] d{number} " in answer
        assert f"Ada wrote notes number{number}." in answer
    shown = tool(server, "search_passages", **asked, show=["year", "note"])
    assert "year=1 " in shown and tokens_of(shown) <= 2_000
    short = tool(server, "search_passages", **asked, max_tokens=250)
    assert tokens_of(short) <= 250 and "(2 more found; give more max_tokens)" in short
    assert "max_tokens" in failure(server, "search_passages", **asked, max_tokens=249)
    first = {"question": "notes number1", "mode": "bm25"}
    with service.passages._lease() as index:
        best = index.retrieve("notes number1", 1, mode="bm25")[0]
    least = tool(server, "search_passages", **first, min_score=best.score)
    assert f"[1] {best.passage.id} " in least and "[2]" not in least
    service.close()


def test_a_missing_model_is_named_at_the_start(
    call, indices: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-ins of the index are no models that can be loaded by name."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shown = call("mcp", "--passages", indices.passages)
    assert shown.code != 0 and "fake" in shown.err


def test_a_client_that_closes_its_end_is_no_error(
    call, indices: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(server: object, transport: str) -> None:
        raise ExceptionGroup("tasks", [BrokenPipeError()])

    monkeypatch.setattr("graphagg.serve.mcp.server.CorpusServer.run", run)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # the command replaces it
    shown = call("mcp", "--communities", indices.communities)
    assert shown.code == 0 and shown.err == ""
