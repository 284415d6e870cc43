"""`/v1/dify/retrieval`: the external knowledge API of Dify, over the passage index.

In Dify the endpoint is `http://HOST:PORT/v1/dify`, the key the service's token, and the external
knowledge id the name of the index's folder, or `passages`. The contract is Dify's: records with a
score from 0 to 1, and errors as `error_code` and `error_msg`.

Scores of this library have no upper end, so a record's score is s / (1 + s) of the hit's score s:
it keeps the order. As the scores themselves it has no scale across questions, so a threshold of
Dify is a rough one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.errors import InvalidFilter, UnknownKnowledge
from graphagg.rag import PassageIndex
from graphagg.rag.documents.filters import CliText
from graphagg.serve.http.failures import documented
from graphagg.serve.http.security import local_path
from graphagg.serve.limits import LONGEST_NAME, MOST_TEXT
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.models.values import Hits, Question, Result
from graphagg.serve.service import Service

_PATH = "/v1/dify/"
_ALWAYS = "passages"
_MOST_CONDITIONS = 100
_MOST_VALUES = 1_000
_BAD_HEADER, _BAD_KEY, _NO_KNOWLEDGE = 1001, 1002, 2001

Operator = Literal[
    "contains", "not contains", "start with", "end with", "is", "is not", "in", "not in", "empty",
    "not empty", "=", "≠", ">", "<", "≥", "≤", "before", "after",
]  # fmt: skip
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Value = str | int | float | bool | list[str]


class Condition(BaseModel):
    """A condition on metadata; of several names one has to meet it."""

    name: Name | Annotated[list[Name], Field(min_length=1, max_length=_MOST_CONDITIONS)]
    comparison_operator: Operator
    value: Value | None = None


class MetadataCondition(BaseModel):
    """Conditions that are joined."""

    logical_operator: Annotated[
        Literal["and", "or"], BeforeValidator(lambda value: "and" if value is None else value)
    ] = "and"
    conditions: Annotated[list[Condition], Field(max_length=_MOST_CONDITIONS)] | None = None


class RetrievalSetting(BaseModel):
    """How much is wanted."""

    top_k: Hits
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class DifyRequest(BaseModel):
    """A question; further fields have no effect."""

    knowledge_id: Annotated[str, Field(max_length=LONGEST_NAME)]
    query: Question
    retrieval_setting: RetrievalSetting
    metadata_condition: MetadataCondition | None = None


class Record(Result):
    """A passage."""

    content: str
    score: float
    title: str
    metadata: dict[str, Any]


class DifyAnswer(Result):
    """Passages, best first."""

    records: list[Record]


class DifyError(Result):
    """A refusal in Dify's form."""

    error_code: int = Field(description="1001, 1002 or 2001, as Dify has them; else the status.")
    error_msg: str


def router(service: Service) -> APIRouter:
    """The route; without a passage index it says so."""
    refusals = {code: said | {"model": DifyError} for code, said in documented(404).items()}
    routes = APIRouter(tags=["dify"], responses=refusals)

    @routes.post(f"{_PATH}retrieval", response_model=DifyAnswer)
    async def retrieval(request: DifyRequest) -> JSONResponse:
        """Retrieve passages as Dify asks for them."""
        passages, setting = service.passages, request.retrieval_setting
        known = (passages.slot.name, _ALWAYS)
        if request.knowledge_id not in known:
            raise UnknownKnowledge(f"knowledge_id is not one of {', '.join(known)}")
        if setting.score_threshold >= 1:
            return JSONResponse({"records": []})
        with passages.slot.lease() as index:
            wanted = own_filter(index, request.metadata_condition)
        characters = min(_CHARACTERS, MOST_TEXT // setting.top_k)
        values = {"question": request.query, "k": setting.top_k, "filter": wanted}
        search = SearchRequest.model_validate(
            {**values, "characters": characters, "explain": False}
        )
        hits = (await passages.search(search))["hits"]
        records = [_record(hit) for hit in hits]
        kept = [each for each in records if each["score"] >= setting.score_threshold]
        return JSONResponse({"records": kept})

    return routes


_CHARACTERS = 4_000


def _record(hit: dict[str, Any]) -> dict[str, Any]:
    document = hit.get("document") or ""
    places = {"passage_id": hit["id"]} | ({"document": document} if document else {})
    score = max(hit["score"], 0.0)
    return {
        "content": hit["text"],
        "score": score / (1 + score),
        "title": hit["title"] or document or hit["id"],
        "metadata": hit["metadata"] | places,
    }


# --- conditions ----------------------------------------------------------------------------------

_PLAIN = {
    "is": "eq",
    "=": "eq",
    "is not": "ne",
    "≠": "ne",
    "in": "in",
    "not in": "nin",
    ">": "gt",
    "<": "lt",
    "≥": "gte",
    "≤": "lte",
    "before": "lt",
    "after": "gt",
}
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "not contains": lambda text, part: part in text,
    "start with": str.startswith,
    "end with": str.endswith,
}


def own_filter(index: PassageIndex, condition: MetadataCondition | None) -> dict[str, Any] | None:
    """The filter of this library that takes what Dify's conditions take; None: there are none.

    Raises:
        InvalidFilter: a condition lacks its value, or fits too many values of a key.
    """
    if condition is None or not condition.conditions:
        return None
    clauses = [_clause(index, each) for each in condition.conditions]
    return {condition.logical_operator: clauses}


def _clause(index: PassageIndex, condition: Condition) -> dict[str, Any]:
    names = [condition.name] if isinstance(condition.name, str) else condition.name
    return {"or": [{name: _of_key(index, name, condition)} for name in names]}


def _of_key(index: PassageIndex, name: str, condition: Condition) -> dict[str, Any]:
    operator, value = condition.comparison_operator, condition.value
    if operator in ("empty", "not empty"):
        return {"exists": operator == "not empty"}
    if value is None:
        raise InvalidFilter(f"{operator!r} of {name!r} has no value; give one")
    if operator in _TEXTS:
        values = _matching(index, name, str(value), _TEXTS[operator])
        return {"nin" if operator.startswith("not") else "in": values}
    if operator in ("in", "not in"):
        values = value if isinstance(value, list) else str(value).split(",")
        return {_PLAIN[operator]: [CliText(each.strip()) for each in values]}
    return {_PLAIN[operator]: CliText(value) if isinstance(value, str) else value}


def _matching(
    index: PassageIndex, name: str, part: str, matches: Callable[[str, str], bool]
) -> list[str]:
    """The values of a key that a text operator takes: the index decides by equality alone."""
    kind = index.schema.get(name)
    if kind not in ("string", "list of strings", "date"):
        return [part]  # the filter says what is wrong with the key
    values: dict[str, None] = {}
    for table in index.snapshot.tables:
        here = table.kind_of(name, kind)
        if here is not None:
            texts: Any = table.distinct(name, here, as_text=True)
            values |= dict.fromkeys(text for text in texts.to_pylist() if matches(text, part))
    if len(values) > _MOST_VALUES:
        raise InvalidFilter(f"{len(values)} values of {name!r} fit {part!r}; write more of it")
    return list(values)


# --- errors --------------------------------------------------------------------------------------


class Errors:
    """ASGI middleware that gives errors under `/v1/dify/` the form that Dify shows.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the body of an error in Dify's form."""
        if scope["type"] != "http" or not local_path(scope).startswith(_PATH):
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal begun, body
            if message["type"] == "http.response.start" and message["status"] >= 400:
                begun = message
            elif begun is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    said = _said(begun["status"], body, Headers(scope=scope))
                    MutableHeaders(scope=begun)["content-length"] = str(len(said))
                    await send(begun)
                    await send({"type": "http.response.body", "body": said})

        await self._app(scope, receive, translated)


def _said(status: int, body: bytes, headers: Headers) -> bytes:
    """The error of this service as Dify has it; codes that Dify does not name are the status."""
    error = json.loads(body)["error"]
    code = status
    if error["type"] == UnknownKnowledge.__name__:
        code = _NO_KNOWLEDGE
    elif status == 401:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        code = _BAD_KEY if scheme.lower() == "bearer" and key.strip() else _BAD_HEADER
    return json.dumps({"error_code": code, "error_msg": error["message"]}).encode()
