"""TOML files: the options of a build (`--config`), and the tables of a recipe."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import typer

from graphagg.checks import shown
from graphagg.errors import InvalidParameter, UnreadableFile

T = TypeVar("T")
TABLES = (
    "communities", "embed", "passages", "query_communities", "neighbors", "retrieve", "serve",
)  # fmt: skip
"""Tables of the file of `--config`: one per kind of index and per job, and `serve`."""


def use_file(context: typer.Context, path: Path | None, table: str) -> Path | None:
    """Use the values of a TOML file as defaults; callback of the eager option `--config`."""
    if path is not None:
        parameters = {
            flag.removeprefix("--").replace("-", "_"): parameter
            for parameter in context.command.params
            for flag in (f"--{parameter.name}", *parameter.opts)
            if flag.startswith("--") and parameter.name not in ("config", "help")
        }
        defaults: dict[str, Any] = {}
        for key, value in read_table(path, table, set(parameters)).items():
            parameter = parameters[key]
            is_list = getattr(parameter, "multiple", False) or parameter.nargs < 0
            is_word = is_list and isinstance(value, str)
            defaults[str(parameter.name)] = [value] if is_word else value
        context.default_map = defaults
    return path


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
