"""What operators see: ids, the log, and metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest

from graphagg.serve.http.requests import ACCESS, REQUEST_ID
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import Live, until

SEARCH = "/v1/passages/search"


@pytest.fixture
def lines(live: Live, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What graphagg logs from now on."""

    def found() -> list[str]:
        records = [each for each in caplog.records if each.name.startswith("graphagg")]
        return [logging.Formatter().format(each) for each in records]

    for name in (ACCESS, "graphagg.serve"):
        caplog.set_level(logging.INFO, name)
    # A line is written after its answer: that of the test before may still be on its way.
    live.get("/v1/info", headers={REQUEST_ID: "begins"})
    until(lambda: any("begins" in line for line in found()))
    caplog.clear()
    return found


# --- ids -----------------------------------------------------------------------------------------


def test_a_sane_id_is_taken_over_and_any_other_is_replaced(live: Live) -> None:
    for sane in ("a", "7f-3_b.c", "x" * 128, "a:b/c=d@e+f"):
        for path in ("/healthz", "/nothing", "/v1/info"):
            assert live.get(path, headers={REQUEST_ID: sane}).headers[REQUEST_ID] == sane
    for other in ("", "x" * 129, "a b", 'a"b', "{}", "é", "a\tb"):
        headers = [(REQUEST_ID.encode(), other.encode("latin-1"))]
        made = [live.get("/healthz", headers=headers).headers[REQUEST_ID] for _ in range(2)]
        assert all(len(each) == 32 and each.isalnum() for each in made) and made[0] != made[1]
    refused = live.get("/v1/info", headers={"host": "evil.example", REQUEST_ID: "r1"})
    assert refused.status_code == 403 and refused.headers[REQUEST_ID] == "r1"


# --- the log -------------------------------------------------------------------------------------


def test_a_request_is_one_line(live: Live, lines: Callable[[], list[str]]) -> None:
    asked = {"question": "Who logged the Engine?"}  # no other test has asked it
    live.post(SEARCH, asked, headers={REQUEST_ID: "logged"})
    until(lambda: lines() != [])  # it is written after the answer
    (found,) = lines()
    assert re.fullmatch(rf'\S+Z 127.0.0.1 "POST {SEARCH}" 200 [0-9.]+ ms logged', found)


def test_probes_are_logged_from_debug_on(
    live: Live, lines: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/v1/info"):
        live.get(path)
    until(lambda: lines() != [])
    assert ["/v1/info" in line for line in lines()] == [True]
    caplog.set_level(logging.DEBUG, ACCESS)
    live.get("/healthz")
    until(lambda: len(lines()) == 2)
    assert "/healthz" in lines()[1]


def test_what_a_client_sends_stays_on_one_line(live: Live, lines: Callable[[], list[str]]) -> None:
    live.get("/v1/%0a%22x%1b[31m%e2%80%a8" + "y" * 2_000)
    until(lambda: lines() != [])
    (line,) = lines()
    assert "\n" not in line and "\x1b" not in line and line.isascii() and len(line) < 1_200


def test_a_failure_is_logged_with_its_request(
    live: Live, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "info", lambda self: 1 / 0)
    answer = live.get("/v1/info", headers={REQUEST_ID: "failing"})
    assert answer.status_code == 500 and answer.headers[REQUEST_ID] == "failing"
    assert answer.json()["error"]["type"] == "InternalError"
    until(lambda: len(lines()) == 2)
    failed, asked = lines()
    assert "failing" in failed and "ZeroDivision" in failed
    assert " 500 " in asked and asked.endswith("failing")


def test_outcomes_are_counted(start: Callable[..., Live], indices: Sources) -> None:
    live = start(indices)
    live.json(SEARCH, {"question": "x", "min_confidence": 1.0})
    assert 'graphagg_answers_total{outcome="refused"} 1.0' in live.get("/metrics").text
