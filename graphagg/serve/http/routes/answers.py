"""`/v1/passages/answer`: an answer in words with checked citations.

The language model of the service answers from the passages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from graphagg.errors import NoLanguageModel, Overloaded
from graphagg.rag.answer.generate import cited, messages
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.results import context_of
from graphagg.serve.http.failures import documented
from graphagg.serve.http.routes.indices import ServiceGetter
from graphagg.serve.models.passages import SearchRequest, WordsAnswer
from graphagg.serve.service import Service

_MOST = 32  # answers at a time; each occupies a thread

Hit = Mapping[str, Any]


def router(get_service: ServiceGetter, prefix: str, endpoint: Endpoint | None) -> APIRouter:
    """The route; without a language model it answers `NoLanguageModel`."""
    routes = APIRouter(tags=["passages"], responses=documented(404, 502, 504))
    slots = asyncio.Semaphore(_MOST)

    @routes.post(f"{prefix}/passages/answer", response_model=WordsAnswer)
    async def answer(
        request: SearchRequest, service: Service = Depends(get_service)
    ) -> JSONResponse:
        """Answer a question from its passages, by the language model of the service."""
        if endpoint is None:
            raise NoLanguageModel(
                "this service has no language model; start it with --llm-url URL and "
                "--llm-model NAME"
            )
        if slots.locked():
            raise Overloaded(f"{_MOST} answers are under way already; try again in a while")
        seconds = service.limits.answer_seconds
        async with slots:
            try:
                async with asyncio.timeout(seconds):
                    hits = (await service.passages.search(request))["hits"]
            except TimeoutError:
                raise Overloaded(f"no passages within {seconds:g} s; ask again") from None
            sources = [(hit["title"], context_of(hit)) for hit in hits]
            prompt = messages(request.question, sources, history=request.request().history)
            text = await run_in_threadpool(endpoint.complete, prompt) if hits else ""
        return JSONResponse({"text": text, **_citations(text, hits), "hits": hits})

    return routes


def _citations(text: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The passages that a text cites, and the cited numbers that no passage has."""
    valid, unknown = cited(text, len(hits))
    passages = ({"number": n, "passage_id": hits[n - 1]["id"], "title": hits[n - 1]["title"]}
                for n in valid)  # fmt: skip
    return {"citations": list(passages), "unknown_citations": unknown}
