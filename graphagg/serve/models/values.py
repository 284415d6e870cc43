"""Types that requests and answers share, and their base classes.

Requests are strict: unknown keys and values of another type are refused. Integer ids that
JavaScript cannot represent are strings in answers; requests accept both forms.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from graphagg.serve import limits

JsonAnswer = dict[str, Any]
"""An answer as a JSON object with the keys of its model."""


def unicode_text(text: str) -> str:
    """Return the text; raise `ValueError` for a lone surrogate, which UTF-8 cannot encode."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text has a lone surrogate, expected valid Unicode; remove it")
    return text


def shown_id(vertex: ShownVertex) -> ShownVertex:
    """Return an id for JSON; integers that JavaScript would round become strings."""
    if isinstance(vertex, int) and vertex >= _EXACT_IN_JAVASCRIPT:
        return str(vertex)
    return vertex


def _whole(value: object) -> object:
    """Convert 5.0 to 5: JSON has only one number type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Name = Annotated[
    str, StringConstraints(max_length=limits.LONGEST_NAME), AfterValidator(unicode_text)
]
"""A passage id, or a vertex id as text."""
Number = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Vertex = Name | Number
"""A vertex id as the client sent it."""
ShownVertex = str | int
"""A vertex id in an answer, of any length."""
_EXACT_IN_JAVASCRIPT = 2**53
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=limits.LONGEST_QUESTION),
    AfterValidator(unicode_text),
]
Hits = Annotated[int, Field(ge=1, le=limits.MOST_HITS), BeforeValidator(_whole)]
Offset = Annotated[int, Field(ge=0, lt=limits.MOST_HITS), BeforeValidator(_whole)]
Characters = Annotated[int, Field(ge=1, le=limits.MOST_CHARACTERS), BeforeValidator(_whole)]
Tokens = Annotated[int, Field(ge=1, le=limits.MOST_TEXT // 4), BeforeValidator(_whole)]
Members = Annotated[int, Field(ge=1, le=limits.MOST_MEMBERS), BeforeValidator(_whole)]
Seeds = Annotated[list[Vertex], Field(min_length=1, max_length=limits.MOST_SEEDS)]


def strict_type(kind: Any) -> Any:
    """Return the type of a request option, with the limits that all requests have."""
    names = [strict_type(each) for each in get_args(kind)]
    if kind is int:
        return Annotated[int, BeforeValidator(_whole)]
    if kind is float:
        return Annotated[float, Field(allow_inf_nan=False, strict=False)]
    if kind is str:
        return Name
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return reduce(or_, names)
    return list[names[0]] if get_origin(kind) is list else kind  # type: ignore[valid-type]


class RequestModel(BaseModel):
    """Base class of all request models."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerModel(BaseModel):
    """Base class of all response models."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(AnswerModel):
    """The name and message of an error."""

    type: str = Field(description="Name of the error, such as UnknownVertex.")
    message: str = Field(description="What was found, what was expected, what to do.")


class ErrorAnswer(AnswerModel):
    """An error response."""

    error: ErrorDetail
