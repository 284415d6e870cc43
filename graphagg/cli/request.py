"""Options of questions to a passage index; all of a request derive from `Request`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from graphagg.cli.folders import K as NAMES_OF_K
from graphagg.cli.options import Group, flag, help_in
from graphagg.errors import InvalidParameter
from graphagg.rag.config.linearrag import PRESETS, LinearRAGConfig, Semantics, preset
from graphagg.rag.config.modes import MODES, Mode, mode_named
from graphagg.rag.question.request import Option, Request, VisibleFields, options, request_of

PassageFile = Annotated[Path, typer.Argument(help="A folder of documents, JSONL (.gz) or Parquet.")]
Question = Annotated[str, typer.Argument(help="The question.")]
K = Annotated[int, typer.Option(*NAMES_OF_K["flags"], help="Number of hits.")]
Characters = Annotated[
    int, typer.Option(help="Characters of a passage and the chunks around it.", min=1)
]
MODE_OPTION: dict[str, Any] = {"parser": mode_named, "metavar": f"[{'|'.join(MODES)}]"}
"""How an option takes a mode: former names of modes are taken too."""
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Settings of mode linearrag: {', '.join(PRESETS)}.", show_default="official"
    ),
]
SemanticsName = Annotated[
    Semantics | None,
    typer.Option(
        "--semantics",
        help="How mode linearrag activates entities.",
        show_default="what the preset says",
    ),
]


def settings(
    mode: Mode, preset_name: str | None, semantics: Semantics | None
) -> LinearRAGConfig | None:
    """The settings of a mode; None: its own.

    Raises:
        InvalidParameter: there is no such preset, or a preset or semantics is given for another
            mode than `linearrag`.
    """
    chosen = preset(preset_name or "official")
    if semantics is not None:
        chosen = chosen.with_semantics(semantics)
    if mode == "linearrag":
        return chosen
    if preset_name is not None or semantics is not None:
        raise InvalidParameter(
            f"preset and semantics are settings of mode 'linearrag', the mode is {mode!r}; "
            "leave them out or add --mode linearrag"
        )
    return None


def _request(preset: str | None, semantics: Semantics | None, **values: Any) -> Request:
    return request_of({**values, "config": settings(values["mode"], preset, semantics)})


def _parameter(option: Option) -> Parameter:
    text, none = help_in(option.text, OPTIONS)
    if option.type == list[str] | None:
        text = f"{text.rstrip('.')}; repeat it."
    bounds = {"min": option.bounds.get("least"), "max": option.bounds.get("most")}
    special = MODE_OPTION if option.name == "mode" else bounds
    info = typer.Option(flag(option.name), help=text, **special)
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
    """Options of a request as a group of options of a command.

    Args:
        make: makes a value from the plain values of the options, given by name; None: a request.
        names: of the options; default: all.
        defaults: that differ from the defaults of `Request`.
    """
    parameters = {name: _parameter(OPTIONS[name]) for name in names}
    for name, value in defaults.items():
        parameters[name] = parameters[name].replace(default=value)
    return Group(make or (lambda **values: request_of(values)), parameters)


def _with_presets() -> Group:
    group = request_group()
    presets = {
        name: Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in (("preset", Preset), ("semantics", SemanticsName))
    }
    return Group(_request, {**group.fields, **presets})


def _visible(**values: Any) -> VisibleFields:
    request = request_of(values)
    return {
        "filter": request.filter, "include": request.include, "exclude": request.exclude,
    }  # fmt: skip


Asked = Annotated[Request, _with_presets()]
"""All options of a request, with the presets of mode linearrag."""
Visible = Annotated[VisibleFields, request_group(_visible, VisibleFields.__annotations__)]
"""The options that choose passages."""
