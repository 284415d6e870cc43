"""`/v1/chat/completions` by the real `openai` package, against upstreams of every kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from graphagg.cli.serving import LanguageModel
from graphagg.errors import InvalidParameter
from graphagg.rag.answer.generate import RULES
from graphagg.rag.models.endpoint import Endpoint
from graphagg.serve.chat import NOTHING_FOUND, Answers
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving, until
from tests.upstream import DONE, Upstream, event, upstream

QUESTION = "Who designed the Engine?"
KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(scope="module")
def model() -> Iterator[Upstream]:
    with upstream() as made:
        yield made


@pytest.fixture(scope="module")
def live(indices: Sources, model: Upstream) -> Iterator[Live]:
    with serving_with(indices, Endpoint(model.url, "small", "GRAPHAGG_TEST_KEY")) as running:
        yield running


@pytest.fixture(autouse=True)
def sound(model: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with an upstream that answers, and a service that has nothing open."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("GRAPHAGG_TEST_KEY", KEY)
    yield
    model.reset()


def serving_with(indices: Sources, endpoint: Endpoint | None) -> Any:
    service = Service(indices, patient())
    return serving(service, answers=Answers(service, endpoint))


def client(live: Live) -> OpenAI:
    return OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0, timeout=SECONDS)


def asked(live: Live, text: str = QUESTION, **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    with client(live) as opened:
        return opened.chat.completions.create(model="graphagg", messages=messages, **options)


def streamed(live: Live, **options: Any) -> Generator[Any]:
    """The chunks of an answer; the connection is closed at the end, not when it is collected."""
    messages: Any = [{"role": "user", "content": QUESTION}]
    options |= {"model": "graphagg", "messages": messages, "stream": True}
    with client(live) as opened, opened.chat.completions.create(**options) as chunks:
        yield from chunks


def test_the_models(live: Live) -> None:
    with client(live) as opened:
        assert [each.id for each in opened.models.list()] == ["graphagg"]


def test_an_answer_cites_its_passages(live: Live, model: Upstream) -> None:
    answer = asked(live, extra_body={"top_k": 2})
    assert answer.choices[0].message.content == "In London [1]."
    assert answer.choices[0].finish_reason == "stop" and answer.model == "graphagg"
    hits = live.json("/v1/passages/search", {"question": QUESTION, "top_k": 2})["hits"]
    (cited,) = answer.citations
    assert (cited["number"], cited["id"], cited["title"]) == (1, hits[0]["id"], hits[0]["title"])
    assert answer.unknown_citations == []
    sent = model.asked[-1]["messages"]
    assert sent[0] == {"role": "system", "content": RULES}
    assert f"[1] {hits[0]['title']}\n{hits[0]['text']}" in sent[1]["content"]
    assert sent[1]["content"].endswith(f"Question: {QUESTION}")
    assert set(model.asked[-1]) == {"model", "messages", "stream"}


def test_a_stream_is_the_answer_in_pieces(live: Live) -> None:
    chunks = list(streamed(live))
    texts = [chunk.choices[0].delta.content for chunk in chunks]
    assert [text for text in texts if text] == ["In ", "London [1]."]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [each["number"] for each in chunks[-1].citations] == [1]
    assert len({chunk.id for chunk in chunks}) == 1


def test_an_upstream_that_does_not_stream_will_do(live: Live, model: Upstream) -> None:
    model.chunks = None
    assert "".join(c.choices[0].delta.content or "" for c in streamed(live)) == ("In London [1].")
    model.chunks = [event("Nowhere [7]."), event(finish="stop")]
    answer = asked(live)
    assert answer.unknown_citations == [7] and answer.citations == []


def test_the_conversation_and_the_sampling_go_along(live: Live, model: Upstream) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Ask."},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    with client(live) as opened:
        opened.chat.completions.create(
            model="graphagg", messages=messages, temperature=0.5, max_tokens=9, user="u", seed=3
        )
    sent = model.asked[-1]
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 9)
    assert sent["messages"][1:4] == messages[:3] and QUESTION in sent["messages"][4]["content"]


def test_without_a_passage_the_model_is_not_asked(live: Live, model: Upstream) -> None:
    before = len(model.asked)
    answer = asked(live, extra_body={"filter": {"kind": "none"}})
    assert answer.choices[0].message.content == NOTHING_FOUND and answer.citations == []
    pieces = list(streamed(live, extra_body={"filter": {"kind": "none"}}))
    assert pieces[1].choices[0].delta.content == NOTHING_FOUND
    assert len(model.asked) == before


BROKEN = [
    ([event("In ")], False),
    ([event("In ")], True),
    ([event("In "), b"data: garbage\n\n", DONE], False),
    ([event("In "), b"data: " + b"[" * 50_000 + b"\n\n"], False),
]


@pytest.mark.parametrize(("chunks", "truncated"), BROKEN)
def test_an_upstream_that_breaks_off_is_an_error_in_the_stream(
    live: Live, model: Upstream, chunks: list[bytes], truncated: bool
) -> None:
    model.chunks, model.truncated = chunks, truncated
    with pytest.raises(openai.InternalServerError) as whole:
        asked(live)
    assert whole.value.status_code == 502
    assert whole.value.body["type"] == "EndpointAnswer"  # type: ignore[index]
    heard = []
    with pytest.raises(openai.APIError, match="gave no whole answer"):
        for chunk in streamed(live):
            heard.append(chunk.choices[0].delta.content)
    assert heard == ["", "In "]
    assert live.json("/healthz")["status"] == "ok"


def test_an_upstream_that_refuses_has_a_status_before_the_stream(
    live: Live, model: Upstream
) -> None:
    model.status, model.chunks = 401, None
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as refused:
            list(streamed(live)) if stream else asked(live)
        assert refused.value.status_code == 502
        assert KEY not in str(refused.value) and model.url not in str(refused.value)


@pytest.mark.parametrize("after", [0, 2])
def test_an_upstream_that_takes_long_is_bounded(
    indices: Sources, model: Upstream, after: int
) -> None:
    model.hold.clear()
    model.hold_after = after
    endpoint = Endpoint(model.url, "small", timeout=0.5)
    with serving_with(indices, endpoint) as live:
        with pytest.raises(openai.InternalServerError) as late:
            asked(live)
        assert late.value.status_code == 504
        with pytest.raises(openai.APIError, match="gave no whole answer"):
            list(streamed(live))
        assert live.json("/healthz")["status"] == "ok"


class Endless:
    """Pieces that never end, each of which comes in time."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield event("more ")


def test_an_upstream_that_goes_on_for_ever_is_bounded(indices: Sources, model: Upstream) -> None:
    """The time is that of the whole answer, not of a piece."""
    endpoint = Endpoint(model.url, "small", timeout=0.5)
    with serving_with(indices, endpoint) as live:
        model.chunks = Endless()
        with pytest.raises(openai.InternalServerError) as late:
            asked(live)
        assert late.value.status_code == 504 and model.left.wait(SECONDS)
        model.left.clear()
        with pytest.raises(openai.APIError, match="gave no whole answer"):
            list(streamed(live))
        assert model.left.wait(SECONDS)  # nobody reads on
        assert live.json("/healthz")["status"] == "ok"


def test_a_client_that_leaves_ends_the_reading(live: Live, model: Upstream) -> None:
    model.hold.clear()
    model.hold_after = 2
    model.chunks = [event(""), event("In "), *[event("x" * 1_000)] * 10_000]
    chunks = streamed(live)
    while next(chunks).choices[0].delta.content != "In ":
        pass
    chunks.close()
    model.hold.set()
    assert model.left.wait(SECONDS)  # the connection to the upstream was closed
    until(lambda: "language model" not in [t.name for t in threading.enumerate()])


def test_nobody_there(indices: Sources) -> None:
    with serving_with(indices, Endpoint("http://127.0.0.1:9/v1", "m")) as live:
        with pytest.raises(openai.InternalServerError) as gone:
            asked(live)
        assert gone.value.status_code == 502 and "127.0.0.1" not in str(gone.value)


def test_without_a_language_model_it_refuses_by_name(indices: Sources) -> None:
    with serving_with(indices, None) as live:
        with pytest.raises(openai.NotFoundError, match="--llm-url") as refused:
            asked(live)
        assert refused.value.body["type"] == "NoLanguageModel"  # type: ignore[index]
        with client(live) as opened, pytest.raises(openai.NotFoundError, match="--llm-url"):
            opened.models.list()


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"model": "gpt-9"}, 404, "UnknownModel"),
        ({"messages": []}, 422, "InvalidRequest"),
        ({"messages": [{"role": "user", "content": ""}]}, 422, "InvalidRequest"),
        ({"messages": [{"role": "user", "content": "a" * 2_001}]}, 422, "InvalidRequest"),
        ({"messages": [{"role": "assistant", "content": "Hm?"}]}, 400, "InvalidParameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 422, "InvalidRequest"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            422,
            "InvalidRequest",
        ),
        ({"n": 2}, 422, "InvalidRequest"),
        ({"tools": [{"type": "function"}]}, 422, "InvalidRequest"),
        ({"temperature": 3}, 422, "InvalidRequest"),
        ({"top_k": 0}, 422, "InvalidRequest"),
        ({"filter": {"none": 1}}, 400, "InvalidFilter"),
    ],
)
def test_what_cannot_be_asked(live: Live, change: dict[str, Any], status: int, name: str) -> None:
    body = {"model": "graphagg", "messages": [{"role": "user", "content": QUESTION}]} | change
    assert error_of(live.post("/v1/chat/completions", body), status) == name


def test_the_command_wants_both() -> None:
    assert LanguageModel().endpoint() is None
    made = LanguageModel("http://localhost/v1", "m", "KEY", 2.0).endpoint()
    assert made == Endpoint("http://localhost/v1", "m", "KEY", 2.0)
    for given in (("http://localhost/v1", None), (None, "m")):
        with pytest.raises(InvalidParameter, match="go together"):
            LanguageModel(*given).endpoint()
