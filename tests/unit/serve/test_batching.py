"""Questions at once each get their own answer; queues and times are bounded."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graphagg.errors import Overloaded
from graphagg.serve.http.requests import BodyLimit
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Sources
from graphagg.serve.shared import BoundedThreadPool
from tests.fakes import FakeExtractor
from tests.unit.serve.live import SECONDS, HeldEncoder, error_of

QUESTIONS = [f"Who is {name} in London?" for name in ("Ada", "Babbage", "Thames", "Engine")] * 3


@pytest.fixture
def encoder() -> HeldEncoder:
    return HeldEncoder()


@pytest.fixture
def held(indices: Sources, encoder: HeldEncoder) -> Sources:
    return Sources(passages=indices.passages, encoder=encoder, extractor=FakeExtractor())


def test_different_filters_are_answered_apart(
    start, held: Sources, encoder: HeldEncoder, live
) -> None:
    encoder.gate.set()
    running = start(held)
    bodies = [
        {"question": q, "filter": f, "mode": mode}
        for q in QUESTIONS[:2]
        for f in (None, {"kind": "city"}, {"not": {"kind": "city"}})
        for mode in ("multihop", "linearrag", "dense", "bm25")
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda b: running.post("/v1/passages/search", b).json(), bodies))
    for body, answer in zip(bodies, answers, strict=True):
        expected = live.json("/v1/passages/search", body)["hits"]
        assert [hit["id"] for hit in answer["hits"]] == [hit["id"] for hit in expected]


def test_a_full_service_refuses_and_recovers(start, held, encoder: HeldEncoder) -> None:
    limits = ServiceLimits(waiting=1, threads=1)
    gate, entered = threading.Event(), threading.Event()
    running = start(held, limits)

    def occupy() -> None:
        entered.set()
        assert gate.wait(SECONDS)

    pool: BoundedThreadPool = running.service.shared.pool
    future = pool._pool.submit(occupy)
    pool._open += 1
    future.add_done_callback(pool._release)
    assert entered.wait(SECONDS)
    refused = running.post("/v1/passages/search", {"question": "Ada?", "mode": "bm25"})
    assert error_of(refused, 503) == "Overloaded" and refused.headers["retry-after"] == "1"
    gate.set()
    future.result(SECONDS)
    assert running.json("/v1/passages/search", {"question": "Ada?", "mode": "bm25"})["hits"]


def test_a_request_that_would_wait_too_long_is_refused_at_once() -> None:
    """Two threads and answers of 20 s: a third request is not admitted, and needs no body."""
    gate = asyncio.Event()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(app: BodyLimit, path: str = "/v1/info", length: bytes = b"0") -> Any:
        answers: asyncio.Queue[Any] = asyncio.Queue()
        headers = [(b"content-length", length)]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
        await app(scope, asyncio.Event().wait, answers.put)  # type: ignore[arg-type]
        return answers.get_nowait()

    async def run() -> None:
        app = BodyLimit(answer, ServiceLimits(threads=2))
        for _ in range(100):
            app._queue.leave(app._queue.enter(), 20.0)
        held = [asyncio.create_task(ask(app)) for _ in range(2)]
        held.append(asyncio.create_task(ask(app, "/healthz")))
        await asyncio.sleep(0)
        for length in (b"0", b"9"):
            refused = await ask(app, length=length)
            assert refused["status"] == 503
            assert (b"retry-after", b"30") in refused["headers"]
        gate.set()
        assert [(await each)["status"] for each in held] == [200] * 3
        assert (await ask(app))["status"] == 200

    asyncio.run(run())


def test_a_body_that_nobody_reads_has_no_time_limit() -> None:
    """As that of `POST /v1/collections/NAME/sync`, which takes none but may get one."""
    sent: list[Any] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/collections/a/sync"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"2")]}
    app = BodyLimit(answer, ServiceLimits(receive_seconds=0.001))
    asyncio.run(app(scope, asyncio.Event().wait, send))  # type: ignore[arg-type]
    assert [each["status"] for each in sent] == [200]


def test_an_answer_that_takes_too_long_is_refused(
    start, held: Sources, encoder: HeldEncoder
) -> None:
    running = start(held, ServiceLimits(answer_seconds=0.05))
    refused = running.post("/v1/passages/search", {"question": "Ada?"})
    assert error_of(refused, 503) == "TimeLimit"
    encoder.gate.set()
    assert running.json("/healthz") == {"status": "ok"}


def test_a_thread_pool_keeps_count_when_it_is_closed(tmp_path: Path) -> None:
    pool = BoundedThreadPool("test", 1, 2)
    assert asyncio.run(pool.run(lambda x: x + 1, 2)) == 3 and pool._open == 0
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run(lambda: 1 // 0))
    assert pool._open == 0
    pool._open = 2
    with pytest.raises(Overloaded, match="2 requests already wait for test"):
        asyncio.run(pool.run(lambda: None))
    pool.close()
    pool._open = 0
    with pytest.raises(RuntimeError):
        asyncio.run(pool.run(lambda: None))
    assert pool._open == 0


def test_a_question_that_comes_again_is_not_encoded_again(
    start, held: Sources, encoder: HeldEncoder
) -> None:
    encoder.gate.set()
    running = start(held)
    for question in ("Ada?", "Ada?", "Babbage?", "Ada?"):
        assert running.json("/v1/passages/search", {"question": question})["hits"]
    assert sum(encoder.calls) == 2
