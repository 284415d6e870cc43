"""The TOML file of a job: one table a job, read as flags would be."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer

from graphagg.errors import InvalidParameter, UnreadableFile

TABLES = {
    "communities": "communities",
    "prepare_graph": "embed",
    "partition": "embed",
    "embed": "embed",
    "trigraph": "trigraph",
}
"""The table of each job. The three jobs of an embedding share one: what one of them left
unfinished the next goes on with, only with the same parameters."""


def use_file(context: typer.Context, path: Path | None) -> Path | None:
    """Take the values of a TOML file as defaults; callback of the eager option `--config`."""
    if path is not None:
        known = {str(parameter.name) for parameter in context.command.params}
        table = TABLES[str(context.command.name)]
        context.default_map = read_table(path, table, known - {"config", "help"})
    return path


def read_table(path: Path, table: str, known: set[str]) -> dict[str, str]:
    """The values of a table as the words that a flag would have.

    Raises:
        UnreadableFile: no TOML.
        InvalidParameter: a table of no job, or keys that are no options.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{path}: {error}; wanted a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(f"{path}: not TOML ({error}); mend it") from None
    tables = sorted(set(TABLES.values()))
    strange = sorted(name for name in document if name not in tables)
    if strange:
        raise InvalidParameter(f"{path}: unknown {_listed(strange)}, wanted the tables {tables}")
    found = document.get(table, {})
    if not isinstance(found, dict):
        raise InvalidParameter(f"{path}: {table} is no table; write [{table}]")
    unknown = sorted(found.keys() - known)
    if unknown:
        choices = ", ".join(sorted(known))
        raise InvalidParameter(
            f"{path}: unknown {_listed(unknown)} in [{table}]; the options are {choices}"
        )
    return {name: _word(path, table, name, value) for name, value in found.items()}


def _word(path: Path, table: str, name: str, value: Any) -> str:
    if not isinstance(value, (str, bool, int, float)):
        raise InvalidParameter(
            f"{path}: {name} in [{table}] is {value!r}, wanted a string, a number, true or false"
        )
    return str(value)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
