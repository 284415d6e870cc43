"""A conversation answered from passages: retrieve, ask the language model, check citations.

The endpoint is read by a thread of its own, which ends when the answer does, when the client
leaves, or when the endpoint's time is up. However the endpoint behaves, a caller waits no longer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from graphagg.errors import EndpointTimeout, NoLanguageModel, Overloaded
from graphagg.rag.answer.generate import RULES, cited, conversation
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.excerpts import ELLIPSIS
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.service import Service

MODEL = "graphagg"
"""The name under which the service answers."""
NOTHING_FOUND = "No passage was found for this question."
_MOST = 32  # answers at a time; each holds a thread

Hit = Mapping[str, Any]
Pieces = AsyncGenerator[str, None]


@dataclass(frozen=True)
class Answered:
    """An answer that has begun.

    Attributes:
        hits: the passages that the model was given, in the order of their numbers.
        pieces: of the text, as they come; reading on raises what becomes of the endpoint.
    """

    hits: Sequence[Hit]
    pieces: Pieces


class Answers:
    """The language model of a service.

    Args:
        service: holds the passages.
        endpoint: the language model; None: there is none, and every answer says so.
        prompt: what the model is told before passages and question.
    """

    def __init__(self, service: Service, endpoint: Endpoint | None, prompt: str = RULES) -> None:
        self._service, self._endpoint, self._prompt = service, endpoint, prompt
        self._open = 0

    @property
    def endpoint(self) -> Endpoint:
        """The language model; raises `NoLanguageModel`."""
        if self._endpoint is None:
            raise NoLanguageModel(
                "this service has no language model; start it with --llm-url URL and "
                "--llm-model NAME"
            )
        return self._endpoint

    async def begin(
        self, search: SearchRequest, before: Sequence[Mapping[str, str]], endpoint: Endpoint
    ) -> Answered:
        """Retrieve, and ask the model; it has begun to answer when this returns.

        Args:
            search: the question, and how it is retrieved for.
            before: the conversation so far.
            endpoint: the model, with the settings of this request.

        Raises:
            EndpointError: it did not begin to answer.
            Overloaded: too many answers are under way, or the passages took too long.
        """
        seconds = self._service.limits.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                hits = (await self._service.passages.search(search))["hits"]
        except TimeoutError:
            raise Overloaded(f"no passages within {seconds:g} s; ask again") from None
        if not hits:
            return Answered(hits, _said(NOTHING_FOUND))
        sources = [(hit["title"], _context(hit)) for hit in hits]
        rules, asked = conversation(search.question, sources, self._prompt)
        pieces = self._stream(endpoint, [rules, *before, asked])
        first = await anext(pieces, "")  # what refuses at once gets a status of its own
        return Answered(hits, _said(first, pieces))

    async def _stream(self, endpoint: Endpoint, messages: Sequence[Mapping[str, str]]) -> Pieces:
        """The pieces of the model's answer, read by a thread."""
        if self._open >= _MOST:
            raise Overloaded(f"{_MOST} answers are under way already; try again in a while")
        reading = _Reading(endpoint, messages)
        self._open += 1
        try:
            async with aclosing(reading.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._open -= 1
            reading.left.set()


class _Reading:
    """A thread that reads an endpoint, and hands each piece to the event loop."""

    def __init__(self, endpoint: Endpoint, messages: Sequence[Mapping[str, str]]) -> None:
        self._endpoint, self._messages = endpoint, messages
        self._queue: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.left = threading.Event()
        threading.Thread(target=self._read, name="language model", daemon=True).start()

    def _read(self) -> None:
        try:
            for piece in self._endpoint.stream(self._messages):
                if self.left.is_set():
                    return
                self._tell(piece)
        except Exception as error:
            self._tell(error)
        else:
            self._tell(None)

    def _tell(self, what: str | Exception | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, what)

    async def pieces(self) -> Pieces:
        """What the thread reads, until it is done or the endpoint's time is up."""
        seconds = self._endpoint.timeout
        end = time.monotonic() + seconds
        while True:
            try:
                what = await asyncio.wait_for(self._queue.get(), end - time.monotonic())
            except TimeoutError:
                raise EndpointTimeout(f"no whole answer within {seconds:g} s") from None
            if what is None:
                return
            if isinstance(what, Exception):
                raise what
            yield what


async def _said(first: str, rest: Pieces | None = None) -> Pieces:
    """A piece, and what follows it; who leaves early ends what it is read from."""
    if rest is None:
        yield first
        return
    async with aclosing(rest):
        if first:
            yield first
        async for piece in rest:
            yield piece


def _context(hit: Hit) -> str:
    """The text of a hit between its neighbors, with an ellipsis where it is cut."""
    cut = hit.get("cut")
    if cut:
        before = ELLIPSIS if cut["start"] else ""
        after = ELLIPSIS if cut["end"] < cut["characters"] else ""
        return f"{before}{hit['text']}{after}"
    around, place = hit.get("neighbors") or [], hit.get("position", 0)
    texts = [each["text"] for each in around if each["position"] < place]
    texts += [hit["text"], *(each["text"] for each in around if each["position"] > place)]
    return "\n".join(texts)


def citations(text: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The passages that a text cites, and the numbers that none of them has."""
    known, unknown = cited(text, len(hits))
    keys = ("id", "title", "document")
    return {
        "citations": [
            {"number": n} | {key: hits[n - 1][key] for key in keys if hits[n - 1].get(key)}
            for n in known
        ],
        "unknown_citations": unknown,
    }
