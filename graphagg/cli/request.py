"""Options for questions to a passage index, derived from the fields of `Request`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from cyclopts import Parameter

from graphagg.cli.options import FLAT
from graphagg.rag.question.request import Request, VisibleFields, options, request_of

QuestionText = Annotated[str, Parameter(help="The question.")]
T = TypeVar("T")


def _with_options(*names: str) -> Callable[[type[T]], type[T]]:
    """Return a decorator that adds the named request options as fields; no names: all options."""

    def decorate(kind: type[T]) -> type[T]:
        listed = [each for each in options("words") if not names or each.name in names]
        for each in listed:
            text = each.text
            if each.type == list[str] | None:
                text = f"{text.rstrip('.')}. Can be given several times."
            kind.__annotations__[each.name] = Annotated[each.type, Parameter(help=text)]
            setattr(kind, each.name, each.default)
        return dataclass(frozen=True)(kind)

    return decorate


class _TextOptions:
    """Options of a request, given as text."""

    def request(self) -> Request:
        """Return the request."""
        return request_of(vars(self))


@_with_options()
class RequestOptions(_TextOptions):
    """All options of a request, given as text."""


@_with_options(*VisibleFields.__annotations__)
class VisibleOptions:
    """Options that select the visible passages."""

    def visible(self) -> VisibleFields:
        """Return the fields of a request that select passages."""
        made = request_of(vars(self))
        return {"filter": made.filter, "include": made.include, "exclude": made.exclude}


RequestWords = Annotated[RequestOptions, FLAT]
Visible = Annotated[VisibleOptions, FLAT]
