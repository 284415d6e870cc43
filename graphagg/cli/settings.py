"""TOML files: the options of a build (`--config`), and the tables of a recipe."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from cyclopts import App, ArgumentCollection, Token

from graphagg.checks import shown
from graphagg.errors import InvalidParameter, UnreadableFile

T = TypeVar("T")
TABLES = (
    "communities", "embed", "passages", "query_communities", "neighbors", "retrieve", "serve",
)  # fmt: skip
"""Tables of the file of `--config`: one per kind of index and per job, and `serve`."""


def use_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Use the TOML file of `--config`, a configuration of cyclopts, for options without a value."""
    options = {each.field_info.name: each for each in arguments}
    config = options.pop("config", None)
    if config is None or not config.tokens:
        return
    path, table = Path(config.tokens[0].value), vars(app.default_command)["table"]
    options |= {
        name.removeprefix("--").replace("-", "_"): each
        for each in options.values()
        for name in each.names
        if name.startswith("--") and name not in each.negatives
    }
    for key, value in read_table(path, table, set(options)).items():
        option = options[key]
        words = [value] if isinstance(value, str) else value
        name = None if option.index is not None else option.name
        if not option.tokens:
            option.tokens = [Token(keyword=name, value=word, source=str(path)) for word in words]


def read_table(path: Path, table: str, options: set[str]) -> dict[str, str | list[str]]:
    """The values of a table as command-line words; raises `InvalidParameter` for unknown keys."""
    document = read_toml(path)
    strange = sorted(name for name in document if name not in TABLES)
    if strange:
        raise InvalidParameter(
            f"{path}: unknown {str(strange)[1:-1]}, wanted the tables {sorted(TABLES)}"
        )
    values = document.get(table, {})
    if not isinstance(values, dict):
        raise InvalidParameter(f"{path}: {table} is no table; write [{table}]")
    unknown = sorted(values.keys() - options)
    if unknown:
        choices = ", ".join(sorted(options))
        raise InvalidParameter(
            f"{path}: unknown {str(unknown)[1:-1]} in [{table}]; the options are {choices}"
        )
    return {name: _word(path, table, name, value) for name, value in values.items()}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises `UnreadableFile`."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(f"{path}: not readable TOML ({error}); correct it") from None


def read_text(path: Path) -> str:
    """Read a text file, with or without a byte order mark; raises `UnreadableFile`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save the file as UTF-8"
    except OSError as error:
        reason = f"{error.strerror or error}; check the path"
    raise UnreadableFile(f"{path}: {reason}")


def from_table(kind: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """Make a dataclass from a TOML table, whose keys are its fields; raises `InvalidParameter`.

    `false` means None for a field that holds a dataclass or None.
    """
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # it is a dataclass
    values: dict[str, Any] = {}
    for name, value in table.items():
        key = f"key {where + name!r}"
        if name not in names:
            raise InvalidParameter(f"{key} is unknown, wanted one of {', '.join(names)}")
        types = (hints[name], *get_args(hints[name]))
        nested = next((each for each in types if is_dataclass(each)), None)
        if nested is None:
            try:
                values[name] = TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                raise InvalidParameter(f"{key} is {shown(value)}: {message}") from None
        elif value is False and type(None) in types:
            values[name] = None
        elif isinstance(value, Mapping):
            values[name] = from_table(nested, value, f"{where}{name}.")  # type: ignore[arg-type]
        else:
            raise InvalidParameter(f"{key} is {shown(value)}, wanted a table")
    return kind(**values)


def _word(path: Path, table: str, name: str, value: Any) -> str | list[str]:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    if not isinstance(value, str | bool | int | float):
        raise InvalidParameter(
            f"{path}: {name} in [{table}] is {value!r}, wanted a string, a number, true, false or "
            "a list of strings"
        )
    return str(value)
