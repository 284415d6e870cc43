"""Presets by name, and from a TOML file."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidParameter, UnknownPreset, UnreadableFile
from graphagg.nn.model.config import GPSConfig, parse
from graphagg.nn.presets.official import OFFICIAL
from graphagg.nn.presets.plus import PLUS
from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.small import SMALL
from graphagg.nn.training.config import TrainingConfig

_ALL = {**OFFICIAL, **SMALL, **PLUS}
_TABLES = ("model", "training")


def presets() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    return tuple(sorted(_ALL))


def preset(name: str) -> Preset:
    """A preset.

    Raises:
        UnknownPreset: There is none of this name; the message has the nearest and all others.
    """
    if name in _ALL:
        return _ALL[name]
    close = get_close_matches(name[:200].lower(), presets(), n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise UnknownPreset(
        f"there is no preset {name[:200]!r}{meant} The presets are {', '.join(presets())}; "
        "or give a TOML file with the tables [model] and [training]"
    )


def read_preset(path: str | os.PathLike[str]) -> Preset:
    """A model and its training from a TOML file with the tables `[model]` and `[training]`.

    A line `preset = "NAME"` above the tables starts from a preset: a field of the file replaces
    the preset's, a table of the file is merged into the preset's.

    Raises:
        UnreadableFile: The file is missing or no TOML.
        UnknownPreset: `preset` names none.
        InvalidParameter: An unknown table or field, or a value of the wrong type or out of range.
    """
    file = Path(path)
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFile(f"{file} cannot be read as TOML: {error}") from None
    base = tables.pop("preset", None)
    for name, table in tables.items():
        if name not in _TABLES or not isinstance(table, dict):
            raise InvalidParameter(
                f"{file}: {name!r} is not a table of it; wanted `preset`, [model] and [training]"
            )
    if base is not None:
        if not isinstance(base, str):
            raise InvalidParameter(f"{file}: preset is {base!r}; wanted a name")
        tables = _merged(preset(base).to_dict(), tables)
    return Preset(
        GPSConfig.from_dict(tables.get("model", {})),
        parse(TrainingConfig, tables.get("training", {}), "training"),
    )


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value) if both else value
    return merged
