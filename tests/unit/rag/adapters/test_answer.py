"""Answers in words against an endpoint of the test: request, citations, streams, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

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
from graphagg.rag.answer.generate import RULES, answer, checked
from graphagg.rag.models import endpoint as module
from graphagg.rag.models.endpoint import Endpoint
from tests.upstream import DONE, Upstream, event, stream_of, upstream

KEY = "sk-a-key-that-nobody-may-see"
QUESTION = "Where was the man born who designed the Engine?"
MESSAGES = [{"role": "user", "content": "?"}]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TEST_KEY", KEY)
    with upstream() as made:
        yield made


def at(model: Upstream, **options: object) -> Endpoint:
    return Endpoint(model.url, "small", "TEST_KEY", **options)  # type: ignore[arg-type]


def test_the_model_reads_the_hits_and_its_citations_are_checked(
    index: PassageIndex, model: Upstream
) -> None:
    model.chunks = stream_of(" He was born in London [1][3], it seems [2, 9]; not [0] or [12x]. ")
    found = answer(index, QUESTION, at(model, max_tokens=100), k=3)
    hits = index.retrieve(QUESTION, 3)
    assert found.text.startswith("He was born") and found.hits == tuple(hits)
    assert [(c.number, c.passage_id, c.title) for c in found.citations] == [
        (number, hit.passage.id, hit.passage.title) for number, hit in enumerate(hits, start=1)
    ]
    assert found.unknown == (0, 9)
    (body,), ((path, headers),) = model.asked, model.requests
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


def test_without_a_passage_nothing_is_asked(index: PassageIndex, model: Upstream) -> None:
    found = answer(index, QUESTION, at(model), filter={"year": 1})
    assert (found.text, found.hits, model.asked) == ("", (), [])


def test_a_long_passage_is_cut(index: PassageIndex, model: Upstream) -> None:
    found = answer(index, QUESTION, at(model), k=1, characters=20)
    (hit,) = index.retrieve(QUESTION, 1)
    asked = model.asked[0]["messages"][-1]["content"]
    piece = hit.excerpt(20)
    assert piece.is_cut and len(piece.text) <= 20 and piece.marked in asked
    assert hit.passage.text not in asked and found.cut == (hit.passage.id,)
    assert found.to_json()["hits"][0]["cut"]["characters"] == len(hit.passage.text)
    assert answer(index, QUESTION, at(model), k=1).cut == ()
    with pytest.raises(InvalidParameter, match="characters"):
        answer(index, QUESTION, at(model), characters=0)
    with pytest.raises(InvalidParameter, match="min_score"):
        answer(index, QUESTION, at(model), min_score=float("inf"))


def test_without_a_key_none_is_sent(
    index: PassageIndex, model: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")
    answer(index, QUESTION, at(model))
    assert "authorization" not in model.requests[0][1]
    model.status = 401
    with pytest.raises(EndpointUnauthorized, match=r"\$TEST_KEY is not set"):
        answer(index, QUESTION, at(model))
    monkeypatch.setenv("TEST_KEY", "two\nlines")
    with pytest.raises(InvalidParameter, match="no header can carry") as raised:
        answer(index, QUESTION, at(model))
    assert "two" not in str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(index: PassageIndex, model: Upstream, status: int) -> None:
    model.body, model.chunks = f"bad key {KEY}".encode(), None
    model.status = status
    with pytest.raises(EndpointUnauthorized, match="was refused") as raised:
        answer(index, QUESTION, at(model))
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>hello</html>", "no stream of events .*hello.*version"),
        (200, b"", "no stream of events"),
        (200, b"\xff\xfe", "no stream of events"),
        (200, b'{"choices": []}', "no stream of events"),
        (404, b'{"error": "no such model"}', "status 404 .*no such model"),
        (429, b"slow down", "status 429"),
        (500, b"\x00\xff" * 5_000, "status 500"),
    ],
)
def test_what_is_no_answer(
    index: PassageIndex, model: Upstream, status: int, body: bytes, says: str
) -> None:
    model.status, model.body, model.chunks = status, body, None
    with pytest.raises(EndpointAnswer, match=says) as raised:
        answer(index, QUESTION, at(model))
    assert KEY not in str(raised.value) and len(str(raised.value)) < 1_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_does_not_carry_the_key_away(
    index: PassageIndex, model: Upstream, status: int
) -> None:
    with upstream() as elsewhere:
        model.status, model.headers = status, {"location": f"{elsewhere.url}/chat/completions"}
        with pytest.raises(EndpointAnswer, match=f"status {status}"):
            answer(index, QUESTION, at(model))
        assert not elsewhere.requests


def test_an_endpoint_that_does_not_answer(index: PassageIndex, model: Upstream) -> None:
    model.hold.clear()
    with pytest.raises(EndpointTimeout, match=r"within 0.05 s.*`timeout`"):
        answer(index, QUESTION, at(model, timeout=0.05))


def test_nobody_there(index: PassageIndex, model: Upstream) -> None:
    model.server.shutdown()
    model.server.server_close()
    with pytest.raises(EndpointUnreachable, match="Connection refused"):
        answer(index, QUESTION, at(model))
    with pytest.raises(EndpointUnreachable, match="check the address"):
        answer(index, QUESTION, Endpoint("http://no-such-host.invalid/v1", "m"))


@pytest.mark.parametrize(
    "url", ["localhost:8000", "file:///etc/passwd", "ftp://a/v1", "", "http://"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidParameter, match="wanted one such as"):
        Endpoint(url, "m")


def test_options_are_checked(index: PassageIndex, model: Upstream) -> None:
    with pytest.raises(InvalidParameter, match="model is empty"):
        Endpoint(model.url, "")
    with pytest.raises(InvalidParameter, match="timeout"):
        at(model, timeout=0)
    with pytest.raises(InvalidQuestion):
        answer(index, " ", at(model))
    assert not model.asked


# --- streams ------------------------------------------------------------------------------------


def test_each_piece_is_heard_and_the_answer_is_all_of_them(
    index: PassageIndex, model: Upstream
) -> None:
    heard: list[str] = []
    found = answer(index, QUESTION, at(model), k=3, on_text=heard.append)
    assert heard == ["In ", "London [1]."] and found.text == "In London [1]."
    assert [c.number for c in found.citations] == [1]
    assert model.asked[0]["stream"] is True
    assert answer(index, QUESTION, at(model), k=3) == found


def test_sampling_is_sent_only_if_it_is_given(model: Upstream) -> None:
    list(at(model).stream(MESSAGES))
    assert set(model.asked[0]) == {"model", "messages", "stream"}
    at(model, temperature=0.0, max_tokens=7).complete(MESSAGES)
    assert (model.asked[1]["temperature"], model.asked[1]["max_tokens"]) == (0.0, 7)


@given(
    texts=st.lists(st.text(min_size=1, max_size=20), max_size=6),
    cuts=st.lists(st.integers(1, 400), max_size=12),
    comments=st.booleans(),
)
def test_how_the_bytes_are_cut_does_not_matter(
    texts: list[str], cuts: list[int], comments: bool
) -> None:
    raw = b": ping\n\n" * comments + b"".join(stream_of(*texts))
    bounds = [0, *sorted({min(cut, len(raw)) for cut in cuts}), len(raw)]
    chunks = [raw[a:b] for a, b in pairwise(bounds)]
    assert list(module._pieces("u", iter(chunks))) == texts


@pytest.mark.parametrize(
    ("chunks", "truncated", "says"),
    [
        ([event("In ")], False, "stopped before its end"),
        ([event("In ")], True, "stopped before its end"),
        ([], False, "stopped before its end"),
        ([event("In "), b"data: garbage\n\n", DONE], False, "no part of a chat completion"),
        ([b"data: [1]\n\n"], False, "no part of a chat completion"),
        ([b'data: {"error": "busy"}\n\n'], False, "no part of a chat completion.*busy"),
        ([event(5)], False, "no part of a chat completion"),
        ([b"data: " + b"[" * 100_000 + b"\n\n"], False, "no part of a chat completion"),
        ([b"x" * (1 << 20)] * 5, False, "more than 4 MiB"),
    ],
)
def test_what_is_no_whole_answer(
    model: Upstream, chunks: list[bytes], truncated: bool, says: str
) -> None:
    model.chunks, model.truncated = chunks, truncated
    with pytest.raises(EndpointAnswer, match=says):
        list(at(model).stream(MESSAGES))


def test_events_without_a_choice_or_a_text_are_passed_over(model: Upstream) -> None:
    usage = b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
    model.chunks = [event(), event("a"), b"\n", usage, event(finish="length")]
    assert list(at(model).stream(MESSAGES)) == ["a"]


def test_a_stream_that_takes_long_ends_in_time(model: Upstream) -> None:
    model.hold.clear()
    model.hold_after = 2
    heard = []
    with pytest.raises(EndpointTimeout):
        for piece in at(model, timeout=0.2).stream(MESSAGES):
            heard.append(piece)
    assert heard == ["In "]


def test_what_the_model_is_given_and_told(index: PassageIndex, model: Upstream) -> None:
    found = answer(index, QUESTION, at(model), k=9, exclude=["p2"], prompt="Be brief.")
    assert "p2" not in [hit.passage.id for hit in found.hits] and len(found.hits) == 6
    only = answer(index, QUESTION, at(model), include=["p2"])
    assert [hit.passage.id for hit in only.hits] == ["p2"]
    said = [body["messages"][0]["content"] for body in model.asked]
    assert said == ["Be brief.", RULES]
    with pytest.raises(InvalidParameter, match="prompt is empty"):
        answer(index, QUESTION, at(model), prompt=" ")


# --- the command ---------------------------------------------------------------------------------


def test_the_command(call, index: PassageIndex, model: Upstream) -> None:
    where = index.directory
    asked = ("rag", "answer", where, QUESTION, "--base-url", model.url, "--model", "small")
    asked = (*asked, "--mode", "bm25", "--api-key-env", "TEST_KEY")
    model.chunks = stream_of("In London [1][7].")
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


def test_the_command_streams(call, index: PassageIndex, model: Upstream, tmp_path: Path) -> None:
    asked = ("rag", "answer", index.directory, QUESTION, "--base-url", model.url)
    asked = (*asked, "--model", "small", "--mode", "bm25")
    shown = call(*asked, "--stream")
    assert shown.code == 0 and shown.out.startswith("In London [1].\n\n[1] ")
    assert call(*asked).out == shown.out
    (tmp_path / "told.txt").write_text("Be brief.", encoding="utf-8")
    options = ("--prompt", tmp_path / "told.txt", "--exclude", "p2", "--neighbors", "0")
    found = call(*asked, *options, "--temperature", "0.5", "--json").json
    assert model.asked[-1]["messages"][0]["content"] == "Be brief."
    assert model.asked[-1]["temperature"] == 0.5
    assert "p2" not in [hit["id"] for hit in found["hits"]]
    model.chunks = [event("In ")]
    stopped = call(*asked, "--stream")
    assert stopped.code == 1 and "stopped before its end" in stopped.err
    missing = call(*asked, "--prompt", tmp_path / "none")
    assert missing.code == 2 and "No such file" in missing.err
