"""Options of questions to a passage index, derived from the fields of `Request`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from graphagg.cli.options import Group, help_in, option
from graphagg.rag.question.request import Request, VisibleFields, options, request_of

PassageFile = Annotated[Path, Parameter(help="A folder of documents, JSONL (.gz) or Parquet.")]
Question = Annotated[str, Parameter(help="The question.")]
OPTIONS = {each.name: each for each in options("words")}
"""The options of a request, by name."""


def request_group(
    make: Callable[..., Any] = lambda **values: request_of(values),
    names: Any = OPTIONS,
    **defaults: Any,
) -> Group:
    """The options of a request by name, with other defaults; `make` makes a value from them."""
    parameters = {}
    for each in (OPTIONS[name] for name in names):
        text, none = help_in(each.text, OPTIONS)
        if each.type == list[str] | None:
            text = f"{text.rstrip('.')}; repeat it."
        default = defaults.get(each.name, each.default)
        flags = "" if default is False else None
        parameters[each.name] = option(
            each.name, each.type, default, (text, none or "none"), flags=flags
        )
    return Group(make, parameters)


def _visible(**values: Any) -> VisibleFields:
    request = request_of(values)
    return {
        "filter": request.filter, "include": request.include, "exclude": request.exclude,
    }  # fmt: skip


RequestOptions = Annotated[Request, request_group()]
"""All options of a request."""
Visible = Annotated[VisibleFields, request_group(_visible, VisibleFields.__annotations__)]
"""The options that choose passages."""
