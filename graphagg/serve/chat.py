"""A conversation answered from passages: retrieve, ask the language model, check citations.

The endpoint is read by a thread of its own, which ends when the answer does, when the client
leaves, or when the endpoint's time is up. However the endpoint behaves, a caller waits no longer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

from graphagg.errors import EndpointTimeout, NoLanguageModel, Overloaded
from graphagg.rag.answer.generate import RULES, cited, conversation
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.excerpts import ELLIPSIS
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.service import Service

NOTHING_FOUND = "No passage was found for this question."
_MOST = 32  # answers at a time; each holds a thread

Hit = Mapping[str, Any]
Pieces = AsyncGenerator[str, None]


class Answers:
    """The language model of a service.

    Args:
        service: holds the passages.
        endpoint: the language model; None: there is none, and every answer says so.
    """

    def __init__(self, service: Service, endpoint: Endpoint | None) -> None:
        self._service, self._endpoint = service, endpoint
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
    ) -> tuple[Sequence[Hit], Pieces]:
        """Retrieve, and ask the model; it has begun to answer when this returns.

        Args:
            search: the question, with the options of its retrieval.
            before: the conversation so far.
            endpoint: the model, with the settings of this request.

        Returns:
            The passages that the model was given, in the order of their numbers, and the pieces of
            its text as they come. Reading on raises the errors of the endpoint.

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
            return hits, _resumed(NOTHING_FOUND)
        sources = [(hit["title"], _context(hit)) for hit in hits]
        rules, question = conversation(search.question, sources, RULES)
        pieces = self._stream(endpoint, [rules, *before, question])
        first = await anext(pieces, "")  # a model that refuses at once gets a status of its own
        return hits, _resumed(first, pieces)

    async def _stream(self, endpoint: Endpoint, messages: Sequence[Mapping[str, str]]) -> Pieces:
        """The pieces of the model's answer, which a thread hands to the event loop."""
        if self._open >= _MOST:
            raise Overloaded(f"{_MOST} answers are under way already; try again in a while")
        pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        loop, stopped = asyncio.get_running_loop(), threading.Event()

        def tell(piece: str | Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def read() -> None:
            try:
                for piece in endpoint.stream(messages):
                    if stopped.is_set():
                        return
                    tell(piece)
                tell(None)
            except Exception as error:
                tell(error)

        threading.Thread(target=read, name="language model", daemon=True).start()
        end = loop.time() + endpoint.timeout
        self._open += 1
        try:
            while (piece := await _next(pieces, end)) is not None:
                yield piece
        finally:
            self._open -= 1
            stopped.set()


async def _next(pieces: asyncio.Queue[str | Exception | None], end: float) -> str | None:
    try:
        async with asyncio.timeout_at(end):
            piece = await pieces.get()
    except TimeoutError:
        raise EndpointTimeout("no whole answer in the endpoint's time") from None
    if isinstance(piece, Exception):
        raise piece
    return piece


async def _resumed(first: str, others: Pieces | None = None) -> Pieces:
    """A piece and the following ones; a client that leaves early ends the reading."""
    if first:
        yield first
    if others is not None:
        async with aclosing(others):
            async for piece in others:
                yield piece


def _context(hit: Hit) -> str:
    """The text of a hit between its neighbors, with an ellipsis where it is cut."""
    cut = hit.get("cut")
    if cut:
        before = ELLIPSIS if cut["start"] else ""
        after = ELLIPSIS if cut["end"] < cut["characters"] else ""
        return f"{before}{hit['text']}{after}"
    neighbors, position = hit.get("neighbors") or [], hit.get("position", 0)
    texts = [each["text"] for each in neighbors if each["position"] < position]
    texts += [hit["text"], *(each["text"] for each in neighbors if each["position"] > position)]
    return "\n".join(texts)


def citations(text: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The passages that a text cites, and the cited numbers that no passage has."""
    cited_hits, unknown = cited(text, len(hits))
    keys = ("id", "title", "document")
    return {
        "citations": [
            {"number": n} | {key: hits[n - 1][key] for key in keys if hits[n - 1].get(key)}
            for n in cited_hits
        ],
        "unknown_citations": unknown,
    }
