"""The process: what starting loads, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from graphagg.serve.service import Sources
from tests.unit.commands import GRAPHAGG
from tests.unit.serve.live import SECONDS, until
from tests.unit.test_packaging import printed

HEAVY = {"torch", "pyspark", "spacy", "faiss", "sentence_transformers", "transformers"}


@contextmanager
def running(*arguments: object, group: bool = False) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`graphagg serve` as its own process, and the port that it says it serves on."""
    patient = ("--receive-seconds", SECONDS, "--answer-seconds", SECONDS, "--port", 0)
    patient += ("--idle-seconds", 3600, "--no-access-log")
    whole = [*GRAPHAGG, "serve", *map(str, (*patient, *arguments))]
    with subprocess.Popen(
        whole, stderr=subprocess.PIPE, text=True, start_new_session=group
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            assert line.startswith("serving on http://127.0.0.1:"), line
            yield process, int(line.rpartition(":")[2])
        finally:
            process.kill()


def test_starting_loads_no_model(indices: Sources) -> None:
    code = (
        "from pathlib import Path\n"
        "from graphagg.serve.http.app import create_app\n"
        "from graphagg.serve.service import Service, Sources\n"
        f"create_app(Service(Sources(*map(Path, {_directories(indices)!r}))))\n"
        "import sys; print(*sys.modules)"
    )
    assert not {*printed(code)[-1].split()} & HEAVY


def _directories(indices: Sources) -> list[str]:
    return [str(d) for d in (indices.passages, indices.communities, indices.embedding)]


BODY = json.dumps({"seeds": [3], "k": 5}).encode()
HEAD = (
    "POST /v1/communities/query HTTP/1.1\r\nHost: localhost\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


def test_the_signal_to_stop_lets_open_requests_finish(indices: Sources) -> None:
    """Requests whose bodies are half sent when the signal comes are answered in full."""
    with running("--communities", indices.communities) as (process, port):
        clients = [_connect(port) for _ in range(8)]
        for client in clients:
            client.sendall(HEAD + BODY[:5])
        idle = _connect(port)
        assert _ask(idle, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.stderr and "open requests are answered" in process.stderr.readline()
        assert idle.recv(1) == b""  # after a moment, whatever --idle-seconds is
        for client in clients:
            assert len(_ask(client, BODY[5:])["members"]) == 5
        assert process.wait(SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        _connect(port)


def test_a_signal_to_the_whole_group_lets_open_requests_finish(indices: Sources) -> None:
    """Service managers signal each process of a service."""
    options = ("--communities", indices.communities, "--workers", 2)
    with running(*options, group=True) as (process, port):
        client = _connect(port)
        client.sendall(HEAD + BODY[:5])
        until(lambda: _status(port, "/readyz") == 200)
        os.killpg(process.pid, signal.SIGTERM)
        assert len(_ask(client, BODY[5:])["members"]) == 5
        assert process.wait(SECONDS) == 0


def _status(port: int, path: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    client.request("GET", path)
    status = client.getresponse().status
    client.close()
    return status


def test_a_second_signal_ends_it_at_once(indices: Sources) -> None:
    with running("--communities", indices.communities) as (process, port):
        stuck = _connect(port)
        stuck.sendall(b"POST /v1/communities/query HTTP/1.1\r\nHost: localhost\r\n")
        stuck.sendall(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        process.send_signal(signal.SIGTERM)
        assert process.stderr and "open requests are answered" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def _ask(client: socket.socket, sent: bytes) -> dict[str, object]:
    client.sendall(sent)
    read = b""
    while b"\r\n\r\n" not in read or not read.rstrip().endswith(b"}"):
        chunk = client.recv(1 << 16)
        assert chunk, read
        read += chunk
    found: dict[str, object] = json.loads(read.partition(b"\r\n\r\n")[2])
    return found
