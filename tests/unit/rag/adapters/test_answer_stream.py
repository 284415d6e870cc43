"""Answers that stream: every piece, in order; one that stops before its end is an error."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import EndpointAnswer, EndpointTimeout, InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.rag.answer.generate import RULES, answer
from graphagg.rag.models import endpoint as module
from graphagg.rag.models.endpoint import Endpoint
from tests.upstream import DONE, Upstream, event, stream_of, upstream

QUESTION = "Where was the man born who designed the Engine?"
MESSAGES = [{"role": "user", "content": "?"}]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("no_proxy", "*")
    with upstream() as made:
        yield made


def at(model: Upstream, **options: object) -> Endpoint:
    return Endpoint(model.url, "small", "TEST_KEY", **options)  # type: ignore[arg-type]


def test_each_piece_is_heard_and_the_answer_is_all_of_them(
    index: PassageIndex, model: Upstream
) -> None:
    heard: list[str] = []
    found = answer(index, QUESTION, at(model), k=3, on_text=heard.append)
    assert heard == ["In ", "London [1]."] and found.text == "In London [1]."
    assert [c.number for c in found.citations] == [1]
    assert model.asked[0]["stream"] is True
    assert answer(index, QUESTION, at(model), k=3) == found and "stream" not in model.asked[1]


def test_an_endpoint_that_does_not_stream_is_heard_at_once(model: Upstream) -> None:
    model.chunks = None
    assert list(at(model).stream(MESSAGES)) == ["In London [1]."]


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


def test_the_command(call, index: PassageIndex, model: Upstream, tmp_path: Path) -> None:
    asked = ("rag", "answer", index.directory, QUESTION, "--base-url", model.url)
    asked = (*asked, "--model", "small", "--mode", "bm25")
    shown = call(*asked, "--stream")
    assert shown.code == 0 and shown.out.startswith("In London [1].\n\n[1] ")
    assert call(*asked).out == shown.out and "stream" not in model.asked[-1]
    (tmp_path / "told.txt").write_text("Be brief.", encoding="utf-8")
    options = ("--prompt", tmp_path / "told.txt", "--exclude", "p2", "--window", "0")
    found = call(*asked, *options, "--temperature", "0.5", "--json").json
    assert model.asked[-1]["messages"][0]["content"] == "Be brief."
    assert model.asked[-1]["temperature"] == 0.5
    assert "p2" not in [hit["id"] for hit in found["hits"]]
    model.chunks = [event("In ")]
    stopped = call(*asked, "--stream")
    assert stopped.code == 1 and "stopped before its end" in stopped.err
    missing = call(*asked, "--prompt", tmp_path / "none")
    assert missing.code == 2 and "No such file" in missing.err
