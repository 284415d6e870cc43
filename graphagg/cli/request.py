"""Options of questions to a passage index, derived from the fields of `Request`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from graphagg.cli.folders import K as NAMES_OF_K
from graphagg.cli.options import Group, flag, help_in
from graphagg.rag.question.request import Option, Request, VisibleFields, options, request_of

PassageFile = Annotated[Path, typer.Argument(help="A folder of documents, JSONL (.gz) or Parquet.")]
Question = Annotated[str, typer.Argument(help="The question.")]
K = Annotated[int, typer.Option(*NAMES_OF_K["flags"], help="Number of hits.")]
Characters = Annotated[
    int, typer.Option(help="Characters of a passage and the chunks around it.", min=1)
]


def _parameter(option: Option) -> Parameter:
    text, none = help_in(option.text, OPTIONS)
    if option.type == list[str] | None:
        text = f"{text.rstrip('.')}; repeat it."
    bounds: dict[str, Any] = {"min": option.bounds.get("least"), "max": option.bounds.get("most")}
    info = typer.Option(flag(option.name), help=text, **bounds)
    if option.default is None:
        info.show_default = none or "none"
    annotation: Any = Annotated[option.type, info]
    return Parameter(
        option.name, Parameter.KEYWORD_ONLY, default=option.default, annotation=annotation
    )


OPTIONS = {option.name: option for option in options("words")}
"""The options of a request, by name."""


def request_group(
    make: Callable[..., Any] | None = None, names: Any = OPTIONS, **defaults: Any
) -> Group:
    """The options of a request by name, with other defaults; `make` makes a value from them."""
    parameters = {name: _parameter(OPTIONS[name]) for name in names}
    for name, value in defaults.items():
        parameters[name] = parameters[name].replace(default=value)
    return Group(make or (lambda **values: request_of(values)), parameters)


def _visible(**values: Any) -> VisibleFields:
    request = request_of(values)
    return {
        "filter": request.filter, "include": request.include, "exclude": request.exclude,
    }  # fmt: skip


RequestOptions = Annotated[Request, request_group()]
"""All options of a request."""
Visible = Annotated[VisibleFields, request_group(_visible, VisibleFields.__annotations__)]
"""The options that choose passages."""
