"""The answer step against an endpoint of the test: the request, the citations, every refusal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import (
    EndpointAnswer,
    EndpointTimeout,
    EndpointUnauthorized,
    EndpointUnreachable,
    InvalidParameter,
    InvalidQuestion,
)
from graphagg.rag import PassageIndex
from graphagg.rag.answer.generate import answer, checked
from graphagg.rag.models.endpoint import Endpoint

KEY = "sk-a-key-that-nobody-may-see"
QUESTION = "Where was the man born who designed the Engine?"


class Model:
    """A stand-in for an OpenAI-compatible API: it says what a test tells it to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.status, self.body = 200, completion("In London [1].")
        self.headers: dict[str, str] = {}
        self.hold = threading.Event()
        self.hold.set()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = json.loads(self.rfile.read(length))
                sent = {name.lower(): value for name, value in self.headers.items()}
                model.asked.append((self.path, sent, body))
                model.hold.wait(900)
                self.send_response(model.status)
                for name, value in model.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(model.body)))
                self.end_headers()
                with suppress(ConnectionError):  # of an answer that the test stopped
                    self.wfile.write(model.body)

            do_GET = do_POST

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def endpoint(self, **options: Any) -> Endpoint:
        return Endpoint(self.url, "small", "TEST_KEY", **options)


def completion(text: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TEST_KEY", KEY)
    made = Model()
    yield made
    made.hold.set()
    made.server.shutdown()
    made.server.server_close()


def test_the_model_reads_the_hits_and_its_citations_are_checked(
    index: PassageIndex, model: Model
) -> None:
    model.body = completion(" He was born in London [1][3], it seems [2, 9]; not [0] or [12x]. ")
    found = answer(index, QUESTION, model.endpoint(max_tokens=100), k=3)
    hits = index.retrieve(QUESTION, 3)
    assert found.text.startswith("He was born") and found.hits == tuple(hits)
    assert [(c.number, c.passage_id, c.title) for c in found.citations] == [
        (number, hit.passage.id, hit.passage.title) for number, hit in enumerate(hits, start=1)
    ]
    assert found.unknown == (0, 9)
    ((path, headers, body),) = model.asked
    assert path == "/v1/chat/completions" and headers["authorization"] == f"Bearer {KEY}"
    assert body["model"] == "small" and "temperature" not in body and body["max_tokens"] == 100
    asked = body["messages"][-1]["content"]
    places = [asked.index(f"[{n}] {hit.passage.title}\n{hit.passage.text}")
              for n, hit in enumerate(hits, start=1)]  # fmt: skip
    assert places == sorted(places) and asked.endswith(f"Question: {QUESTION}")


@given(
    given_hits=st.integers(0, 6),
    parts=st.lists(st.integers(0, 12) | st.text("ab[]., ", max_size=5), max_size=12),
)
def test_no_citation_points_to_nothing(index: PassageIndex, given_hits: int, parts: list) -> None:
    hits = index.retrieve("Ada and Babbage in London", given_hits) if given_hits else []
    text = " ".join(f"[{part}]" if isinstance(part, int) else part for part in parts)
    found = checked(text, hits)
    numbers = {part for part in parts if isinstance(part, int)}
    assert [c.number for c in found.citations] == sorted(n for n in numbers if 1 <= n <= len(hits))
    assert found.unknown == tuple(sorted(n for n in numbers if not 1 <= n <= len(hits)))
    assert all(hits[c.number - 1].passage.id == c.passage_id for c in found.citations)


def test_without_a_passage_nothing_is_asked(index: PassageIndex, model: Model) -> None:
    found = answer(index, QUESTION, model.endpoint(), filter={"year": 1})
    assert (found.text, found.hits, model.asked) == ("", (), [])


def test_a_long_passage_is_cut(index: PassageIndex, model: Model) -> None:
    found = answer(index, QUESTION, model.endpoint(), k=1, characters=20)
    (hit,) = index.retrieve(QUESTION, 1)
    asked = model.asked[0][2]["messages"][-1]["content"]
    piece = hit.excerpt(20)
    assert piece.is_cut and len(piece.text) <= 20 and piece.marked in asked
    assert hit.passage.text not in asked and found.cut == (hit.passage.id,)
    assert found.to_json()["hits"][0]["cut"]["characters"] == len(hit.passage.text)
    assert answer(index, QUESTION, model.endpoint(), k=1).cut == ()
    with pytest.raises(InvalidParameter, match="characters"):
        answer(index, QUESTION, model.endpoint(), characters=0)
    with pytest.raises(InvalidParameter, match="min_score"):
        answer(index, QUESTION, model.endpoint(), min_score=float("inf"))


def test_without_a_key_none_is_sent(
    index: PassageIndex, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")
    answer(index, QUESTION, model.endpoint())
    assert "authorization" not in model.asked[0][1]
    model.status = 401
    with pytest.raises(EndpointUnauthorized, match=r"\$TEST_KEY is not set"):
        answer(index, QUESTION, model.endpoint())
    monkeypatch.setenv("TEST_KEY", "two\nlines")
    with pytest.raises(InvalidParameter, match="no header can carry") as raised:
        answer(index, QUESTION, model.endpoint())
    assert "two" not in str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(index: PassageIndex, model: Model, status: int) -> None:
    model.status, model.body = status, json.dumps({"error": f"bad key {KEY}"}).encode()
    with pytest.raises(EndpointUnauthorized, match="was refused") as raised:
        answer(index, QUESTION, model.endpoint())
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>hello</html>", "no JSON"),
        (200, b"", "no JSON"),
        (200, b"\xff\xfe", "no JSON"),
        (200, b"[" * 100_000, "no JSON"),
        (200, b"{}", "no chat completion"),
        (200, b"[]", "no chat completion"),
        (200, b'{"choices": []}', "no chat completion"),
        (200, b'{"choices": {"0": 1}}', "no chat completion"),
        (200, completion(None), "no chat completion"),
        (200, completion(["x"]), "no chat completion"),
        (200, b" " * (5 << 20), "more than 4 MiB"),
        (404, b'{"error": "no such model"}', "status 404 .*no such model"),
        (429, b"slow down", "status 429"),
        (500, b"\x00\xff" * 5_000, "status 500"),
    ],
)
def test_what_is_no_answer(
    index: PassageIndex, model: Model, status: int, body: bytes, says: str
) -> None:
    model.status, model.body = status, body
    with pytest.raises(EndpointAnswer, match=says) as raised:
        answer(index, QUESTION, model.endpoint())
    assert KEY not in str(raised.value) and len(str(raised.value)) < 1_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_does_not_carry_the_key_away(
    index: PassageIndex, model: Model, status: int
) -> None:
    elsewhere = Model()
    model.status, model.headers = status, {"location": f"{elsewhere.url}/chat/completions"}
    with pytest.raises(EndpointAnswer, match=f"status {status}"):
        answer(index, QUESTION, model.endpoint())
    assert not elsewhere.asked
    elsewhere.server.shutdown()
    elsewhere.server.server_close()


def test_an_endpoint_that_does_not_answer(index: PassageIndex, model: Model) -> None:
    model.hold.clear()
    with pytest.raises(EndpointTimeout, match=r"within 0.05 s.*`timeout`"):
        answer(index, QUESTION, model.endpoint(timeout=0.05))


def test_nobody_there(index: PassageIndex, model: Model) -> None:
    model.server.shutdown()
    model.server.server_close()
    with pytest.raises(EndpointUnreachable, match="Connection refused"):
        answer(index, QUESTION, model.endpoint())
    with pytest.raises(EndpointUnreachable, match="check the address"):
        answer(index, QUESTION, Endpoint("http://no-such-host.invalid/v1", "m"))


@pytest.mark.parametrize(
    "url", ["localhost:8000", "file:///etc/passwd", "ftp://a/v1", "", "http://"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidParameter, match="wanted one such as"):
        Endpoint(url, "m")


def test_options_are_checked(index: PassageIndex, model: Model) -> None:
    with pytest.raises(InvalidParameter, match="model is empty"):
        Endpoint(model.url, "")
    with pytest.raises(InvalidParameter, match="timeout"):
        model.endpoint(timeout=0)
    with pytest.raises(InvalidQuestion):
        answer(index, " ", model.endpoint())
    assert not model.asked


# --- the command ---------------------------------------------------------------------------------


def test_the_command(call, index: PassageIndex, model: Model) -> None:
    where = index.directory
    asked = ("rag", "answer", where, QUESTION, "--base-url", model.url, "--model", "small")
    asked = (*asked, "--mode", "bm25", "--api-key-env", "TEST_KEY")
    model.body = completion("In London [1][7].")
    shown = call(*asked)
    first = index.retrieve(QUESTION, 5, mode="bm25")[0].passage
    assert shown.code == 0
    assert shown.out.split("\n")[0] == "In London [1][7]."
    assert f"[1] {first.id}" in shown.out and "was not given: 7" in shown.err
    found = call(*asked, "--json", "--filter", "year>=1800").json
    assert found["text"] == "In London [1][7]." and found["unknown_citations"] == [7]
    assert (
        [c["passage_id"] for c in found["citations"]] == ["p7"] == [h["id"] for h in found["hits"]]
    )
    assert "was not asked" in call(*asked, "--filter", "year=1").err
    model.status = 401
    refused = call(*asked)
    assert refused.code == 1 and "$TEST_KEY" in refused.err and KEY not in refused.err + refused.out
