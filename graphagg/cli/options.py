"""How commands get their options: functions and dataclasses for cyclopts.

A command is a function. A parameter before `/` is a positional argument, one after `*` an option. A
parameter `Annotated[Config, FLAT]` is an option for each field of the dataclass `Config`:

    field `max_piece_edges`     option `--max-piece-edges`; with `--config` also the environment
                                variable `GRAPHAGG_MAX_PIECE_EDGES` and a key of the TOML table
    its type                    the accepted values
    its default                 the default; without one the option is required
    its text in "Attributes"    the help

The help of other parameters is in "Args" of the function, or in the `Parameter` of their type.
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
"""Tables of the file of `--config`, named as the functions of the commands that read it."""
FLAT = Parameter(name="*")
"""Marks a dataclass whose fields are options."""
ARGUMENT = Parameter(group="Arguments")
"""Lists a field that is a positional argument too with the arguments."""
ConfigFile = Annotated[
    Path | None,
    Parameter(
        help=f"TOML file with a table of options for each command: {', '.join(TABLES)}. Options on "
        f"the command line and environment variables such as {PREFIX}FORCE take precedence."
    ),
]


@cache
def _group(title: str) -> Group:
    """A heading of the help; headings have the order in which they were made."""
    return Group.create_ordered(title)


def panel(title: str) -> Parameter:
    """Mark a dataclass whose fields are options under a heading of the help."""
    return Parameter(name="*", group=_group(title))


def heading(title: str) -> Parameter:
    """Mark an option under a heading of the help."""
    return Parameter(group=_group(title))


def make_app(name: str, text: str = "", **settings: Any) -> App:
    """An application of cyclopts with the settings of all commands."""
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
    """Read options without a value from the environment, then from the file of `--config`.

    This is a configuration of cyclopts. Parameters of a function are not read from the environment:
    Kubernetes sets `GRAPHAGG_PORT` for a service of that name.
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
                # cyclopts would round 3.5
                if not re.fullmatch(r"\s*[+-]?\d[\d_]*\s*", token.value):
                    raise CoercionError(argument=argument, token=token, target_type=int)


def build_on_spark(_: App, __: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Let the commands of `graphagg job` build with Spark; a configuration of cyclopts."""
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
    """Read a text file, with or without a byte order mark; raises `UnreadableFile`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save the file as UTF-8"
    except OSError as error:
        reason = f"{error.strerror or error}; check the path"
    raise UnreadableFile(f"{path}: {reason}")


class _Help:
    """A help formatter: parameters in backticks become options, None becomes the default."""

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        """Print a panel."""
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
            is_off = entry.type is bool and entry.default is None  # its negative changes nothing
            negatives = () if is_off else entry.negative_names
            entries.append(entry.copy(description=description, negative_names=negatives))
        DefaultFormatter()(console, options, panel.copy(entries=entries))

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        """Print the usage as cyclopts does."""
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)


def _default(value: object) -> str | None:
    """The default that the help shows; None for one that says nothing."""
    if value is None or value is False or value == "" or value == ():
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
