"""`/v1/chat/completions` and `/v1/models`, for clients of OpenAI's API.

The last message is the question; its passages go to the configured language model with the
conversation before it. An answer is OpenAI's, with `citations` and `unknown_citations` beside its
fields. Fields of OpenAI's request that are not listed here have no effect.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from graphagg.errors import GraphAggError, InvalidParameter, UnknownModel
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.excerpts import CHARACTERS
from graphagg.serve.chat import Answers, Hit, Pieces, citations
from graphagg.serve.http.failures import body_of, documented
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.models.values import Characters, Hits, K, ModeName, Score, unicode_text

MODEL = "graphagg"
"""The name under which the service answers."""
_MOST_MESSAGES = 200
Text = Annotated[str, AfterValidator(unicode_text)]
Tokens = Annotated[int | None, Field(ge=1, le=100_000)]


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """A message of the conversation; further fields have no effect."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        """The whole text of the message."""
        if isinstance(self.content, str):
            return self.content
        return "".join(each.text for each in self.content)


class ChatRequest(BaseModel):
    """A conversation that ends with a question; further fields have no effect."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=_MOST_MESSAGES)]
    stream: bool | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    max_tokens: Tokens = None
    max_completion_tokens: Tokens = None
    n: Literal[1] | None = None
    tools: Annotated[list[Any] | None, Field(max_length=0, description="It calls none.")] = None
    k: Hits = Field(default=5, validation_alias=K, description="Number of passages.")
    mode: ModeName = "multihop"
    filter: dict[str, Any] | None = None
    min_score: Score = None
    characters: Characters = CHARACTERS

    def search(self) -> SearchRequest:
        """The question, under the limits of a search."""
        last = self.messages[-1]
        if last.role != "user":
            raise InvalidParameter(
                f"the last message is of the {last.role}; wanted a question of the user"
            )
        options = self.model_dump(include={"k", "mode", "filter", "min_score", "characters"})
        try:
            return SearchRequest(question=last.text, explain=False, **options)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None


def router(answers: Answers) -> APIRouter:
    """The routes; without a language model they say so."""
    routes = APIRouter(prefix="/v1", tags=["chat"], responses=documented(404, 502, 504))

    @routes.get("/models")
    async def models() -> JSONResponse:
        """List the one model that chats."""
        _ = answers.endpoint
        listed = {"id": MODEL, "object": "model", "created": 0, "owned_by": "graphagg"}
        return JSONResponse({"object": "list", "data": [listed]})

    @routes.post("/chat/completions", response_class=JSONResponse)
    async def complete(request: ChatRequest) -> Response:
        """Answer the last message from the passages, with citations; `stream` sends events."""
        endpoint = _with_settings(answers.endpoint, request)
        if request.model != MODEL:
            raise UnknownModel(f"the model {request.model[:80]!r} is not here; {MODEL!r} is")
        before = [{"role": each.role, "content": each.text} for each in request.messages[:-1]]
        hits, pieces = await answers.begin(request.search(), before, endpoint)
        if request.stream:
            return StreamingResponse(_events(hits, pieces), media_type="text/event-stream")
        text = "".join([piece async for piece in pieces]).strip()
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = _head("chat.completion") | {"choices": [choice]} | citations(text, hits)
        return JSONResponse(whole)

    return routes


def _with_settings(endpoint: Endpoint, request: ChatRequest) -> Endpoint:
    most = request.max_completion_tokens or request.max_tokens or endpoint.max_tokens
    heat = endpoint.temperature if request.temperature is None else request.temperature
    return replace(endpoint, max_tokens=most, temperature=heat)


def _head(kind: str) -> dict[str, Any]:
    identifier = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": identifier, "object": kind, "created": int(time.time()), "model": MODEL}


async def _events(hits: Sequence[Hit], pieces: Pieces) -> AsyncIterator[bytes]:
    """The answer as server-sent events; one that stops in the middle ends in an error."""
    head, text = _head("chat.completion.chunk"), []
    yield _event(head, {"role": "assistant", "content": ""})
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                text.append(piece)
                yield _event(head, {"content": piece})
    except GraphAggError as error:
        yield _data(body_of(error))
        return
    yield _event(head | citations("".join(text), hits), {}, "stop")
    yield b"data: [DONE]\n\n"


def _event(head: Mapping[str, Any], delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({**head, "choices": [choice]})


def _data(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
