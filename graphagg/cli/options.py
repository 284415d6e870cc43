"""Options of commands, derived from functions and dataclasses.

    parameter before `*`        a positional argument
    parameter after `*`         an option; its help is its text in "Options"
    parameter of a dataclass    an option for each field, also of nested dataclasses:
      field `max_piece_edges`     option `--max-piece-edges`, environment variable
                                  `GRAPHAGG_MAX_PIECE_EDGES`, key `max_piece_edges` of a TOML table
      its type                    the accepted values
      its default                 the default; without one the option is required
      its text in "Attributes"    the help: the first sentence; `None: ...` is shown as the default
      its metadata                `panel` (heading in the help), `argument` (positional), `flags`
                                  (`--x/--no-x`; `--x`: no form for false)

In `Annotated[Config, function]` the function makes the value: its parameters are options too, and
with `**fields` also the fields of `Config`. `Annotated[Config, Group(...)]` lists the options.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from inspect import Parameter, Signature
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from cyclopts import Group as Panel
from cyclopts import Parameter as Setting

from graphagg.fields import text_of, texts_in

PREFIX = "GRAPHAGG"


@cache
def heading(name: str) -> Panel:
    """A heading in the help; headings have the order in which they were made."""
    return Panel.create_ordered(name)


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


Function = TypeVar("Function", bound=Callable[..., Any])


def as_command(**settings: Any) -> Callable[[Function], Function]:
    """A decorator that is `command` with settings."""
    return partial(command, **settings)


def command(
    function: Function,
    *,
    table: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    hidden: Collection[str] = (),
    unlisted: Collection[str] = (),
    positional: bool = True,
) -> Function:
    """A function for cyclopts, with one parameter for each option; also a decorator.

    Args:
        function: the command; parameters that are dataclasses become options.
        table: table of the TOML file that `--config` reads; None: there is no `--config`.
        fixed: values of options that the command does not have.
        hidden: options that the command does not have; they keep their defaults.
        unlisted: options that are not in the help.
        positional: whether fields marked `argument` are positional.
    """
    group = Group(function, _of_function(function, positional))
    parameters = [each for each in group.options() if each.name not in {*(fixed or ()), *hidden}]
    if table is not None:
        text = (
            f"TOML file with options in its table {table}; options on the command line and "
            f"environment variables such as {PREFIX}_FORCE override it.",
            None,
        )
        parameters.append(option("config", str | None, None, text, "How it runs", env=True))
    parameters = [_with(each, show=False) if each.name in unlisted else each for each in parameters]
    signature = Signature(sorted(parameters, key=lambda each: each.kind))

    def run(*arguments: Any, **options: Any) -> Any:
        bound = signature.bind(*arguments, **options)
        bound.apply_defaults()
        return group.value({**bound.arguments, **(fixed or {})})

    about = inspect.cleandoc(function.__doc__ or "").partition("\n\nOptions:\n")[0]
    run.__doc__ = "\n\n".join(" ".join(each.split()) for each in about.split("\n\n"))
    run.__name__, run.__module__ = function.__name__, function.__module__
    vars(run).update(__signature__=signature, table=table)
    return cast(Function, run)


def option(
    name: str,
    hint: Any,
    default: Any,
    text: tuple[str, str | None],
    panel: str | None = None,
    *,
    env: bool = False,
    positional: bool = False,
    flags: str | None = None,
) -> Parameter:
    """One option; `text` is its help and the meaning of None."""
    settings: dict[str, Any] = {"negative_iterable": ()}
    if text[0]:
        settings["help"] = text[0]
    if default is False or (text[1] and default is None):
        settings["show_default"] = default is None and text[1]
    if panel is not None:
        settings["group"] = heading(panel)
    if env:
        settings |= {"env_var": f"{PREFIX}_{name.upper()}", "show_env_var": False}
    if _is_integer(hint):
        settings["converter"] = _integer
    if flags is not None:
        settings["negative"] = flags.partition("/")[2]
    kind = Parameter.POSITIONAL_ONLY if positional else Parameter.KEYWORD_ONLY
    return _with(Parameter(name, kind, default=default, annotation=hint), **settings)


def _is_integer(hint: Any) -> bool:
    is_wrapped = get_origin(hint) in (Annotated, Union, UnionType)
    return hint is int or (is_wrapped and any(map(_is_integer, get_args(hint))))


def _integer(_: Any, tokens: Sequence[Any]) -> int:
    """An integer; cyclopts would round 3.5."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no integer") from None


def _with(parameter: Parameter, **settings: Any) -> Parameter:
    annotation: Any = Annotated[parameter.annotation, Setting(**settings)]
    return parameter.replace(annotation=annotation)


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
    options = _of_function(make, positional, panel, env=True)
    takes_fields = len(options) < len(inspect.signature(make).parameters)
    return Group(make, (_of_fields(kind, positional, panel) if takes_fields else {}) | options)


def _of_function(
    function: Callable[..., Any], positional: bool, panel: str | None = None, *, env: bool = False
) -> dict[str, Parameter | Group]:
    texts = texts_in(function.__doc__, "Options")
    parameters = inspect.signature(function, eval_str=True).parameters
    return {
        name: _group(each.annotation, positional)
        or option(
            name, each.annotation, each.default, help_in(texts.get(name, ""), parameters), panel,
            env=env, positional=each.kind is Parameter.POSITIONAL_OR_KEYWORD,
            flags="" if each.default is False else None,
        )
        for name, each in parameters.items()
        if each.kind is not Parameter.VAR_KEYWORD
    }  # fmt: skip


def _of_fields(kind: type, positional: bool, panel: str | None) -> dict[str, Parameter | Group]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        each.name: _group(hints[each.name], positional)
        or option(
            each.name, hints[each.name],
            Parameter.empty if each.default is MISSING else each.default,
            help_of(kind, each.name), each.metadata.get("panel", panel), env=True,
            positional=positional and "argument" in each.metadata,
            flags=each.metadata.get("flags"),
        )
        for each in fields(kind)
    }  # fmt: skip


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
