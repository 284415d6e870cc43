"""Worker processes answer as one process does, and none is missed when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graphagg import errors
from graphagg.errors import GraphAggError, InvalidParameter, MissingExtra, WorkerLost
from graphagg.rag import PassageIndex
from graphagg.serve.pool.pool import pooled_service
from graphagg.serve.pool.worker import Job, error_of
from graphagg.serve.service import Sources
from tests.fakes import CORPUS, FakeEncoder
from tests.unit.serve.live import SECONDS, Live, patient, serving, until
from tests.unit.serve.live import error_of as refused
from tests.unit.serve.test_answers import MODES, QUESTIONS

pytestmark = pytest.mark.usefixtures("unsynced")


@contextmanager
def pooled(sources: Sources, workers: int = 2, **options: Any) -> Iterator[Live]:
    service = pooled_service(workers, Job(sources, patient(), poll_seconds=0.05, **options))
    service.slowest.kept = 10_000  # quick ones too
    with serving(service) as live:
        until(lambda: live.get("/readyz").status_code == 200)
        yield live


@pytest.fixture(scope="module")
def pool(indices: Sources) -> Iterator[Live]:
    """A service with two workers that many tests ask."""
    with pooled(indices) as live:
        yield live


class DeadlyEncoder(FakeEncoder):
    """Ends the process that encodes a certain word; waits at another one."""

    def encode_query(self, questions: Any, names: Any) -> Any:
        text = " ".join(questions)
        if "poison" in text:
            os._exit(1)
        if (found := re.search(r"wait-at:(\S+)", text)) is not None:
            with socket.create_connection(("127.0.0.1", int(found[1])), timeout=SECONDS) as gate:
                gate.recv(1)
        return super().encode_query(questions, names)


BODIES = [
    *(
        ("/v1/passages/search", {"question": question, "mode": mode, "top_k": 4})
        for question in QUESTIONS
        for mode in MODES
    ),
    ("/v1/passages/search/batch", {"questions": QUESTIONS, "filter": {"kind": "city"}}),
    ("/v1/communities/query", {"seeds": [3, 4], "top_k": 9}),
    ("/v1/communities/query/batch", {"queries": [{"seeds": [3]}, {"seeds": [20]}]}),
    ("/v1/communities/structure", {"seeds": [3], "top_k": 9}),
    ("/v1/embedding/neighbors", {"vertex": 3}),
    ("/v1/embedding/neighbors/batch", {"vertices": [3, 4, "5"]}),
]


def untimed(answer: Any) -> Any:
    return {name: value for name, value in answer.items() if not name.endswith("_ms")}


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_workers_answer_as_one_process_does(
    pool: Live, live: Live, path: str, body: dict[str, Any]
) -> None:
    assert untimed(pool.json(path, body)) == untimed(live.json(path, body))


def test_the_front_knows_what_is_served(pool: Live, live: Live) -> None:
    assert pool.json("/v1/info") == live.json("/v1/info")
    path = "/v1/communities/vertices?prefix=1"
    assert pool.json(path) == live.json(path)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/passages/search", {"question": " "}),
        ("/v1/passages/search", {"question": "x", "filter": {"no": 1}}),
        ("/v1/communities/query", {"seeds": ["nobody"]}),
        ("/v1/embedding/neighbors", {"vertex": 10**9}),
    ],
)
def test_errors_are_the_same(pool: Live, live: Live, path: str, body: dict[str, Any]) -> None:
    one, other = pool.post(path, body), live.post(path, body)
    assert (one.status_code, one.json()) == (other.status_code, other.json())
    assert one.status_code in (400, 404)


def test_workers_share_the_work(pool: Live) -> None:
    """More clients than workers: each worker answers some."""
    with ThreadPoolExecutor(8) as clients:
        bodies = [{"question": f"Who is Ada {number}?"} for number in range(64)]
        answers = list(clients.map(lambda b: pool.post("/v1/passages/search", b), bodies))
    assert {answer.status_code for answer in answers} == {200}
    workers = pool.service._pool._workers.values()  # type: ignore[union-attr]
    assert all(worker.answered for worker in workers)
    until(lambda: "graphagg_worker_own_bytes{" in pool.get("/metrics").text)
    figures = pool.get("/metrics").text
    assert "graphagg_workers 2.0" in figures
    until(lambda: re.search(r'vectors_total\{outcome="made"\} [1-9]', pool.get("/metrics").text))


def test_a_trace_comes_from_the_worker(pool: Live) -> None:
    marked = {"question": "Where do Ada and Babbage meet?"}
    answer = pool.post("/v1/passages/search", marked, headers={"x-request-id": "from-a-worker"})
    assert answer.status_code == 200
    slow = pool.json("/v1/slow")["requests"]
    found = next(each for each in slow if each["request_id"] == "from-a-worker")
    assert {"read", "encode", "retrieve", "explain"} <= set(found["stages"])
    assert found["details"]["question"] == marked["question"]


class Gate:
    """Holds questions that name its port, in whatever process encodes them."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.question = f"Who is Ada? wait-at:{self.socket.getsockname()[1]}"
        self.held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.held.append(self.socket.accept()[0])
            except OSError:
                return

    def open(self) -> None:
        for client in self.held:
            client.close()


@pytest.fixture
def deadly(indices: Sources) -> Iterator[Live]:
    with pooled(
        Sources(indices.passages, encoder=DeadlyEncoder(), extractor=indices.extractor)
    ) as live:
        yield live


def processes(live: Live) -> dict[int, int]:
    """Numbers of the workers that are ready, and their process ids."""
    workers = live.service._pool._workers  # type: ignore[union-attr]
    return {n: worker.process.pid for n, worker in workers.items() if worker.is_ready}


def test_a_worker_that_dies_is_replaced_and_its_questions_are_answered(deadly: Live) -> None:
    gate = Gate()
    before = processes(deadly)
    with ThreadPoolExecutor(4) as clients:
        ask = [clients.submit(deadly.post, "/v1/passages/search", {"question": gate.question})]
        until(lambda: len(gate.held) == 1)
        holding = next(
            worker
            for worker in deadly.service._pool._workers.values()
            if worker.pending  # type: ignore[union-attr]
        )
        os.kill(holding.process.pid, signal.SIGKILL)
        until(lambda: len(gate.held) == 2)  # another worker encodes it now
        quick = deadly.post("/v1/communities/query", {"seeds": [3]})
        assert quick.status_code == 404  # not served here, and answered at once
        gate.open()
        assert ask[0].result(SECONDS).status_code == 200
    until(lambda: len(processes(deadly)) == 2)
    assert processes(deadly)[holding.slot] != before[holding.slot]
    assert "graphagg_workers_lost_total 1.0" in deadly.get("/metrics").text  # the first to end
    assert deadly.json("/v1/passages/search", {"question": "Who is Babbage?"})["hits"]


def test_a_question_that_ends_workers_is_refused(deadly: Live) -> None:
    answer = deadly.post("/v1/passages/search", {"question": "A poison"})
    assert refused(answer, 503) == "WorkerLost"
    until(lambda: deadly.get("/readyz").status_code == 200)
    assert deadly.json("/v1/passages/search", {"question": "Who is Ada?"})["hits"]


def test_a_client_that_leaves_frees_its_place(deadly: Live) -> None:
    gate = Gate()
    body = json.dumps({"question": gate.question}).encode()
    head = (
        f"POST /v1/passages/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    )
    with deadly.connect() as client:
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        until(lambda: len(gate.held) == 1)
    gate.open()
    until(lambda: deadly.service._pool._open == 0)  # type: ignore[union-attr]
    assert deadly.json("/v1/passages/search", {"question": "Who is Ada?"})["hits"]


def found(live: Live) -> list[str]:
    """The ids of all passages that a question finds."""
    body = {"question": CORPUS[0].text[:200], "top_k": 20, "mode": "dense"}
    return [hit["id"] for hit in live.json("/v1/passages/search", body)["hits"]]


def test_a_publish_in_the_middle_loses_nothing(indices: Sources, tmp_path: Path) -> None:
    models = {"encoder": indices.encoder, "extractor": indices.extractor}
    PassageIndex.build(CORPUS, tmp_path / "idx", **models).close()
    with pooled(Sources(tmp_path / "idx", **models)) as live:
        stop, statuses = threading.Event(), []

        def ask(number: int) -> None:
            while not stop.is_set():
                body = {"question": f"Who is Ada {number} {len(statuses)}?"}
                statuses.append(live.post("/v1/passages/search", body).status_code)

        with ThreadPoolExecutor(4) as clients:
            asking = [clients.submit(ask, number) for number in range(4)]
            until(lambda: len(statuses) > 20)
            index = PassageIndex.open(tmp_path / "idx", **models)
            gone = CORPUS[0].id
            index.delete([gone])
            wanted = index.manifest.data
            until(lambda: live.json("/v1/info")["passages"]["version"] == wanted)
            until(lambda: all(gone not in found(live) for _ in range(4)))  # in both workers
            stop.set()
            for each in asking:
                each.result(SECONDS)
    assert set(statuses) == {200}


def test_a_worker_that_cannot_start_ends_the_service(indices: Sources) -> None:
    failures: list[Exception] = []
    sources = Sources(indices.passages, encoder=BrokenEncoder(), extractor=indices.extractor)
    service = pooled_service(2, Job(sources, patient()))
    with serving(service, failed=failures.append) as live:
        until(lambda: failures != [])
        assert live.get("/readyz").status_code == 503
    assert isinstance(failures[0], InvalidParameter) and "no encoding" in str(failures[0])


class BrokenEncoder(FakeEncoder):
    def encode_query(self, questions: Any, names: Any) -> Any:
        raise InvalidParameter("no encoding today")


def test_there_is_at_least_one_worker(indices: Sources) -> None:
    with pytest.raises(InvalidParameter, match="workers is 0"):
        pooled_service(0, Job(indices))


@pytest.mark.parametrize("kind", [each for each in vars(errors).values() if isinstance(each, type)])
def test_an_error_of_another_process_keeps_its_class(kind: type) -> None:
    if not issubclass(kind, GraphAggError):
        return
    error = error_of(kind.__name__, "what happened")
    assert type(error) is kind and str(error) == "what happened"


def test_any_other_error_of_a_worker_is_named() -> None:
    for name in ("ValueError", "annotations", "install_line", "nothing"):
        error = error_of(name, "secret")
        assert type(error) is WorkerLost and name in str(error) and "secret" not in str(error)
    assert isinstance(error_of("MissingExtra", "x"), MissingExtra)
