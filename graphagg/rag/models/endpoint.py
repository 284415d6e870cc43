"""A client of an OpenAI-compatible language model, on the standard library.

It follows no redirect, so a key reaches only the given address. Answers are limited in size and
time. A stream that stops early is an error, not a short answer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO
from urllib.error import HTTPError
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
    """Address and options of a language model.

    Attributes:
        base_url: address of an OpenAI-compatible API, such as http://localhost:8000/v1.
        model: name of the model.
        api_key_env: environment variable with the API key; if it is not set, no key is sent.
        timeout: time limit for the whole answer, in seconds.
        max_tokens: maximum length of the answer in tokens. None: the limit of the endpoint.
        temperature: sampling temperature. None: the default of the endpoint.

    Raises:
        InvalidParameter: the address is not http(s), the model is empty or the timeout is not
            positive.

    Examples:
        >>> Endpoint("http://localhost:8000/v1", "llama").url
        'http://localhost:8000/v1/chat/completions'
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
                f"base_url is {self.base_url!r}, wanted one such as http://localhost:8000/v1"
            )
        if not self.model:
            raise InvalidParameter("model is empty, wanted the name of a model of the endpoint")
        if not self.timeout > 0:
            raise InvalidParameter(f"timeout is {self.timeout}, wanted above 0 seconds")

    @property
    def url(self) -> str:
        """Address of chat completions."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's answer to a conversation; raises as `stream` does."""
        return "".join(self.stream(messages)).strip()

    def stream(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        """Yield the model's answer to a conversation piece by piece, as the pieces arrive.

        Raises:
            EndpointUnauthorized: the key is missing or refused (401, 403).
            EndpointTimeout: the answer is not complete in time.
            EndpointUnreachable: nothing answers at the address.
            EndpointAnswer: another error status, a redirect, no stream of a chat completion, or a
                stream that ends before the answer does.
        """
        key, end = self._key(), time.monotonic() + self.timeout
        try:
            request = self._request(messages, key)
            with build_opener(_NoRedirect).open(request, timeout=self.timeout) as response:
                chunks = self._chunks(response, end)
                if response.headers.get_content_type() != "text/event-stream":
                    raise EndpointAnswer(
                        f"{self.url}: answered with no stream of events "
                        f"({_excerpt(next(chunks, b''))}); check that `base_url` is an "
                        "OpenAI-compatible API that streams, with its version (.../v1)"
                    )
                yield from _pieces(self.url, chunks)
        except HTTPError as error:
            with error:
                raise self._refused(error, bool(key)) from None
        except TimeoutError:
            raise self._late() from None
        except (HTTPException, OSError, ValueError) as error:  # URLError is an OSError
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._late() from None
            cause = getattr(reason, "strerror", None) or type(reason).__name__
            raise EndpointUnreachable(
                f"{self.url}: {cause}; check the address, and that the endpoint runs"
            ) from None

    def _request(self, messages: Sequence[Mapping[str, str]], key: str) -> Request:
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        body = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stream": True,
        }
        content = json.dumps({name: value for name, value in body.items() if value is not None})
        return Request(self.url, content.encode(), headers, method="POST")

    def _key(self) -> str:
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()) and key:
            raise InvalidParameter(
                f"the key in ${self.api_key_env} holds characters that no header can carry; "
                "set it to the key alone"
            )
        return key

    def _chunks(self, response: HTTPResponse, end: float) -> Iterator[bytes]:
        """Read a response up to a size and a time."""
        read = 0
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (HTTPException, ConnectionError):
                raise EndpointAnswer(_stopped(self.url)) from None
            read += len(chunk)
            if time.monotonic() > end:
                raise TimeoutError
            if read > _LARGEST:
                raise EndpointAnswer(f"{self.url}: an answer of more than {_LARGEST >> 20} MiB")
            if not chunk:
                return
            yield chunk

    def _refused(self, error: HTTPError, with_key: bool) -> Exception:
        try:
            content = error.read(_CHUNK)
        except (HTTPException, OSError):
            content = b""
        if error.code in (401, 403):
            state = "was refused" if with_key else "is not set, and the endpoint wants one"
            return EndpointUnauthorized(
                f"{self.url}: {error.code}; the key in ${self.api_key_env} {state}. Set it, or "
                "name another variable with `api_key_env`"
            )
        if error.code in (408, 504):
            return self._late()
        return EndpointAnswer(
            f"{self.url}: status {error.code} ({_excerpt(content)}); check model and address"
        )

    def _late(self) -> EndpointTimeout:
        return EndpointTimeout(
            f"{self.url}: no answer within {self.timeout:g} s; raise `timeout`, or try again"
        )


def _pieces(url: str, chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield the pieces of a streamed chat completion until it is complete."""
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
    """Yield the data of server-sent events; chat completions send one line per event."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line[5:].strip() for line in lines if line.startswith(b"data:"))
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


def _delta_of(url: str, raw: bytes) -> tuple[str, bool]:
    """The text of one event of a stream, and whether the answer ends with it."""
    try:
        choices = json.loads(raw)["choices"]
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
    """Makes a redirect an error, as it would carry the key to another address."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow no redirect."""


def _excerpt(raw: bytes) -> str:
    text = " ".join(raw[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return repr(text[:_SHOWN])
