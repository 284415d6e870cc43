"""What operators see: ids, the log, the slow list, stages, traces and metrics."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.serve.http.requests import REQUEST_ID
from graphagg.serve.http.security import Access
from graphagg.serve.observe.log import ACCESS, JsonFormatter, TextFormatter, start_log
from graphagg.serve.observe.slow import Slowest
from graphagg.serve.observe.stages import Stage, Trace, current_trace, tracing
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import Live, patient, serving, until

SEARCH = "/v1/passages/search"
QUESTION = {"question": "Who read the notes that Ada wrote?"}
STAGES = ["scope", "wait", "read", "encode", "retrieve", "explain"]


@pytest.fixture
def lines(live: Live) -> Iterator[list[str]]:
    """What graphagg logs from now on, as JSON lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    found: list[str] = []
    handler.emit = lambda record: found.append(handler.format(record))  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in (ACCESS, "graphagg.serve")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    # A line is written after its answer: that of the test before may still be on its way.
    live.get("/v1/info", headers={REQUEST_ID: "begins"})
    until(lambda: any("begins" in line for line in found))
    found.clear()
    yield found
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_id", ["a", "7f-3_b.c", "x" * 128, "a:b/c=d@e+f"])
def test_a_sane_id_is_taken_over(live: Live, given_id: str) -> None:
    for path in ("/healthz", "/nothing", "/v1/info"):
        assert live.get(path, headers={REQUEST_ID: given_id}).headers[REQUEST_ID] == given_id


@pytest.mark.parametrize("given_id", ["", "x" * 129, "a b", 'a"b', "{}", "é", "a\tb"])
def test_any_other_is_replaced(live: Live, given_id: str) -> None:
    headers = [(REQUEST_ID.encode(), given_id.encode("latin-1"))]
    made = [live.get("/healthz", headers=headers).headers[REQUEST_ID] for _ in range(2)]
    assert all(len(each) == 32 and each.isalnum() for each in made) and made[0] != made[1]


def test_refusals_carry_an_id_too(live: Live) -> None:
    refused = live.get("/v1/info", headers={"host": "evil.example", REQUEST_ID: "r1"})
    assert refused.status_code == 403 and refused.headers[REQUEST_ID] == "r1"


# --- the log -------------------------------------------------------------------------------------


def test_a_request_is_one_json_line(live: Live, lines: list[str]) -> None:
    live.post(SEARCH, QUESTION, headers={REQUEST_ID: "logged"})
    until(lambda: lines != [])  # it is written after the answer
    (found,) = map(json.loads, lines)
    assert found["request_id"] == "logged"
    assert found["logger"] == ACCESS and found["level"] == "info"
    assert found["method"] == "POST" and found["path"] == found["route"] == SEARCH
    assert found["status"] == 200 and found["client"] == "127.0.0.1" and found["ms"] > 0
    assert list(found["stages"]) == STAGES
    assert QUESTION["question"] not in json.dumps(found)


def test_probes_are_logged_from_debug_on(live: Live, lines: list[str]) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/v1/info"):
        live.get(path)
    until(lambda: lines != [])
    assert [json.loads(line)["path"] for line in lines] == ["/v1/info"]
    logging.getLogger(ACCESS).setLevel(logging.DEBUG)
    live.get("/healthz")
    until(lambda: len(lines) == 2)
    assert json.loads(lines[1])["path"] == "/healthz"


def test_what_a_client_sends_stays_on_one_line(live: Live, lines: list[str]) -> None:
    live.get("/v1/%0a%22x%1b[31m%e2%80%a8" + "y" * 2_000)
    until(lambda: lines != [])
    (line,) = lines
    assert "\n" not in line and "\x1b" not in line and line.isascii() and len(line) < 1_200


@given(text=st.text())
@settings(max_examples=50)
def test_a_json_line_is_a_line(text: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    record.fields = {"path": text}
    line = JsonFormatter().format(record)
    assert "\n" not in line and json.loads(line)["message"] == text == json.loads(line)["path"]


def test_a_failure_is_logged_with_its_request(
    live: Live, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "info", lambda self: 1 / 0)
    answer = live.get("/v1/info", headers={REQUEST_ID: "failing"})
    assert answer.status_code == 500 and answer.headers[REQUEST_ID] == "failing"
    assert answer.json()["error"]["type"] == "InternalError"
    until(lambda: len(lines) == 2)
    failed, asked = map(json.loads, lines)
    assert "failing" in failed["message"] and "ZeroDivision" in failed["traceback"]
    assert asked["status"] == 500 and asked["request_id"] == "failing"


def test_the_text_log_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord(ACCESS, logging.INFO, "", 0, "%s", ("GET /",), None)
    assert TextFormatter().format(record).endswith("Z GET /")
    record.name = "graphagg.serve"
    assert TextFormatter().format(record) == "GET /"
    with pytest.raises(InvalidParameter, match="log level is 'loud'"):
        start_log("loud")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="log format is 'xml'"):
        start_log("info", "xml")  # type: ignore[arg-type]


# --- stages and the slow list --------------------------------------------------------------------


def test_stages_are_counted(live: Live) -> None:
    live.post(SEARCH, QUESTION)
    text = live.get("/metrics").text
    for name in STAGES:
        assert f'graphagg_stage_seconds_count{{stage="{name}"}}' in text


def test_a_trace_belongs_to_its_task() -> None:
    assert current_trace() is not current_trace()
    trace = Trace("t")
    with tracing(trace):
        assert current_trace() is trace
        with pytest.raises(ZeroDivisionError), current_trace().stage("read"):
            raise ZeroDivisionError
    assert [stage.name for stage in trace.stages] == ["read"]
    assert current_trace() is not trace


def test_a_trace_passes_through_json() -> None:
    trace, other = Trace("a"), Trace("b")
    trace.stages += [Stage("read", 1, 5), Stage("read", 5, 8, 2)]
    trace.detail("question", "q" * 1_000)
    other.add_json(json.loads(json.dumps(trace.to_json())))
    assert other.stages == trace.stages and other.details == {"question": "q" * 200}
    assert other.milliseconds() == {"read": pytest.approx(7e-6, abs=1e-3)}


@given(
    times=st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1_000)), max_size=40),
    kept=st.integers(1, 5),
)
def test_the_slowest_of_the_window_are_kept(times: list[tuple[float, int]], kept: int) -> None:
    """Compared with all of them, sorted."""
    now = [0.0]
    slowest, every = Slowest(kept, 50.0, lambda: now[0]), []
    for wait, milliseconds in times:
        now[0] += wait
        trace = Trace(str(len(every)))
        trace.stages.append(Stage("read", 0, 1))
        slowest.add(trace, "/", 200, milliseconds)
        every.append((now[0], milliseconds))
        there = [each.milliseconds for each in slowest.requests()]
        recent = sorted((ms for at, ms in every if at > now[0] - 50.0), reverse=True)
        assert there == sorted(there, reverse=True) and len(there) <= kept
        if len(recent) <= kept or wait == 0:
            assert set(there) <= set(recent)
        assert not recent or there[0] <= recent[0]
    if times and all(wait == 0 for wait, _ in times):
        assert there == recent[:kept]


def test_requests_without_work_are_not_slow() -> None:
    slowest = Slowest()
    slowest.add(Trace(), "/", 200, 10.0)
    assert slowest.requests() == []


def test_the_slow_list_says_what_was_asked(start, indices: Sources) -> None:
    running = start(indices)
    running.post(SEARCH, QUESTION, headers={REQUEST_ID: "slow-one"})
    running.post("/v1/communities/query", {"seeds": [3]})
    found = running.json("/v1/slow")["requests"]
    assert {each["route"] for each in found} == {SEARCH, "/v1/communities/query"}
    search = next(each for each in found if each["route"] == SEARCH)
    assert (
        search["details"] == {**QUESTION, "mode": "multihop"} and list(search["stages"]) == STAGES
    )
    assert search["milliseconds"] >= max(search["stages"].values())


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_without_a_token_only_this_machine_sees_it(live: Live, name: str) -> None:
    assert live.get("/v1/slow").is_success
    refused = live.get("/v1/slow", headers={name: "127.0.0.1"})
    assert refused.status_code == 403 and refused.json()["error"]["type"] == "Forbidden"


def test_under_a_public_name_it_wants_a_token(start, indices: Sources) -> None:
    public, name = Sources(communities=indices.communities), {"host": "rag.example.org"}
    running = start(public, access=Access(hosts=("rag.example.org",)))
    assert running.get("/v1/info", headers=name).is_success
    assert running.get("/v1/slow", headers=name).status_code == 403
    token = "correct-horse-battery-staple"
    guarded = start(public, access=Access(token=token, hosts=("rag.example.org",)))
    assert guarded.get("/v1/slow", headers=name).status_code == 401
    assert guarded.get("/v1/slow", headers=name | {"authorization": f"Bearer {token}"}).is_success


# --- OpenTelemetry -------------------------------------------------------------------------------


@pytest.fixture
def telemetry():
    pytest.importorskip(
        "opentelemetry.instrumentation.fastapi", reason="the extra otel is not installed"
    )
    from graphagg.serve.http.telemetry import Telemetry

    return Telemetry


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_question_is_a_trace_with_a_span_a_stage(telemetry: Any, indices: Sources) -> None:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, figures = InMemorySpanExporter(), InMemoryMetricReader()
    told = telemetry(spans, figures)
    with serving(Service(indices, patient()), telemetry=told) as live:
        live.post(SEARCH, QUESTION, headers={"traceparent": PARENT, REQUEST_ID: "traced"})
    told.flush()
    found = {span.name: span for span in spans.get_finished_spans()}
    root = found.pop(f"POST {SEARCH}")
    assert list(found) == STAGES
    assert f"{root.context.trace_id:032x}" == PARENT[3:35]
    assert f"{root.parent.span_id:016x}" == PARENT[36:52]
    assert root.attributes["http.response.header.x_request_id"] == ("traced",)
    assert root.attributes["http.response.status_code"] == 200
    for span in found.values():
        assert span.parent.span_id == root.context.span_id
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time + 1_000_000
    assert QUESTION["question"] not in str([dict(span.attributes) for span in found.values()])
    data = figures.get_metrics_data()
    names = {m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}
    assert names >= {"http.server.request.duration", "graphagg.stage.duration"}


def test_a_collector_that_is_down_delays_no_answer(
    telemetry: Any, indices: Sources, unused_port: int
) -> None:
    """Nor does one that takes the connection and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (unused_port, silent.getsockname()[1]):
            told = telemetry.to(f"http://127.0.0.1:{port}")
            with serving(Service(indices, patient()), telemetry=told) as live:
                for _ in range(3):
                    assert live.post(SEARCH, QUESTION).is_success
            told.close()  # returns, whatever is still queued


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.mark.parametrize("endpoint", ["localhost:4318", "grpc://x", "file:///etc/passwd"])
def test_what_is_no_collector(telemetry: Any, endpoint: str) -> None:
    with pytest.raises(InvalidParameter, match="OTLP endpoint"):
        telemetry.to(endpoint)
