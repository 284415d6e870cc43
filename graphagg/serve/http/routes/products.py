"""`/retrieval` and `/v1/vector_stores/ID/search`: passage search with other products' APIs.

The id is the name of a collection, or `passages` for the passage index of the service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from graphagg.errors import InvalidFilter, NoSuchIndex
from graphagg.rag.documents.filters import SIGNS, CliText
from graphagg.rag.question.results import context_of
from graphagg.serve.http.failures import documented
from graphagg.serve.models import products
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.models.values import JsonAnswer, Name
from graphagg.serve.service import Service
from graphagg.serve.writing import Writer

_DIFY = SIGNS | {
    "is": "eq", "is not": "ne", "≠": "ne", "≥": "gte", "≤": "lte", "before": "lt", "after": "gt",
    "in": "in", "not in": "nin",
}  # fmt: skip
_EXISTS = {"empty": False, "null": False, "not empty": True, "not null": True}
_ATTRIBUTES, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512  # limits of vector store results


def router(service: Service, writer: Writer | None) -> APIRouter:
    """Return the routes of a service and its collections."""
    routes = APIRouter(tags=["passages"], responses=documented(404))

    @routes.post("/retrieval")
    async def retrieval(request: products.RetrievalRequest) -> JSONResponse:
        """Search with Dify's external knowledge API; errors have `error_code` and `error_msg`."""
        condition, setting = request.metadata_condition, request.retrieval_setting
        filter = None if condition is None else _dify_filter(condition)
        async with _named(service, writer, request.knowledge_id) as named:
            answer = await named.passages.search(_search(request.query, setting.top_k, filter))
        records = [
            {"content": context_of(hit), "score": score,
             "title": hit["title"], "metadata": hit["metadata"]}
            for hit, score in _scored(answer, setting.score_threshold)
        ]  # fmt: skip
        return JSONResponse({"records": records})

    @routes.post("/v1/vector_stores/{store_id}/search")
    async def search(store_id: Name, request: products.VectorStoreRequest) -> JSONResponse:
        """Search with OpenAI's vector store API."""
        query = request.query if isinstance(request.query, str) else request.query[0]
        filter = None if request.filters is None else _filter(request.filters)
        threshold = request.ranking_options.score_threshold if request.ranking_options else 0.0
        async with _named(service, writer, store_id) as named:
            answer = await named.passages.search(_search(query, request.max_num_results, filter))
        results = [_result(hit, score) for hit, score in _scored(answer, threshold)]
        page = {"object": "vector_store.search_results.page", "search_query": [query]}
        return JSONResponse({**page, "data": results, "has_more": False, "next_page": None})

    return routes


@asynccontextmanager
async def _named(service: Service, writer: Writer | None, name: str) -> AsyncIterator[Service]:
    """Yield the service of a collection, or the main service for the name `passages`."""
    if name == "passages" and service.has("passages"):
        yield service
    elif writer is None:
        raise NoSuchIndex(f"there is no index {name!r}; use 'passages'")
    else:
        async with writer.collections.lease(name) as collection:
            yield collection


def _search(question: str, k: int, filter: dict[str, Any] | None) -> SearchRequest:
    return SearchRequest.model_validate({"question": question, "k": k, "filter": filter})


def _scored(answer: JsonAnswer, least: float) -> Iterator[tuple[JsonAnswer, float]]:
    """Yield hits with scores >= `least`: the confidence times the ratio to the best score."""
    confidence = answer["confidence"] or 0.0
    best = max((hit["score"] for hit in answer["hits"]), default=0.0)
    for hit in answer["hits"]:
        share = max(hit["score"] / best, 0.0) if best > 0 else 1.0
        if (score := round(confidence * share, 4)) >= least:
            yield hit, score


def _dify_filter(given: products.DifyConditions) -> dict[str, Any]:
    """Convert Dify's conditions to a filter; raises `InvalidFilter` for unsupported ones."""
    parts = [_any_of([_dify_condition(each, name) for name in _listed(each.name)])
             for each in given.conditions or ()]  # fmt: skip
    return {given.logical_operator or "and": parts} if parts else {}


def _dify_condition(given: products.DifyCondition, name: str) -> dict[str, Any]:
    operator, value = given.comparison_operator, given.value
    if operator in _EXISTS:
        return {name: {"exists": _EXISTS[operator]}}
    own = _DIFY.get(operator)
    if own is None or value is None or (own in ("in", "nin")) != isinstance(value, list):
        wanted = ", ".join([*_DIFY, *_EXISTS])
        raise InvalidFilter(
            f"{name}: {operator!r} with {value!r}, expected one of {wanted}, with a list for in"
        )
    values = [CliText(each) if isinstance(each, str) else each for each in _listed(value)]
    return {name: {own: values if isinstance(value, list) else values[0]}}


def _any_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"or": parts} if len(parts) > 1 else parts[0]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _filter(given: products.ComparisonFilter | products.CompoundFilter) -> dict[str, Any]:
    if isinstance(given, products.CompoundFilter):
        return {given.type: [_filter(each) for each in given.filters]}
    return {given.key: {given.type: given.value}}


def _result(hit: JsonAnswer, score: float) -> JsonAnswer:
    """Convert a hit to a result; its attributes are the passage id and plain metadata."""
    metadata = {"passage_id": hit["id"], **hit["metadata"]}
    plain = {
        key[:_LONGEST_KEY]: value[:_LONGEST_VALUE] if isinstance(value, str) else value
        for key, value in metadata.items()
        if isinstance(value, products.Scalar)
    }
    return {
        "file_id": hit.get("document") or hit["id"],
        "filename": str(hit["metadata"].get("path") or hit["title"] or hit["id"]),
        "score": score,
        "attributes": dict(islice(plain.items(), _ATTRIBUTES)),
        "content": [{"type": "text", "text": context_of(hit)}],
    }
