"""Options of commands, derived from dataclasses: each field declares one option.

    field `max_piece_edges`     option `--max-piece-edges`, environment variable
                                `GRAPHAGG_MAX_PIECE_EDGES`, key `max_piece_edges` of a TOML table
    its type                    the accepted values; the fields of a nested dataclass are options
    its default                 the default; without one the option is required
    its text in "Attributes"    the help: the first sentence; `None: ...` is shown as the default
    its metadata                `panel` (heading in the help), `argument` (positional), `flags`
                                (other names of the option), and parameters of `typer.Option`

In `Annotated[Config, function]` the function makes the value: its parameters are options too, and
with `**fields` also the fields of `Config`. `Annotated[Config, Group(...)]` lists the options.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from graphagg.cli.settings import use_file
from graphagg.fields import text_of

PREFIX = "GRAPHAGG"


@dataclass(frozen=True)
class Group:
    """The options of one value, by field; `make` makes the value from them."""

    make: Callable[..., Any]
    fields: Mapping[str, Parameter | Group]

    def options(self) -> Iterator[Parameter]:
        """All options, in the order of the fields."""
        for each in self.fields.values():
            if isinstance(each, Group):
                yield from each.options()
            else:
                yield each

    def value(self, values: Mapping[str, Any]) -> Any:
        """Make the value from the values of all options of the command."""
        return self.make(
            **{
                name: each.value(values) if isinstance(each, Group) else values[name]
                for name, each in self.fields.items()
                if isinstance(each, Group) or name in values
            }
        )


def command(
    function: Callable[..., None],
    *,
    table: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    hidden: Collection[str] = (),
    unlisted: Collection[str] = (),
    positional: bool = True,
) -> Callable[..., None]:
    """A function for typer, with one parameter for each option.

    Args:
        function: the command; parameters that are dataclasses become options.
        table: table of the TOML file that `--config` reads; None: there is no `--config`.
        fixed: values of options that the command does not have.
        hidden: options that the command does not have; they keep their defaults.
        unlisted: options that are not in the help.
        positional: whether fields marked `argument` are positional.
    """
    fixed = fixed or {}
    groups: dict[str, Group] = {}
    plain: list[str] = []
    parameters: list[Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        group = _group(parameter.annotation, positional)
        if group is None:
            plain.append(parameter.name)
            parameters.append(parameter)
        else:
            groups[parameter.name] = group
            parameters += group.options()

    def run(**values: Any) -> None:
        values |= fixed
        function(
            **{name: values[name] for name in plain},
            **{name: group.value(values) for name, group in groups.items()},
        )

    if table is not None:
        parameters.append(_config_file(table))
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            _changed(p, hidden=True) if p.name in unlisted else _changed(p)
            for p in parameters
            if p.name not in {*fixed, *hidden}
        ]
    )
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


def _changed(parameter: Parameter, **settings: Any) -> Parameter:
    """A keyword parameter whose typer option has other settings."""
    annotation = parameter.annotation
    if settings:
        kind, info = get_args(annotation)
        info = copy(info)
        vars(info).update(settings)
        annotation = Annotated[kind, info]
    return parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=annotation)


def _group(annotation: Any, positional: bool) -> Group | None:
    """The options of a dataclass; None for any other type."""
    kind, *extra = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    for each in extra:
        if isinstance(each, Group):
            return each
    panel = next((each for each in extra if isinstance(each, str)), None)
    make = next((each for each in extra if inspect.isfunction(each)), None)
    if make is None:
        if not is_dataclass(kind) or not isinstance(kind, type):
            return None
        return Group(kind, _of_fields(kind, positional, panel))
    parameters = inspect.signature(make, eval_str=True).parameters
    options = {
        name: _changed(
            parameter, envvar=f"{PREFIX}_{name.upper()}", show_envvar=False, rich_help_panel=panel
        )
        for name, parameter in parameters.items()
        if parameter.kind is not Parameter.VAR_KEYWORD
    }
    takes_fields = len(options) < len(parameters)
    return Group(make, (_of_fields(kind, positional, panel) if takes_fields else {}) | options)


def _of_fields(kind: type, positional: bool, panel: str | None) -> dict[str, Parameter | Group]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        each.name: _group(hints[each.name], positional)
        or _option(kind, each, hints[each.name], positional, panel)
        for each in fields(kind)
    }


def _option(
    kind: type, each: Field[Any], hint: Any, positional: bool, panel: str | None
) -> Parameter:
    default = Parameter.empty if each.default is MISSING else each.default
    settings = dict(each.metadata)
    flags, argument = settings.pop("flags", ()), settings.pop("argument", False)
    flags = (flags,) if isinstance(flags, str) else flags
    text, shown = help_of(kind, each.name)
    settings.setdefault("help", text)
    if shown is not None and default is None:
        settings["show_default"] = shown
    settings |= {
        "envvar": f"{PREFIX}_{each.name.upper()}",
        "show_envvar": False,
        "rich_help_panel": settings.pop("panel", panel),
    }
    is_argument = argument and positional
    info = typer.Argument(**settings) if is_argument else typer.Option(*flags, **settings)
    annotation: Any = Annotated[hint, info]
    return Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _config_file(table: str) -> Parameter:
    info = typer.Option(
        help=f"TOML file with options in its table {table}; options on the command line and "
        f"environment variables such as {PREFIX}_FORCE override it.",
        callback=lambda context, path: use_file(context, path, table),
        is_eager=True,
        envvar=f"{PREFIX}_CONFIG",
        show_envvar=False,
        rich_help_panel="How it runs",
    )
    return Parameter(
        "config", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, info]
    )


# --- help ----------------------------------------------------------------------------------------


def help_of(kind: type, name: str) -> tuple[str, str | None]:
    """The help of a field, and the meaning of None, from the docstring of its class."""
    return help_in(text_of(kind, name), {each.name for each in fields(kind)})


def help_in(text: str, names: Collection[str]) -> tuple[str, str | None]:
    """The help of an option, and the meaning of None; `names` in backticks become flags."""
    text = re.sub(r"`(\w+)`", lambda m: flag(m[1]) if m[1] in names else m[1], text)
    first, *others = re.split(r"(?<=[.?]) (?=[A-Z0-9])", text.replace("`", ""))
    none = next((s.removeprefix("None: ") for s in others if s.startswith("None: ")), None)
    return first[:1].upper() + first[1:], none.rstrip(".") if none else None


def flag(name: str) -> str:
    """The option of a field on the command line."""
    return f"--{name.replace('_', '-')}"


# --- errors --------------------------------------------------------------------------------------


def with_flags(message: str, command: Any, words: Sequence[str] = ()) -> str:
    """Replace parameters in backticks in an error message by options of a click command.

    `name`, `name=True` and `name="value"` become `--name`, `--name` and `--name value`; other names
    stay. `words`, the command line, choose the command of a group.
    """
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    options = {each.name: each for each in command.params if each.opts[0].startswith("-")}

    def translated(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        option = options.get(name) or options.get(_OPTIONS.get(name, ""))
        if option is None:
            return match[0]
        if value == "False" and option.secondary_opts:
            return str(option.secondary_opts[0])
        return " ".join([option.opts[0], *([value.strip("\"'")] if value not in _PLAIN else [])])

    return re.sub(r"`(\w+)(?:=([^`]*))?`", translated, message)


_OPTIONS = {
    "directory": "out",
    "ratio": "split_ratio",
    "seeds": "seed",
    "vertices": "vertex",
    "vectors": "vector_column",
    "tokens": "token_file",
}
"""Options that have another name than the parameter of the library."""
_PLAIN = (None, "True", "False")
