"""The TOML file of `--config`, with options in its tables; text files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from graphagg.errors import InvalidParameter, UnreadableFile

TABLES = (
    "communities", "embed", "passages", "query_communities", "neighbors", "retrieve", "serve",
)  # fmt: skip
"""Tables of the file: one per kind of index and per job, and `serve`."""


def use_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Use the TOML file of `--config`, a configuration of cyclopts, for options without a value."""
    config = next((each for each in arguments if each.field_info.name == "config"), None)
    if config is None or not config.tokens:
        return
    path, table = Path(config.tokens[0].value), vars(app.default_command)["table"]
    document = read_toml(path)
    strange = sorted(name for name in document if name not in TABLES)
    if strange:
        raise InvalidParameter(
            f"{path}: unknown {str(strange)[1:-1]}, wanted the tables {sorted(TABLES)}"
        )
    values = Dict(document, root_keys=[table], use_commands_as_keys=False, source=str(path))
    values(app, commands, arguments)


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
