"""What a careless or hostile client sends: each is a clear 4xx, none a 5xx, all stay answered."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from graphagg.serve.http.routes.about import PAGE
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving, until


@pytest.fixture(scope="module")
def strict(indices: Sources) -> Iterator[Live]:
    """A service that takes small bodies."""
    with serving(Service(indices, patient(ServiceLimits(body_bytes=5_000)))) as running:
        until(lambda: running.get("/readyz").is_success)
        yield running


@pytest.fixture(scope="module")
def hasty(indices: Sources) -> Iterator[Live]:
    """A service that waits a second for its clients, and takes few connections."""
    limits = patient(ServiceLimits(receive_seconds=1.0, idle_seconds=1, connections=20))
    with serving(Service(indices, limits)) as running:
        yield running


@pytest.fixture(autouse=True)
def still_answers(strict: Live) -> Iterator[None]:
    yield
    assert strict.json("/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("query", "query: there is no such key; did you mean 'question'?"),
        ("filtr", "filtr: there is no such key; did you mean 'filter'?"),
        ("zzzzzz", "zzzzzz: there is no such key"),
    ],
)
def test_an_unknown_key_is_answered_with_the_key_that_is_meant(strict: Live, key, message):
    answer = strict.post("/v1/passages/search", {"question": "x", key: "y"})
    assert message == answer.json()["error"]["message"]


# --- the OpenAPI document ------------------------------------------------------------------------


UNASKED = ("/v1/info", "/healthz", "/readyz")
"""What takes no input, so that none of it can be wrong."""
UNTOLD = (
    "as_of is",
    "recency: no passage has a date",
    "min_confidence is",
    "offset and max_tokens",
    "level is",
    "give either passage or entity",
    "no file was sent",
    "language",
)
"""How errors begin about what the document does not tell: dates, levels of a map, either of two."""


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_generated_requests_get_what_the_document_says(live: Live, mode: GenerationMode) -> None:
    generate(live, mode, 16, "/v1/")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_generated_writes_get_what_the_document_says(
    indices: Sources, tmp_path: Path, mode: GenerationMode
) -> None:
    models = {"encoder": indices.encoder, "extractor": indices.extractor}
    sources = Sources(root=tmp_path / "root", **models)  # type: ignore[arg-type]
    with serving(Service(sources, patient())) as running:
        for name in ("a", "b", "0"):  # names that are generated first
            running.post("/v1/collections", {"name": name})
            rows = [{"id": "p", "text": "Ada lived in London."}]
            running.post(f"/v1/collections/{name}/passages", {"passages": rows})
        generate(running, mode, 38, "/v1/collections")


def generate(live: Live, mode: GenerationMode, count: int, below: str) -> None:
    """Ask the operations of a document below an address with generated requests."""
    document = schemathesis.openapi.from_url(f"{live.url}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == count
    for operation in operations:
        if not operation.path.startswith(below) or operation.path.endswith("/files/{path}"):
            continue
        if mode.is_negative and (operation.path in UNASKED or operation.body is None):
            continue

        @settings(
            max_examples=6,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            answer = case.call_and_validate(
                timeout=SECONDS, excluded_checks=[positive_data_acceptance]
            )
            if mode.is_positive and answer.status_code not in (200, 201, 404, 409):
                assert answer.status_code == 400, answer.text
                error = answer.json()["error"]  # what no schema can tell
                known = error["type"] in KNOWN
                assert known or error["message"].startswith(UNTOLD), error

        with suppress(Unsatisfiable):  # nothing about it can be wrong
            ask()


KNOWN = ("InvalidFilter", "InvalidQuestion", "DuplicateId", "EmptyCorpus", "InvalidPassage")
"""Errors about what the document does not tell."""


# --- bodies --------------------------------------------------------------------------------------

QUERY = "/v1/communities/query"
TYPE = {"content-type": "application/json"}


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 1_000):
        yield b" " * 1_000


def test_a_body_up_to_the_limit_is_taken_and_one_byte_more_is_not(strict: Live) -> None:
    body = json.dumps({"seeds": [3]}).encode()
    fits = body + b" " * (5_000 - len(body))
    assert strict.client.post(QUERY, content=fits, headers=TYPE).status_code == 200
    answer = strict.client.post(QUERY, content=fits + b" ", headers=TYPE)
    assert error_of(answer, 413) == "BodyTooLarge" and answer.headers["connection"] == "close"

    sound = chain([body], chunks(4_000))
    assert strict.client.post(QUERY, content=sound, headers=TYPE).status_code == 200
    answer = strict.client.post(QUERY, content=chunks(200_000), headers=TYPE)
    assert error_of(answer, 413) == "BodyTooLarge"
    # a declared length is refused before the body comes
    with strict.connect() as client:
        client.sendall(_head(QUERY, length=10**12))
        assert b" 413 " in _answer(client)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[]", b"3", b'"seeds"', b"\xff\xfe", b"{'seeds': [3]}",
        b'{"seeds": [3]} x', b'{"seeds": NaN}', b"[" * 4_000, b'{"seeds": [' + b"9" * 4_900 + b"]}",
        b'{"seeds": ["\\ud800"]}', b'{"seeds": [true]}', b'{"seeds": [1.5]}', b'{"seeds": [-1]}',
        b'{"seeds": []}', b'{"seeds": [3], "k": 0}', b'{"seeds": [3], "k": 1001}',
        b'{"seeds": [3], "k": "5"}', b'{"seeds": [3], "method": "magic"}',
        b'{"seeds": [3], "\\ud800": 1}', b'{"seeds": [3], "hits": 5}',
        b'{"seeds": [' + b"3," * 100 + b"3]}", b'{"seeds": ["' + b"a" * 513 + b'"]}',
    ],
)  # fmt: skip
def test_a_malformed_body_is_told_what_is_wrong(strict: Live, content: bytes) -> None:
    answer = strict.client.post(QUERY, content=content, headers=TYPE)
    assert answer.status_code in (400, 422), answer.text
    assert error_of(answer, answer.status_code) in ("InvalidRequest", "BadRequest")
    assert len(answer.text) < 2_000 and "jSON" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"question": ""}, {"question": "a" * 2_001}, {"question": None},
        {"question": "x\ud800"}, {"k": 101}, {"k": -1}, {"mode": "magic"}, {"filter": []},
        {"neighbors": "yes"}, {"limit": 3},
    ],
)  # fmt: skip
def test_limits_of_a_question(strict: Live, change: dict[str, object]) -> None:
    body = json.dumps({"question": "Who is Ada?"} | change)
    answer = strict.client.post("/v1/passages/search", content=body, headers=TYPE)
    assert error_of(answer, 422) == "InvalidRequest"
    assert next(iter(change)) in answer.json()["error"]["message"]


def test_blank_questions_and_deep_filters(strict: Live) -> None:
    for blank in (" ", " \n\t", "\x1f", "\u3000"):
        assert strict.error(400, "/v1/passages/search", {"question": blank}) == "InvalidQuestion"
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"not": deep}
    filtered = {"question": "Ada?", "filter": deep}
    assert strict.error(400, "/v1/passages/search", filtered) == "InvalidFilter"


# --- paths and methods ---------------------------------------------------------------------------

TRAVERSALS = [
    "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd",
    "/static/%2fetc%2fpasswd", "/static/....//app.py", "/static/..%5capp.py", "/static/%00",
    "/static/..%c0%af..%c0%afetc/passwd", "/static/.", "/static/..", "/static/", "/static",
    "/static/index.html%00.js", "/static/js/../../app.py", "/../../etc/passwd", "//etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_page(strict: Live, path: str) -> None:
    with strict.connect() as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = _answer(client)
    assert b" 404 " in answer.split(b"\r\n")[0] and b"NotFound" in answer


FILES = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file()}


def test_other_methods_are_refused(strict: Live) -> None:
    for method in ("DELETE", "PUT", "PATCH", "GET", "TRACE", "BREW"):
        answer = strict.client.request(method, QUERY)
        assert error_of(answer, 405) == "MethodNotAllowed"
        assert answer.headers["allow"] == "POST"


# --- slow and broken connections -----------------------------------------------------------------


def _head(path: str, *, length: int, method: str = "POST") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "\r\n",
    ]
    return "\r\n".join(lines).encode()


def _answer(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    read = b""
    while chunk := _receive(client):
        read += chunk
    return read


def _receive(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_headers_that_do_not_come_leave_others_answered(hasty: Live) -> None:
    """Uvicorn waits for them, up to its number of connections: time-outs are a proxy's."""
    slow = [hasty.connect() for _ in range(10)]
    for number, client in enumerate(slow):
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc"[: 4 * number])
    assert hasty.json(QUERY, {"seeds": [3]})["members"]
    for client in slow:
        client.close()


def test_connections_have_an_end(hasty: Live) -> None:
    """One more than are allowed is refused at its request, and room is made when others leave."""
    idle = [hasty.connect() for _ in range(20)]
    with hasty.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 503 " in client.recv(1 << 16).split(b"\r\n")[0]
    for client in idle:
        client.close()
    until(lambda: hasty.get("/healthz").is_success)


@pytest.mark.parametrize("sent", [b"", b"GET /hea"])
def test_after_an_answer_an_idle_connection_ends(hasty: Live, sent: bytes) -> None:
    """One that has begun its next request is waited for."""
    with hasty.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in client.recv(1 << 16)
        if sent:
            client.sendall(sent)
            client.sendall(b"lthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert _answer(client).endswith(b'{"status":"ok"}' if sent else b"")


def test_a_body_that_does_not_come_is_a_timeout(hasty: Live) -> None:
    with hasty.connect() as client:
        client.sendall(_head(QUERY, length=100) + b'{"seeds"')
        answer = _answer(client)
    assert b" 408 " in answer and b"RequestTimeout" in answer


def test_answers_that_nobody_reads_stop_the_reading(hasty: Live) -> None:
    """More answers than the buffers of both sides hold: requests are taken no more, others are."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with hasty.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(1)
        with pytest.raises(TimeoutError):
            for _ in range(100_000):
                client.sendall(request * 50)
        assert hasty.json(QUERY, {"seeds": [3]})["members"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(strict: Live, sent: bytes) -> None:
    with strict.connect() as client:
        client.sendall(sent)
        with suppress(OSError):  # it may have hung up already
            client.shutdown(socket.SHUT_WR)
        line = _answer(client).split(b"\r\n")[0]
    assert line in (
        b"",
        b"HTTP/1.1 400 Bad Request",
        b"HTTP/1.1 403 Forbidden",
        b"HTTP/1.1 501 Not Implemented",
    )


def test_a_client_that_leaves_is_not_missed(strict: Live) -> None:
    for _ in range(5):
        client = strict.connect()
        client.sendall(_head("/v1/passages/search", length=30) + b'{"question"')
        client.close()
    assert 'status="500"' not in strict.get("/metrics").text
