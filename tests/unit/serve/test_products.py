"""The routes of other products: their published forms, and the answers of the search route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator

from graphagg.rag import PassageIndex
from graphagg.serve.http.security import Access
from graphagg.serve.rights import TokenFile, digest_of
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.serve.live import Live, patient, serving

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
TOKEN = "a-token-that-may-read"
BEARER = {"authorization": f"Bearer {TOKEN}"}
QUESTION = "Who designed the Engine?"
CORPUS = [
    {"id": "p1", "title": "Babbage", "text": "Babbage designed the Engine.",
     "metadata": {"year": 1837, "kind": "person", "path": "babbage.md", "tags": ["a"]}},
    {"id": "p2", "title": "Ada", "text": "Ada wrote notes on the Engine.",
     "metadata": {"year": 1843, "kind": "person"}},
    {"id": "p3", "title": "London", "text": "London lies on the Thames.",
     "metadata": {"year": 1900}},
]  # fmt: skip

# --- published forms, in our words ---------------------------------------------------------------


def closed(**properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(properties),
            "additionalProperties": False}  # fmt: skip


TEXT = {"type": "string"}
SCORE = {"type": "number", "minimum": 0, "maximum": 1}
DIFY_RECORD = closed(content=TEXT, score=SCORE, title=TEXT, metadata={"type": "object"})
DIFY_ANSWER = closed(records={"type": "array", "items": DIFY_RECORD})
DIFY_ERROR = closed(error_code={"type": "integer"}, error_msg=TEXT)
ATTRIBUTE = {"anyOf": [{"type": "string", "maxLength": 512}, {"type": ["number", "boolean"]}]}
RESULT = closed(
    file_id=TEXT,
    filename=TEXT,
    score=SCORE,
    attributes={
        "type": "object", "maxProperties": 16, "propertyNames": {"maxLength": 64},
        "additionalProperties": ATTRIBUTE,
    },
    content={"type": "array", "items": closed(type={"const": "text"}, text=TEXT)},
)  # fmt: skip
PAGE = closed(
    object={"const": "vector_store.search_results.page"},
    search_query={"type": "array", "items": TEXT, "minItems": 1},
    data={"type": "array", "items": RESULT},
    has_more={"type": "boolean"},
    next_page={"type": ["string", "null"]},
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("products")
    PassageIndex.build(CORPUS, folder / "idx", **MODELS).close()
    PassageIndex.build(CORPUS[:2], folder / "root" / "two", **MODELS).close()
    tokens = folder / "tokens.toml"
    tokens.write_text(f'[[token]]\nsha256 = "{digest_of(TOKEN)}"\nrole = "read"\n')
    sources = Sources(folder / "idx", root=folder / "root", **MODELS)
    access = Access(tokens=TokenFile(tokens))
    with serving(Service(sources, patient()), access) as running:
        yield running


def retrieved(live: Live, status: int = 200, headers: Any = BEARER, **changes: Any) -> Any:
    body = {"knowledge_id": "passages", "query": QUESTION,
            "retrieval_setting": {"top_k": 3, "score_threshold": 0.0}, **changes}  # fmt: skip
    answer = live.post("/retrieval", body, headers=headers)
    assert answer.status_code == status, answer.text
    Draft202012Validator(DIFY_ANSWER if status == 200 else DIFY_ERROR).validate(answer.json())
    return answer.json()


def page(live: Live, store: str = "passages", **body: Any) -> list[dict[str, Any]]:
    body = {"query": QUESTION, "max_num_results": 3, **body}
    answer = live.post(f"/v1/vector_stores/{store}/search", body, headers=BEARER)
    assert answer.status_code == 200, answer.text
    Draft202012Validator(PAGE).validate(answer.json())
    return answer.json()["data"]


def searched(live: Live, **options: Any) -> dict[str, Any]:
    body = {"question": QUESTION, "k": 3, **options}
    return live.post("/v1/passages/search", body, headers=BEARER).json()


def test_both_give_the_hits_of_the_search_route(live: Live) -> None:
    answer = searched(live)
    records, results = retrieved(live)["records"], page(live)
    assert [r["title"] for r in records] == [hit["title"] for hit in answer["hits"]]
    assert [r["attributes"]["passage_id"] for r in results] == [h["id"] for h in answer["hits"]]
    assert [r["content"] for r in records] == [r["content"][0]["text"] for r in results]
    scores = [record["score"] for record in records]
    assert scores == [each["score"] for each in results] == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(answer["confidence"], abs=1e-4)
    first = results[[r["attributes"]["passage_id"] for r in results].index("p1")]
    assert first["filename"] == "babbage.md" and first["attributes"]["year"] == 1837
    assert {record["title"] for record in retrieved(live, knowledge_id="two")["records"]} == {
        "Ada", "Babbage",
    }  # fmt: skip
    assert {each["file_id"] for each in page(live, "two")} == {"p1", "p2"}


def test_a_threshold_leaves_out_what_scores_lower(live: Live) -> None:
    scores = [record["score"] for record in retrieved(live)["records"]]
    for least in (0.0, *scores, 1.0):
        expected = [score for score in scores if score >= least]
        setting = {"top_k": 3, "score_threshold": least}
        assert [
            r["score"] for r in retrieved(live, retrieval_setting=setting)["records"]
        ] == expected
        options = {"score_threshold": least, "ranker": "auto"}
        assert [r["score"] for r in page(live, ranking_options=options)] == expected


DIFY_FILTERS = [
    ("year", "≥", "1843", {"year": {"gte": 1843}}),
    (["year"], "<", 1843, {"year": {"lt": 1843}}),
    ("kind", "is", "person", {"kind": "person"}),
    ("kind", "not empty", None, {"kind": {"exists": True}}),
    (["kind", "path"], "empty", None,
     {"or": [{"kind": {"exists": False}}, {"path": {"exists": False}}]}),
    ("year", "in", ["1837", "1900"], {"year": [1837, 1900]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operator", "value", "filter"), DIFY_FILTERS)
def test_conditions_of_dify_are_filters(
    live: Live, name: Any, operator: str, value: Any, filter: Any
) -> None:
    condition = {"name": name, "comparison_operator": operator, "value": value}
    found = retrieved(
        live, metadata_condition={"logical_operator": "and", "conditions": [condition]}
    )
    titles = [hit["title"] for hit in searched(live, filter=filter)["hits"]]
    assert [record["title"] for record in found["records"]] == titles


def test_conditions_are_joined(live: Live) -> None:
    parts = [
        {"name": ["year"], "comparison_operator": "=", "value": str(year)} for year in (1837, 1900)
    ]
    found = {
        way: {r["title"] for r in retrieved(
            live, metadata_condition={"logical_operator": way, "conditions": parts})["records"]}
        for way in ("and", "or")
    }  # fmt: skip
    assert found == {"and": set(), "or": {"Babbage", "London"}}


def test_filters_of_a_vector_store_are_filters(live: Live) -> None:
    old = {"type": "lt", "key": "year", "value": 1900}
    person = {"type": "in", "key": "kind", "value": ["person"]}
    both = {"type": "and", "filters": [old, {"type": "or", "filters": [person]}]}
    own = {"and": [{"year": {"lt": 1900}}, {"kind": ["person"]}]}
    ids = [hit["id"] for hit in searched(live, filter=own)["hits"]]
    assert [r["file_id"] for r in page(live, filters=both)] == ids
    assert page(live, query=[QUESTION], max_num_results=1)[0]["file_id"] == ids[0]


def test_errors_of_dify_have_its_codes(live: Live) -> None:
    assert retrieved(live, 401, headers={})["error_code"] == 1001
    assert retrieved(live, 401, headers={"authorization": "Basic x"})["error_code"] == 1001
    assert retrieved(live, 401, headers={"authorization": "Bearer no"})["error_code"] == 1002
    assert retrieved(live, 404, knowledge_id="none")["error_code"] == 2001
    assert "top_k" in retrieved(live, 422, retrieval_setting={"top_k": 0})["error_msg"]
    for operator, value in (("contains", "a"), ("start with", "a"), ("=", None), ("in", "a")):
        condition = {"name": ["kind"], "comparison_operator": operator, "value": value}
        failed = retrieved(live, 400, metadata_condition={"conditions": [condition]})
        assert "expected one of" in failed["error_msg"]


def test_the_client_of_openai_reads_a_page(live: Live) -> None:
    client = openai.OpenAI(base_url=f"{live.url}/v1", api_key=TOKEN)
    (first, *_) = client.vector_stores.search("passages", query=QUESTION, max_num_results=2)
    assert first.file_id == searched(live)["hits"][0]["id"] and first.content[0].type == "text"
    with pytest.raises(openai.NotFoundError, match="no collection"):
        client.vector_stores.search("none", query=QUESTION)


def test_tokens_and_root_paths_hold_for_errors(tmp_path: Path) -> None:
    PassageIndex.build(CORPUS, tmp_path / "idx", **MODELS).close()
    access = Access(token=TOKEN, root_path="/rag")
    with serving(Service(Sources(tmp_path / "idx", **MODELS), patient()), access) as running:
        body = {"knowledge_id": "a", "query": QUESTION, "retrieval_setting": {"top_k": 1}}
        refused = running.post("/rag/retrieval", body)
        assert refused.status_code == 401 and refused.json()["error_code"] == 1001
        missing = running.post("/rag/retrieval", body, headers=BEARER)
        assert missing.status_code == 404 and missing.json()["error_code"] == 2001
