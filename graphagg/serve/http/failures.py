"""From errors to answers: each has a status, and one envelope holds them all."""

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
from starlette.exceptions import HTTPException
from starlette.responses import Response

from graphagg.errors import (
    ArtifactBusy,
    ArtifactError,
    CollectionExists,
    EndpointError,
    EndpointTimeout,
    Forbidden,
    GraphAggError,
    InvalidScores,
    LookupsFlooded,
    MissingExtra,
    NoSuchIndex,
    Overloaded,
    UnknownEntity,
    UnknownPassage,
    UnknownTheme,
    UnknownVertex,
    VersionChanged,
    WriteFailed,
)
from graphagg.serve.models.values import ErrorAnswer, RequestModel

_log = logging.getLogger("graphagg.serve")

_JSON = re.compile(r"application/([\w.+-]+\+)?json\b", re.IGNORECASE)
_HIDDEN: tuple[tuple[type[GraphAggError], str], ...] = (
    (ArtifactBusy, "another process writes this index; try again in a while"),
    (WriteFailed, "it cannot be written, and nothing has changed"),
    (ArtifactError, "the index of this service cannot be used"),
    (EndpointError, "the language model of this service gave no whole answer"),
)
INTERNAL = "the service failed on this request; its log says why"
_SHOWN, _LONGEST = 3, 200  # faults of a malformed body that are named, and characters of each


def refusal(
    status: int, name: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The envelope of every error; ASCII, so that any text in the message can be sent."""
    body = json.dumps(envelope(name, message))
    return Response(body, status, dict(headers or {}), "application/json")


def data_of(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def envelope(name: str, message: str) -> dict[str, Any]:
    """The JSON of an error."""
    return {"error": {"type": name, "message": message}}


def body_of(error: GraphAggError) -> dict[str, Any]:
    """The envelope of an error of this library; a message about this machine is only logged."""
    message = str(error)
    for kind, instead in _HIDDEN:
        if isinstance(error, kind):
            _log.error("%s: %s", type(error).__name__, error)
            message = f"{instead}; the log of the service says more"
            break
    return envelope(type(error).__name__, message)


def status_of(error: GraphAggError) -> int:
    """The HTTP status of an error: 400 unless it is named below."""
    absent = UnknownVertex | UnknownPassage | UnknownTheme | UnknownEntity | NoSuchIndex
    if isinstance(error, absent):
        return 404
    if isinstance(error, Forbidden):
        return 403
    if isinstance(error, LookupsFlooded):
        return 429
    if isinstance(error, ArtifactBusy | CollectionExists):
        return 409
    if isinstance(error, WriteFailed):
        return 507
    if isinstance(error, VersionChanged):
        return 412
    if isinstance(error, Overloaded):
        return 503
    if isinstance(error, MissingExtra | ArtifactError | InvalidScores):
        return 500  # the operator must repair it; the message says how
    if isinstance(error, EndpointError):
        return 504 if isinstance(error, EndpointTimeout) else 502
    return 400


def documented(*more: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that any route may give, and further ones, for the OpenAPI document."""
    codes = sorted({400, 401, 403, 408, 413, 422, 503, *more})
    return {code: {"model": ErrorAnswer, "description": HTTPStatus(code).phrase} for code in codes}


async def _library(request: Request, error: Exception) -> Response:
    assert isinstance(error, GraphAggError)
    status = status_of(error)
    headers = {"retry-after": "1"} if status in (409, 429, 503) else None
    said = body_of(error)["error"]
    return refusal(status, said["type"], said["message"], headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    kind = request.headers.get("content-type", "")
    if request.method == "POST" and not _JSON.match(kind):
        came = f"as {kind[:_LONGEST]!r}" if kind else "without a content type"
        said = f"the body came {came}; send JSON, with the header Content-Type: application/json"
        return refusal(422, "InvalidRequest", said)
    return refusal(422, "InvalidRequest", explained(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = HTTPStatus(error.status_code).phrase.replace(" ", "")
    message = str(error.detail)
    if error.status_code == 404:
        message = "there is nothing at this address; /openapi.json lists what is"
    if error.status_code == 405:
        message = "this address takes another method; see the header Allow"
    return refusal(error.status_code, name, message, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return refusal(500, "InternalError", INTERNAL)


def explained(faults: Sequence[Any]) -> str:
    """One line about the faults of a body or a parameter; it repeats no value of the caller."""
    said = list(dict.fromkeys(_line(fault) for fault in faults))
    more = len(said) - _SHOWN
    return "; ".join(said[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _line(fault: Any) -> str:
    """Name the field and the fault; the branches of a union name no field."""
    loc = fault["loc"]
    names = map(str, loc[1:] if loc[:1] in (("body",), ("query",)) else loc)
    where = ".".join(name for name in names if "[" not in name)
    said = _plain(str(fault["msg"]))
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(str(loc[-1]), names_of_requests(), 1, 0.5)
        said = f"there is no such key{f'; did you mean {near[0]!r}?' if near else ''}"
    return f"{where or 'body'}: {said}"[:_LONGEST]


@cache
def names_of_requests() -> list[str]:
    """The keys of all requests."""
    kinds: list[type[Any]] = [RequestModel]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return sorted({name for kind in kinds for name in kind.model_fields})


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def install(app: FastAPI) -> None:
    """Answer every error of the application by the envelope."""
    app.add_exception_handler(GraphAggError, _library)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
