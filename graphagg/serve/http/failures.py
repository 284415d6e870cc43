"""Maps exceptions to HTTP status codes and one JSON error format."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graphagg import errors
from graphagg.serve.models.values import ErrorAnswer, RequestModel

_log = logging.getLogger("graphagg.serve")

_JSON = re.compile(r"application/([\w.+-]+\+)?json\b", re.IGNORECASE)
_HIDDEN: tuple[tuple[type[errors.GraphAggError], str], ...] = (
    (errors.ArtifactBusy, "another process is writing to this index; try again later"),
    (errors.WriteFailed, "the change could not be written; nothing has changed"),
    (errors.ArtifactError, "the index of this service cannot be used"),
)
_MESSAGES = {
    404: "there is nothing at this address; /openapi.json lists the routes",
    405: "this address does not allow this method; see the header Allow",
}
INTERNAL = "the service failed on this request; see its log"
_STATUS: dict[int, tuple[type[errors.GraphAggError], ...]] = {
    404: (errors.UnknownVertex, errors.UnknownPassage, errors.UnknownTheme, errors.UnknownEntity,
          errors.NoSuchIndex),
    403: (errors.Forbidden,),
    409: (errors.ArtifactBusy, errors.CollectionExists),
    507: (errors.WriteFailed,),
    503: (errors.Overloaded, errors.PartUnavailable),
    500: (errors.MissingExtra, errors.ArtifactError, errors.InvalidVectors),
}  # fmt: skip
_SYNONYMS = {"query": "question", "q": "question", "top_k": "k", "limit": "k", "where": "filter"}
"""Keys that other services use, mapped to the equivalent keys of this one."""
_SHOWN, _LONGEST = 3, 200  # maximum number of reported validation errors, and characters of each


def refusal(
    status: int, name: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error response; its JSON is ASCII, so that any message can be sent."""
    return _Refusal(status, name, message, dict(headers or {}))


class _Refusal(Response):
    """An error response; requests from Dify get Dify's format."""

    def __init__(self, status: int, name: str, message: str, headers: dict[str, str]) -> None:
        super().__init__(json.dumps(envelope(name, message)), status, headers, "application/json")
        self._name, self._message = name, message

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        if scope["path"].removeprefix(scope.get("root_path", "")) == "/retrieval":
            sent = Headers(scope=scope).get("authorization", "").lower().startswith("bearer ")
            codes = {"Unauthorized": 1002 if sent else 1001, "NoSuchIndex": 2001}
            code = codes.get(self._name, self.status_code)
            self.body = json.dumps({"error_code": code, "error_msg": self._message}).encode()
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def data_of(value: Mapping[str, Any]) -> bytes:
    """Format a server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def envelope(name: str, message: str) -> dict[str, Any]:
    """Return the JSON of an error."""
    return {"error": {"type": name, "message": message}}


def body_of(error: errors.GraphAggError) -> dict[str, Any]:
    """Return the JSON of a library error; details about this machine are only logged."""
    message = str(error)
    for kind, instead in _HIDDEN:
        if isinstance(error, kind):
            _log.error("%s: %s", type(error).__name__, error)
            message = f"{instead}; see the log of the service"
            break
    return envelope(type(error).__name__, message)


def documented(*more: int) -> dict[int | str, dict[str, Any]]:
    """Error responses common to all routes, plus the given ones, for OpenAPI."""
    codes = sorted({400, 401, 403, 408, 413, 422, 503, *more})
    return {code: {"model": ErrorAnswer, "description": HTTPStatus(code).phrase} for code in codes}


async def _library(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.GraphAggError)
    status = next((code for code, kinds in _STATUS.items() if isinstance(error, kinds)), 400)
    headers = {"retry-after": "1"} if status in (409, 503) else None
    detail = body_of(error)["error"]
    return refusal(status, detail["type"], detail["message"], headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    kind = request.headers.get("content-type", "")
    if request.method == "POST" and not _JSON.match(kind):
        problem = f"as {kind[:_LONGEST]!r}" if kind else "without a content type"
        message = f"the body was sent {problem}; send JSON with Content-Type: application/json"
        return refusal(422, "InvalidRequest", message)
    return refusal(422, "InvalidRequest", explained(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = HTTPStatus(error.status_code).phrase.replace(" ", "")
    message = _MESSAGES.get(error.status_code, str(error.detail))
    return refusal(error.status_code, name, message, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return refusal(500, "InternalError", INTERNAL)


def explained(faults: Sequence[Any]) -> str:
    """Describe validation errors in one line, without repeating the values."""
    lines = list(dict.fromkeys(map(_line, faults)))
    more = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _line(fault: Any) -> str:
    """Describe one validation error: the field (without union branches) and the problem."""
    loc = fault["loc"]
    if fault["type"] == "json_invalid":
        return f"the body is not JSON at character {loc[-1]}, expected a JSON object; fix it"
    names = map(str, loc[1:] if loc[:1] in (("body",), ("query",)) else loc)
    where = ".".join(name for name in names if "[" not in name)
    text = str(fault["msg"]).removeprefix("Value error, ")
    message = text[:1].lower() + text[1:]
    if fault["type"] == "extra_forbidden":
        key = str(loc[-1])
        close = get_close_matches(_SYNONYMS.get(key, key), names_of_requests(), 1, 0.75)
        message = f"there is no such key{f'; did you mean {close[0]!r}?' if close else ''}"
        if "passages" in loc[:-1]:
            message = "a passage has no such key; put it in `metadata`"
    return f"{where or 'body'}: {message}"[:_LONGEST]


@cache
def names_of_requests() -> list[str]:
    """Return the keys of all request models."""
    kinds: list[type[Any]] = [RequestModel]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return sorted({name for kind in kinds for name in kind.model_fields})


def install(app: FastAPI) -> None:
    """Register handlers that turn every error of the application into this JSON."""
    app.add_exception_handler(errors.GraphAggError, _library)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
