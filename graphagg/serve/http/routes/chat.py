"""`/v1/chat/completions` and `/v1/models`: what clients of OpenAI's API ask.

The last message is the question; its passages go to the configured language model with the
conversation before it. The answer has `citations` beside OpenAI's fields. Fields of OpenAI's
request that are not listed here have no effect.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from graphagg.errors import GraphAggError, InvalidParameter, UnknownModel
from graphagg.rag.config.modes import Mode
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.excerpts import CHARACTERS
from graphagg.serve.chat.answers import MODEL, Answered, Answers, citations
from graphagg.serve.http.failures import body_of, documented
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.models.values import Characters, Hits, K, Result, Score, unicode_text

_MOST_MESSAGES = 200
_MOST_TOKENS = 100_000

Text = Annotated[str, AfterValidator(unicode_text)]


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
        """All of its text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class ChatRequest(BaseModel):
    """A conversation that ends with a question; further fields have no effect."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=_MOST_MESSAGES)]
    stream: bool | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=_MOST_TOKENS)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=_MOST_TOKENS)] = None
    n: Literal[1] | None = None
    tools: Annotated[list[Any] | None, Field(max_length=0, description="It calls none.")] = None
    k: Hits = Field(default=5, validation_alias=K, description="Number of passages.")
    mode: Mode = "best"
    filter: dict[str, Any] | None = None
    min_score: Score = None
    characters: Characters = CHARACTERS

    def search(self) -> SearchRequest:
        """The question, under the limits of a search."""
        if self.messages[-1].role != "user":
            raise InvalidParameter(
                f"the last message is of the {self.messages[-1].role}; wanted a question of the "
                "user"
            )
        options = self.model_dump(include={"k", "mode", "filter", "min_score", "characters"})
        try:
            return SearchRequest(question=self.messages[-1].text, explain=False, **options)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None

    def before(self) -> list[dict[str, str]]:
        """The conversation before the question."""
        return [{"role": each.role, "content": each.text} for each in self.messages[:-1]]

    def of(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with the settings of this request."""
        most = self.max_completion_tokens or self.max_tokens or endpoint.max_tokens
        heat = endpoint.temperature if self.temperature is None else self.temperature
        return replace(endpoint, max_tokens=most, temperature=heat)


class CitedPassage(Result):
    """A passage that the answer cites as `[number]`."""

    number: int
    id: str
    title: str | None = None
    document: str | None = None


class AnswerMessage(Result):
    """The answer."""

    role: Literal["assistant"]
    content: str


class ChatChoice(Result):
    """The one answer."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop"]


class ChatAnswer(Result):
    """A chat completion, with the passages that it cites."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    citations: list[CitedPassage]
    unknown_citations: list[int] = Field(description="Numbers that the model made up.")


class ListedModel(Result):
    """A model of this service."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Result):
    """The models of this service."""

    object: Literal["list"]
    data: list[ListedModel]


def router(answers: Answers) -> APIRouter:
    """The routes; without a language model they say so."""
    routes = APIRouter(prefix="/v1", tags=["chat"], responses=documented(404, 502, 504))

    @routes.get("/models", response_model=ModelList)
    async def models() -> JSONResponse:
        """List the one model that chats."""
        _ = answers.endpoint
        listed = {"id": MODEL, "object": "model", "created": 0, "owned_by": "graphagg"}
        return JSONResponse({"object": "list", "data": [listed]})

    @routes.post("/chat/completions", response_model=ChatAnswer)
    async def complete(request: ChatRequest) -> Response:
        """Answer the last message from the passages, with citations; `stream` sends events."""
        endpoint = request.of(answers.endpoint)
        if request.model != MODEL:
            raise UnknownModel(f"the model {request.model[:80]!r} is not here; {MODEL!r} is")
        begun = await answers.begin(request.search(), request.before(), endpoint)
        if request.stream:
            return StreamingResponse(_events(begun), media_type="text/event-stream")
        text = "".join([piece async for piece in begun.pieces]).strip()
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = _head("chat.completion") | {"choices": [choice]} | citations(text, begun.hits)
        return JSONResponse(whole)

    return routes


def _head(kind: str) -> dict[str, Any]:
    identifier = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": identifier, "object": kind, "created": int(time.time()), "model": MODEL}


async def _events(begun: Answered) -> AsyncIterator[bytes]:
    """The answer as server-sent events; one that stops in the middle ends in an error."""
    head, text = _head("chat.completion.chunk"), []
    yield _event(head, {"role": "assistant", "content": ""})
    try:
        async with aclosing(begun.pieces) as pieces:
            async for piece in pieces:
                text.append(piece)
                yield _event(head, {"content": piece})
    except GraphAggError as error:
        yield _data(body_of(error))
        return
    more = citations("".join(text), begun.hits)
    yield _event(head | more, {}, "stop")
    yield b"data: [DONE]\n\n"


def _event(head: Mapping[str, Any], delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({**head, "choices": [choice]})


def _data(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
