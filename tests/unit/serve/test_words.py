"""`/v1/passages/answer` against language models of every kind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from graphagg.cli.serving.options import LanguageModel
from graphagg.errors import InvalidParameter
from graphagg.rag.answer.generate import RULES
from graphagg.rag.models.endpoint import Endpoint
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving
from tests.upstream import DONE, Upstream, event, upstream

QUESTION = "Who designed the Engine?"
KEY = "sk-a-key-that-nobody-may-see"
PATH = "/v1/passages/answer"


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
    """Each test begins with an upstream that answers."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("GRAPHAGG_TEST_KEY", KEY)
    yield
    model.reset()


def serving_with(indices: Sources, endpoint: Endpoint | None) -> Any:
    return serving(Service(indices, patient()), endpoint=endpoint)


def test_an_answer_cites_its_passages(live: Live, model: Upstream) -> None:
    answer = live.json(PATH, {"question": QUESTION, "k": 2})
    hits = live.json("/v1/passages/search", {"question": QUESTION, "k": 2})["hits"]
    assert answer["text"] == "In London [1]." and answer["hits"] == hits
    first = {"number": 1, "passage_id": hits[0]["id"], "title": hits[0]["title"]}
    assert answer["citations"] == [first] and answer["unknown_citations"] == []
    sent = model.asked[-1]["messages"]
    assert sent[0] == {"role": "system", "content": RULES}
    assert f"[1] {hits[0]['title']}\n{hits[0]['text']}" in sent[1]["content"]
    assert sent[1]["content"].endswith(f"Question: {QUESTION}")


def test_a_number_of_no_passage_is_no_citation(live: Live, model: Upstream) -> None:
    model.chunks = [event("Nowhere [7]."), event(finish="stop")]
    answer = live.json(PATH, {"question": QUESTION})
    assert answer["unknown_citations"] == [7] and answer["citations"] == []


def test_without_a_passage_the_model_is_not_asked(live: Live, model: Upstream) -> None:
    before = len(model.asked)
    nothing = {"citations": [], "unknown_citations": []}
    answer = live.json(PATH, {"question": QUESTION, "filter": {"kind": "none"}})
    assert answer == {"text": "", "hits": [], **nothing}
    assert len(model.asked) == before


BROKEN = [
    ([event("In ")], False),
    ([event("In ")], True),
    ([event("In "), b"data: garbage\n\n", DONE], False),
    ([event("In "), b"data: " + b"[" * 50_000 + b"\n\n"], False),
]


@pytest.mark.parametrize(("chunks", "truncated"), BROKEN)
def test_an_upstream_that_breaks_off_is_an_error(
    live: Live, model: Upstream, chunks: list[bytes], truncated: bool
) -> None:
    model.chunks, model.truncated = chunks, truncated
    answer = live.post(PATH, {"question": QUESTION})
    assert error_of(answer, 502) == "EndpointAnswer" and model.url not in answer.text


def test_a_refusal_of_the_upstream_shows_neither_key_nor_address(
    live: Live, model: Upstream
) -> None:
    model.status, model.chunks = 401, None
    answer = live.post(PATH, {"question": QUESTION})
    assert answer.status_code == 502 and KEY not in answer.text
    assert model.url not in answer.text


@pytest.mark.parametrize("after", [0, 2])
def test_an_upstream_that_takes_long_is_bounded(
    indices: Sources, model: Upstream, after: int
) -> None:
    model.hold.clear()
    model.hold_after = after
    with serving_with(indices, Endpoint(model.url, "small", timeout=0.5)) as live:
        assert live.error(504, PATH, {"question": QUESTION}) == "EndpointTimeout"
        assert live.json("/healthz")["status"] == "ok"


class Endless:
    """Pieces that never end, each of which comes in time."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield event("more ")


def test_an_upstream_that_goes_on_for_ever_is_bounded(indices: Sources, model: Upstream) -> None:
    """The time is that of the whole answer, not of a piece."""
    with serving_with(indices, Endpoint(model.url, "small", timeout=0.5)) as live:
        model.chunks = Endless()
        assert live.error(504, PATH, {"question": QUESTION}) == "EndpointTimeout"
        assert model.left.wait(SECONDS)  # nobody reads on


def test_without_a_language_model_it_refuses_by_name(indices: Sources) -> None:
    with serving_with(indices, Endpoint("http://127.0.0.1:9/v1", "m")) as live:  # nobody there
        answer = live.post(PATH, {"question": QUESTION})
        assert answer.status_code == 502 and "127.0.0.1" not in answer.text
    with serving_with(indices, None) as live:
        answer = live.post(PATH, {"question": QUESTION})
        assert error_of(answer, 404) == "NoLanguageModel" and "--llm-url" in answer.text


def test_the_command_wants_both() -> None:
    assert LanguageModel().endpoint() is None
    made = LanguageModel("http://localhost/v1", "m", "KEY", 2.0).endpoint()
    assert made == Endpoint("http://localhost/v1", "m", "KEY", 2.0)
    for given in (("http://localhost/v1", None), (None, "m")):
        with pytest.raises(InvalidParameter, match="go together"):
            LanguageModel(*given).endpoint()
