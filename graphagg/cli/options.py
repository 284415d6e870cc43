"""Defines the options of commands from functions and dataclasses, with cyclopts.

A command is a function. A parameter before `/` is a positional argument; one after `*` is an
option. A parameter `Annotated[Config, FLAT]` adds an option for each field of the class `Config`:

    field `max_piece_edges`     option `--max-piece-edges`; with `--config` also the environment
                                variable `GRAPHAGG_MAX_PIECE_EDGES` and a key of the TOML table
    its type                    the accepted values
    its default                 the default; without a default the option is required
    its text in "Attributes"    the help

The help of other parameters comes from "Args" of the function or the `Parameter` of their type.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, ArgumentCollection, CoercionError, Group, Parameter, Token

from graphagg.errors import InvalidParameter, UnreadableFile

PREFIX = "GRAPHAGG_"
TABLES = ("communities", "embed", "passages", "serve")
"""Tables in the file of `--config`; each has the name of the command function that reads it."""
FLAT = Parameter(name="*")
"""Marks a dataclass whose fields are options."""
ARGUMENT = Parameter(group="Arguments")
"""Marks a field that is also a positional argument; the help lists it under "Arguments"."""
ConfigFile = Annotated[
    Path | None,
    Parameter(
        help=f"TOML file with a table of options for each command: {', '.join(TABLES)}. Options on "
        f"the command line and environment variables such as {PREFIX}FORCE take precedence."
    ),
]


@cache
def _group(title: str) -> Group:
    """Return a help heading; headings are listed in the order of their creation."""
    return Group.create_ordered(title)


def panel(title: str) -> Parameter:
    """Mark a dataclass: its fields become options, listed under a heading in the help."""
    return Parameter(name="*", group=_group(title))


def heading(title: str) -> Parameter:
    """List an option under a heading in the help."""
    return Parameter(group=_group(title))


def make_app(name: str, text: str = "", **settings: Any) -> App:
    """Return a cyclopts application with the settings that all commands share."""
    return App(
        name,
        text,
        config=fill_options,
        default_parameter=Parameter(negative_iterable=(), show_default=_default),
        group_parameters=_group("Options"),
        help_format="plaintext",
        help_formatter=_Help(),
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        **settings,
    )


def fill_options(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Read unset options from environment variables, then from the file of `--config`.

    cyclopts calls this function as a `config`. Function parameters are not read from environment
    variables, because Kubernetes sets `GRAPHAGG_PORT` for a service named graphagg.
    """
    from cyclopts.config import Env

    config = next((each for each in arguments if each.field_info.name == "config"), None)
    if config is not None:
        fields = arguments.copy()
        fields[:] = [each for each in arguments if each.keys or each is config]
        Env(PREFIX, command=False)(app, commands, fields)
        if config.tokens:
            _use_file(Path(config.tokens[0].value), app, commands, arguments)
    for argument in arguments:
        if argument.resolved_hint is int:
            for token in argument.tokens:
                # otherwise cyclopts rounds 3.5
                if not re.fullmatch(r"\s*[+-]?\d[\d_]*\s*", token.value):
                    raise CoercionError(argument=argument, token=token, target_type=int)


def build_on_spark(_: App, __: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Set `--engine spark` for the commands of `graphagg job`; cyclopts calls it as a `config`."""
    for argument in arguments:
        if argument.field_info.name == "engine":
            argument.tokens[:] = [Token(keyword="--engine", value="spark", source="job")]


def _use_file(
    path: Path, app: App, commands: tuple[str, ...], arguments: ArgumentCollection
) -> None:
    from cyclopts.config import Dict

    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(f"{path}: not valid TOML ({error}); correct it") from None
    table = getattr(app.default_command, "__name__", "")
    unknown = ", ".join(sorted(document.keys() - {*TABLES}))
    if unknown:
        raise InvalidParameter(
            f"{path}: unknown table {unknown}, expected one of {', '.join(TABLES)}"
        )
    values = Dict(document, root_keys=[table], use_commands_as_keys=False, source=str(path))
    values(app, commands, arguments)


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark; errors are `UnreadableFile`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save the file as UTF-8"
    except OSError as error:
        reason = f"{error.strerror or error}; check the path"
    raise UnreadableFile(f"{path}: {reason}")


class _Help:
    """Help formatter: shows parameters in backticks as options, and "None:" as "Default:"."""

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        """Print a panel of the help."""
        from cyclopts.help import DefaultFormatter, InlineText

        names: dict[str, str] = {
            name.removeprefix("--").replace("-", "_"): name
            for entry in panel.entries
            for name in entry.positive_names
        }
        entries = []
        for entry in panel.entries:
            text = " ".join(str(entry.description.primary_renderable).split())
            text = text.replace("None: ", "Default: ")
            text = re.sub(r"`([^`]*)`", lambda match: names.get(match[1], match[1]), text)
            description = InlineText.from_format(text[:1].upper() + text[1:], "plaintext")
            is_off = entry.type is bool and entry.default is None  # the negative flag has no effect
            negatives = () if is_off else entry.negative_names
            entries.append(entry.copy(description=description, negative_names=negatives))
        DefaultFormatter()(console, options, panel.copy(entries=entries))

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        """Print the usage with the default formatter of cyclopts."""
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)


def _default(value: object) -> str | None:
    """Return the default to show in the help; None (show nothing) for empty defaults."""
    if value is None or value is False or value == "" or value == ():
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
