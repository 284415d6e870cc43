"""Dify's external knowledge API, by its documented contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidFilter
from graphagg.rag import Passage, PassageIndex
from graphagg.serve.http.routes.dify import MetadataCondition, own_filter
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.serve.live import Live, patient, serving

TOKEN = "correct-horse-battery-staple"
PATH = "/v1/dify/retrieval"
MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
ROWS = [
    {"lang": "en", "year": 1843, "tags": ["ai", "math"], "when": "2020-01-01", "path": "a/x.md"},
    {"lang": "de", "year": 1791, "tags": ["art"], "when": "2021-05-01", "path": "a/y.txt"},
    {"lang": "en-gb", "year": 1900, "tags": [], "when": "2022-09-01", "path": "b/x.md"},
    {"other": 1},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("dify") / "letters"
    passages = [
        Passage(f"p{i}", f"Ada wrote letter number{i} in London.", f"Letter {i}", metadata)
        for i, metadata in enumerate(ROWS)
    ]
    PassageIndex.build(passages, where, **MODELS).close()
    return where


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    service = Service(Sources(passages=folder, **MODELS), patient())
    with serving(service, Access(token=TOKEN)) as running:
        yield running


def ask(live: Live, authorization: str | None = f"Bearer {TOKEN}", **change: Any) -> httpx.Response:
    body = {
        "knowledge_id": "letters",
        "query": "Which letter did Ada write?",
        "retrieval_setting": {"top_k": 4, "score_threshold": 0.0},
    }
    headers = {} if authorization is None else {"authorization": authorization}
    return live.post(PATH, body | change, headers=headers)


def records(live: Live, **change: Any) -> list[dict[str, Any]]:
    answer = ask(live, **change)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"records"}
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def test_records_are_those_of_a_search_with_scores_up_to_one(live: Live) -> None:
    found = records(live)
    headers = {"authorization": f"Bearer {TOKEN}"}
    body = {"question": "Which letter did Ada write?", "top_k": 4}
    hits = live.post("/v1/passages/search", body, headers=headers).json()["hits"]
    assert [each["metadata"]["passage_id"] for each in found] == [hit["id"] for hit in hits]
    for each, hit in zip(found, hits, strict=True):
        assert set(each) == {"content", "score", "title", "metadata"}
        assert each["content"] == hit["text"] and each["title"] == hit["title"]
        assert 0 <= each["score"] < 1 and each["metadata"].items() >= hit["metadata"].items()
        assert each["score"] == hit["score"] / (1 + hit["score"])
    assert records(live, knowledge_id="passages") == found


def test_the_threshold_and_the_number(live: Live) -> None:
    found = records(live)
    second = found[1]["score"]
    setting = {"top_k": 4, "score_threshold": second}
    kept = records(live, retrieval_setting=setting)
    assert kept == [each for each in found if each["score"] >= second]
    assert records(live, retrieval_setting={"top_k": 4, "score_threshold": 1.0}) == []
    assert len(records(live, retrieval_setting={"top_k": 2, "score_threshold": 0})) == 2


CONDITIONS = [
    ("lang", "contains", "en", [0, 2]),
    ("lang", "not contains", "en", [1, 3]),
    ("lang", "start with", "d", [1]),
    ("path", "end with", ".md", [0, 2]),
    ("tags", "contains", "ai", [0]),
    ("lang", "is", "en", [0]),
    ("lang", "is not", "en", [1, 2, 3]),
    ("lang", "in", ["en", "de"], [0, 1]),
    ("lang", "in", "en,de", [0, 1]),
    ("lang", "not in", ["en", "de"], [2, 3]),
    ("lang", "empty", None, [3]),
    ("lang", "not empty", None, [0, 1, 2]),
    ("year", "=", 1843, [0]),
    ("year", "=", "1843", [0]),
    ("year", "≠", 1843, [1, 2, 3]),
    ("year", ">", "1843", [2]),
    ("year", "<", 1843, [1]),
    ("year", "≥", 1843, [0, 2]),
    ("year", "≤", 1843, [0, 1]),
    ("when", "before", "2021-01-01", [0]),
    ("when", "after", "2021-01-01", [1, 2]),
    (["lang", "path"], "contains", "x", [0, 1, 2]),
]


@pytest.mark.parametrize(("name", "operator", "value", "rows"), CONDITIONS)
def test_each_operator(live: Live, name: Any, operator: str, value: Any, rows: list[int]) -> None:
    condition = {"name": name, "comparison_operator": operator, "value": value}
    found = records(live, metadata_condition={"conditions": [condition]})
    assert sorted(each["metadata"]["passage_id"] for each in found) == [f"p{row}" for row in rows]


def test_conditions_are_joined(live: Live) -> None:
    first = {"name": "lang", "comparison_operator": "is", "value": "en"}
    second = {"name": "year", "comparison_operator": "<", "value": 1800}

    def ids(operator: str | None) -> list[str]:
        condition = {"logical_operator": operator, "conditions": [first, second]}
        return sorted(
            each["metadata"]["passage_id"] for each in records(live, metadata_condition=condition)
        )

    assert ids("or") == ["p0", "p1"] and ids("and") == [] == ids(None)
    assert len(records(live, metadata_condition={"conditions": []})) == 4
    assert len(records(live, metadata_condition=None)) == 4


@given(part=st.text("enrd-/.xyt", max_size=3), end=st.sampled_from(["start with", "end with"]))
def test_text_operators_take_what_python_does(folder: Path, part: str, end: str) -> None:
    with PassageIndex.open(folder, **MODELS) as index:
        for operator in ("contains", end):
            condition = {"name": "path", "comparison_operator": operator, "value": part}
            made = MetadataCondition.model_validate({"conditions": [condition]})
            (clause,) = own_filter(index, made)["and"]  # type: ignore[index]
            (of_key,) = clause["or"]
            taken = {"contains": str.__contains__, "start with": str.startswith}.get(
                operator, str.endswith
            )
            paths = {row["path"] for row in ROWS if "path" in row}
            assert set(of_key["path"]["in"]) == {path for path in paths if taken(path, part)}


def refused(answer: httpx.Response, status: int, code: int) -> str:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error_code", "error_msg"}
    assert answer.json()["error_code"] == code
    return str(answer.json()["error_msg"])


def test_errors_have_difys_codes(live: Live) -> None:
    refused(ask(live, None), 401, 1001)
    refused(ask(live, TOKEN), 401, 1001)
    refused(ask(live, "Basic abc"), 401, 1001)
    refused(ask(live, "Bearer"), 401, 1001)
    refused(ask(live, f"Bearer {TOKEN}x"), 401, 1002)
    assert "letters" in refused(ask(live, knowledge_id="other"), 404, 2001)
    assert "query" in refused(ask(live, query=""), 422, 422)
    assert "top_k" in refused(ask(live, retrieval_setting={"top_k": 0}), 422, 422)
    unknown = {"name": "none", "comparison_operator": "is", "value": "x"}
    said = refused(ask(live, metadata_condition={"conditions": [unknown]}), 400, 400)
    assert "none" in said
    lacking = {"name": "lang", "comparison_operator": "is"}
    refused(ask(live, metadata_condition={"conditions": [lacking]}), 400, 400)
    wrong = {"name": "year", "comparison_operator": "contains", "value": "x"}
    refused(ask(live, metadata_condition={"conditions": [wrong]}), 400, 400)
    answer = live.get(PATH, headers={"authorization": f"Bearer {TOKEN}"})
    refused(answer, 405, 405)


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    rows = [Passage(f"p{i}", "Ada wrote.", "", {"name": f"v{i}"}) for i in range(1_001)]
    with PassageIndex.build(rows, tmp_path / "i", **MODELS) as index:
        condition = {"name": "name", "comparison_operator": "contains", "value": "v"}
        made = MetadataCondition.model_validate({"conditions": [condition]})
        with pytest.raises(InvalidFilter, match="write more of it"):
            own_filter(index, made)


def test_without_passages_it_says_so(indices: Sources) -> None:
    with serving(Service(Sources(communities=indices.communities))) as live:
        assert "--passages" in refused(ask(live), 404, 404)
