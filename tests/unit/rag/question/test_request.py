"""One request: an option that is added to `Request` is there wherever questions are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from graphagg.errors import InvalidFilter, InvalidParameter
from graphagg.rag import Recency
from graphagg.rag.question.request import Request, RequestFields, options, request_of

ADDED = '''
import dataclasses, json, sys
from graphagg.rag.question import request

@dataclasses.dataclass(frozen=True)
class Request(request.Request):
    """How questions are answered.

    Attributes:
        sample: number of things to sample.
    """

    sample: int = 3

    def __post_init__(self):
        super().__post_init__()
        seen.append(self.sample)

seen = []
request.Request = Request

from graphagg.rag import PassageIndex
from graphagg.serve.mcp import create_server
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.service import Service, Sources
from tests.unit.commands import invoke

corpus = [{"id": f"p{i}", "text": f"Ada saw engine {i}."} for i in range(3)]
index = PassageIndex.build(corpus, sys.argv[1], profile="fast")
found = {}
index.retrieve("Ada?", sample=41)
found["python"] = 41 in seen
invoke("rag", "search", sys.argv[1], "Ada?", "--sample", "42")
shown = invoke("rag", "search", "--help")
found["cli"] = 42 in seen and "Number of things to sample." in shown.out
schema = SearchRequest.model_json_schema()["properties"]["sample"]
body = SearchRequest.model_validate({"question": "Ada?", "sample": 43})
described = schema["description"] == "Number of things to sample."
found["http"] = body.request().sample == 43 and described
server = create_server(Service(Sources(passages=sys.argv[1])))
tools = {tool.name: tool for tool in server._tool_manager.list_tools()}
properties = tools["search_passages"].parameters["properties"]
found["mcp"] = properties["sample"]["default"] == 3
print(json.dumps(found))
'''


def test_an_added_option_is_in_python_command_line_http_and_mcp(tmp_path: Path) -> None:
    (tmp_path / "added.py").write_text(ADDED, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, tmp_path / "added.py", tmp_path / "idx"],
        capture_output=True, text=True, timeout=900,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    places = ("python", "cli", "http", "mcp")
    assert {name: found[name] for name in places} == dict.fromkeys(places, True), found


def test_type_checkers_see_every_field() -> None:
    assert list(RequestFields.__annotations__) and set(RequestFields.__annotations__) == {
        each.name for each in fields(Request)
    }


@pytest.mark.parametrize("form", ["words", "json"])
def test_every_option_has_a_text_and_a_default_that_changes_nothing(form: str) -> None:
    listed = list(options(form))  # type: ignore[arg-type]
    assert all(option.text for option in listed)
    assert request_of({option.name: option.default for option in listed}) == Request()


def test_plain_values_make_the_same_request() -> None:
    made = request_of(
        {"mode": "bm25", "filter": ["year>=2000", "lang=en"], "exclude": ["p7"], "recency": 0.5}
    )
    conditions = {"and": [{"year": {"gte": "2000"}}, {"lang": {"eq": "en"}}]}
    assert made == Request(mode="bm25", filter=conditions, exclude=["p7"], recency=Recency(0.5))
    assert request_of({"filter": {"year": 2000}}).filter == {"year": 2000}
    with pytest.raises(InvalidFilter):
        request_of({"filter": ["year"]})
    with pytest.raises(InvalidParameter, match="half_life"):
        request_of({"half_life": 0.0})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "luck"}, "mode is luck|mode is 'luck'"),
        ({"include": ["p1", 5]}, "include is .'p1', 5., expected a list of ids"),
        ({"exclude": None}, "exclude is None, expected a list of ids"),
        ({"as_of": "yesterday"}, "as_of is 'yesterday', expected an ISO 8601 date"),
        ({"recency": 0.5}, "recency is a float, expected a Recency"),
        ({"neighbors": -1}, "neighbors is -1"),
        ({"min_score": float("nan")}, "min_score is nan, expected a finite number"),
    ],
)
def test_a_value_out_of_range_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        Request(**values)  # type: ignore[arg-type]
