"""`/v1/passages/answer`: an answer in words with checked citations.

The language model of the service answers from the passages. The answer is sent as one JSON object,
or with `stream` as server-sent events: the hits, the pieces of the text, the citations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from graphagg.errors import GraphAggError, NoLanguageModel, Overloaded
from graphagg.rag.answer.generate import cited, messages
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.results import context_of
from graphagg.serve.http.failures import body_of, data_of, documented
from graphagg.serve.http.routes.indices import ServiceGetter
from graphagg.serve.models.passages import AnswerRequest, WordsAnswer
from graphagg.serve.service import Service

_MOST = 32  # answers at a time; each occupies a thread

Hit = Mapping[str, Any]


def router(get_service: ServiceGetter, prefix: str, endpoint: Endpoint | None) -> APIRouter:
    """The route; without a language model it answers `NoLanguageModel`."""
    routes = APIRouter(tags=["passages"], responses=documented(404, 502, 504))
    slots = asyncio.Semaphore(_MOST)

    @routes.post(f"{prefix}/passages/answer", response_model=WordsAnswer)
    async def answer(request: AnswerRequest, service: Service = Depends(get_service)) -> Response:
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
            pieces = endpoint.stream(prompt) if hits else iter(())
            first = await run_in_threadpool(next, pieces, "")  # a refusal has its own status
            if not request.stream:
                text = (first + await run_in_threadpool("".join, pieces)).strip()
                return JSONResponse({"text": text, **_citations(text, hits), "hits": hits})
        return _Events(_events(hits, first, pieces))

    return routes


class _Events(StreamingResponse):
    """Server-sent events of a generator, which is closed if the client disconnects."""

    def __init__(self, events: Generator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.close()


def _events(hits: Sequence[Hit], first: str, pieces: Iterator[str]) -> Generator[bytes]:
    """The hits, the pieces and the citations, or an error if the model stops."""
    text = first
    yield data_of({"hits": hits})
    try:
        if first:
            yield data_of({"text": first})
        for piece in pieces:
            text += piece
            yield data_of({"text": piece})
    except GraphAggError as error:
        yield data_of(body_of(error))
        return
    yield data_of(_citations(text, hits))


def _citations(text: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The passages that a text cites, and the cited numbers that no passage has."""
    valid, unknown = cited(text, len(hits))
    passages = ({"number": n, "passage_id": hits[n - 1]["id"], "title": hits[n - 1]["title"]}
                for n in valid)  # fmt: skip
    return {"citations": list(passages), "unknown_citations": unknown}
