"""An OpenAI-compatible endpoint of a language model, asked by the standard library alone.

Redirects are not followed, so that a key goes only where it was meant to go, and an answer is read
up to a size and a time, so that a bad endpoint cannot hold the caller. An answer that streams comes
as server-sent events; one that stops before it is complete is an error, not a short answer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from graphagg.errors import (
    EndpointAnswer,
    EndpointTimeout,
    EndpointUnauthorized,
    EndpointUnreachable,
    InvalidParameter,
)

_LARGEST = 4 << 20
_CHUNK = 1 << 16
_SHOWN = 200  # characters of an endpoint's own words in a message


@dataclass(frozen=True)
class Endpoint:
    """The address and the settings of a language model.

    Attributes:
        base_url: address of an OpenAI-compatible API, such as http://localhost:8000/v1.
        model: name of the model at that API.
        api_key_env: environment variable that holds the key; without it no key is sent.
        timeout: seconds for the whole answer.
        max_tokens: longest answer in tokens. None: the endpoint's limit.
        temperature: temperature of sampling. None: the endpoint's.

    Raises:
        InvalidParameter: the address is no http(s) address, or a number is out of range.
    """

    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    timeout: float = 60.0
    max_tokens: int | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise InvalidParameter(
                f"base URL is {self.base_url!r}, wanted one such as http://localhost:8000/v1"
            )
        if not self.model:
            raise InvalidParameter("model is empty, wanted the name of a model of the endpoint")
        if not self.timeout > 0:
            raise InvalidParameter(f"timeout is {self.timeout}, wanted above 0 seconds")

    @property
    def url(self) -> str:
        """The address of chat completions."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's answer to a conversation.

        Raises:
            EndpointUnauthorized: the key is missing or refused (401, 403).
            EndpointTimeout: no whole answer in time.
            EndpointUnreachable: nothing answers there.
            EndpointAnswer: another error status, a redirect, or no chat completion.
        """
        with self._opened(messages, streamed=False) as (response, end):
            return _content_of(self.url, b"".join(self._chunks(response, end)))

    def stream(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        """The model's answer to a conversation, in pieces as they come.

        An endpoint that does not stream gives it in one piece.

        Raises:
            EndpointError: what `complete` raises; `EndpointAnswer` also where a piece is no part of
                a chat completion, or the stream ends before the answer does.
        """
        with self._opened(messages, streamed=True) as (response, end):
            chunks = self._chunks(response, end)
            if response.headers.get_content_type() != "text/event-stream":
                yield _content_of(self.url, b"".join(chunks))
            else:
                yield from _pieces(self.url, chunks)

    def _body(self, messages: Sequence[Mapping[str, str]], streamed: bool) -> bytes:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
        }
        given = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        body |= {name: value for name, value in given.items() if value is not None}
        return json.dumps(body | ({"stream": True} if streamed else {})).encode()

    @contextmanager
    def _opened(
        self, messages: Sequence[Mapping[str, str]], streamed: bool
    ) -> Iterator[tuple[HTTPResponse, float]]:
        """The answer to a conversation and the time by which it must be read; errors by name."""
        accepted = "text/event-stream, application/json" if streamed else "application/json"
        headers = {"content-type": "application/json", "accept": accepted}
        key = self._key()
        if key:
            headers["authorization"] = f"Bearer {key}"
        request = Request(self.url, self._body(messages, streamed), headers, method="POST")
        end = time.monotonic() + self.timeout
        try:
            with build_opener(_NoRedirect).open(request, timeout=self.timeout) as response:
                yield response, end
        except HTTPError as error:
            with error:
                raise self._refused(error, bool(key)) from None
        except TimeoutError:
            raise self._late() from None
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from None
            raise self._unreachable(error.reason) from None
        except (HTTPException, OSError, ValueError) as error:
            raise self._unreachable(error) from None

    def _key(self) -> str:
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()) and key:
            raise InvalidParameter(
                f"the key in ${self.api_key_env} holds characters that no header can carry; "
                "set it to the key alone"
            )
        return key

    def _chunks(self, response: HTTPResponse, end: float) -> Iterator[bytes]:
        """Yield the response as it arrives, up to a size and a time."""
        read = 0
        while chunk := self._next(response):
            read += len(chunk)
            if time.monotonic() > end:
                raise TimeoutError
            if read > _LARGEST:
                raise EndpointAnswer(
                    f"{self.url}: an answer of more than {_LARGEST >> 20} MiB; it was not read on"
                )
            yield chunk

    def _next(self, response: HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK)
        except (HTTPException, ConnectionError):
            raise EndpointAnswer(_stopped(self.url)) from None

    def _refused(self, error: HTTPError, with_key: bool) -> Exception:
        said = _excerpt(_short(error))
        if error.code in (401, 403):
            state = "was refused" if with_key else "is not set, and the endpoint wants one"
            return EndpointUnauthorized(
                f"{self.url}: {error.code}; the key in ${self.api_key_env} {state}. Set it, or "
                "name another variable by --api-key-env"
            )
        if error.code in (408, 504):
            return self._late()
        return EndpointAnswer(f"{self.url}: status {error.code} ({said}); check model and address")

    def _late(self) -> EndpointTimeout:
        return EndpointTimeout(
            f"{self.url}: no answer within {self.timeout:g} s; give it more --timeout, or try again"
        )

    def _unreachable(self, reason: object) -> EndpointUnreachable:
        said = getattr(reason, "strerror", None) or type(reason).__name__
        return EndpointUnreachable(
            f"{self.url}: {said}; check the address, and that the endpoint runs"
        )


# --- what an answer holds -------------------------------------------------------------------------


def _content_of(url: str, raw: bytes) -> str:
    """The text of a whole chat completion."""
    try:
        completion = json.loads(raw)
    except (ValueError, RecursionError):
        raise EndpointAnswer(
            f"{url}: answered with no JSON ({_excerpt(raw)}); check that --base-url is "
            "the address of an OpenAI-compatible API, with its version (.../v1)"
        ) from None
    try:
        content = completion["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = None
    if not isinstance(content, str):
        raise EndpointAnswer(
            f"{url}: answered with JSON that is no chat completion ({_excerpt(raw)})"
        )
    return content.strip()


def _pieces(url: str, chunks: Iterator[bytes]) -> Iterator[str]:
    """The pieces of a streamed chat completion, until it says that it is complete."""
    finished = False
    for raw in _events(chunks):
        if raw == b"[DONE]":
            return
        text, ends = _delta_of(url, raw)
        finished = finished or ends
        if text:
            yield text
    if not finished:
        raise EndpointAnswer(_stopped(url))


def _stopped(url: str) -> str:
    return f"{url}: the answer stopped before its end; try again"


def _events(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The data of server-sent events, one line each, as chat completions send them."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line[5:].strip() for line in lines if line.startswith(b"data:"))
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


def _delta_of(url: str, raw: bytes) -> tuple[str, bool]:
    """The text of one event of a stream, and whether the model says that it is done."""
    try:
        completion = json.loads(raw)
        choices = completion["choices"]
        delta = choices[0]["delta"] if choices else {}  # an event about usage has no choice
        text, reason = delta.get("content"), choices[0].get("finish_reason") if choices else None
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        text, reason = False, None
    if text is not None and not isinstance(text, str):
        raise EndpointAnswer(
            f"{url}: streamed what is no part of a chat completion ({_excerpt(raw)})"
        )
    return text or "", reason is not None


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an error, for the key would go along."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow none."""


def _short(error: HTTPError) -> bytes:
    try:
        return error.read(_CHUNK)
    except (HTTPException, OSError):
        return b""


def _excerpt(raw: bytes) -> str:
    text = " ".join(raw[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return repr(text[:_SHOWN])
