"""Services that listen on loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np

from graphagg.serve.http.app import create_app
from graphagg.serve.http.security import Access
from graphagg.serve.http.server import GracefulServer, address_of, bind, make_server
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service
from tests.fakes import FakeEncoder

SECONDS = 900  # after which a test gives up; none waits so long


@dataclass(frozen=True)
class Live:
    """A service that answers, and a client of it."""

    service: Service
    server: GracefulServer
    url: str
    client: httpx.Client

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.client.post(path, json=body, **options)

    def json(self, path: str, body: Any = None) -> Any:
        answer = self.get(path) if body is None else self.post(path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, status: int, path: str, body: Any = None) -> str:
        """The name of a refusal of this status."""
        answer = self.get(path) if body is None else self.post(path, body)
        return error_of(answer, status)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)


def until(true: Callable[[], bool]) -> None:
    """Wait for what other threads bring about."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def patient(limits: ServiceLimits | None = None) -> ServiceLimits:
    """Limits whose times, where they are the default ones, suffice on a busy machine too."""
    limits, default = limits or ServiceLimits(), ServiceLimits()
    times = ("receive_seconds", "answer_seconds")
    unset = [name for name in times if getattr(limits, name) == getattr(default, name)]
    return replace(limits, **dict.fromkeys(unset, float(SECONDS)))


def error_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"} and answer.json()["error"]["message"]
    name: str = answer.json()["error"]["type"]
    return name


@contextmanager
def serving(
    service: Service,
    access: Access | None = None,
    *,
    port: int = 0,
    poll_seconds: float = 0.02,
    failed: Callable[[Exception], None] | None = lambda error: None,
) -> Iterator[Live]:
    """A service on a port of loopback (0: any); at the end it stops and has no open request."""
    listening = bind("127.0.0.1", port)

    def stopping() -> None:
        service.stopping = True

    app = create_app(service, access, poll_seconds=poll_seconds, failed=failed)
    server = make_server(app, service.limits, stopping=stopping)
    thread = threading.Thread(target=server.run, args=([listening],))
    url = address_of(listening)
    thread.start()
    try:
        until(lambda: server.started)
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
            yield Live(service, server, url, client)
    finally:
        server.should_exit = True
        thread.join(SECONDS)
    assert not thread.is_alive()


class HeldEncoder(FakeEncoder):
    """An encoder that waits at a gate, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.calls: list[int] = []

    def encode_query(self, questions: Any, names: Any) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(len(questions))
        self.entered.set()
        assert self.gate.wait(SECONDS)
        return super().encode_query(questions, names)
