"""Finds presets by name, and reads them from TOML files."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidParameter, UnknownPreset, UnreadableFile
from graphagg.nn.presets.preset import TABLES, Preset
from graphagg.nn.presets.tables import PRESETS
from graphagg.nn.resolver import find

_FILE = "a TOML file with the tables [model] and [training]"


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    return tuple(PRESETS)


def get_preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        UnknownPreset: the name is unknown; the message lists the closest name and all others.

    Examples:
        >>> from graphagg.nn import get_preset
        >>> get_preset("zinc-small").training.epochs
        40
    """
    return find("preset", name, PRESETS, _FILE, UnknownPreset)


def read_preset(path: str | os.PathLike[str]) -> Preset:
    r"""Read a model and its training from a TOML file with the tables `[model]` and `[training]`.

    A line `preset = "NAME"` above the tables starts from a preset: tables of the file are merged
    into those of the preset, and fields of the file replace those of the preset.

    Raises:
        UnreadableFile: the file is missing or not TOML.
        UnknownPreset: the name in `preset` is unknown.
        InvalidParameter: a table or field is unknown, or a value has a wrong type or range.

    Examples:
        >>> import pathlib, tempfile
        >>> from graphagg.nn import read_preset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "short.toml")
        ...     _ = path.write_text('preset = "zinc-small"\n[training]\nepochs = 3')
        ...     read_preset(path).training.epochs
        3
    """
    file = Path(path)
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or f"not TOML ({error})"
        raise UnreadableFile(f"{file}: {reason}; check it") from None
    base = tables.pop("preset", None)
    for name, table in tables.items():
        if name not in TABLES or not isinstance(table, dict):
            raise InvalidParameter(
                f"{file}: {name!r} is not a known table; expected `preset`, [model] and [training]"
            )
    if base is not None:
        if not isinstance(base, str):
            raise InvalidParameter(f"{file}: preset is {base!r}; expected a name")
        tables = _merged(get_preset(base).to_dict(), tables)
    return Preset.from_dict(tables)


def override(preset: Preset, changes: Sequence[str]) -> Preset:
    """Return a preset with changed settings.

    `changes` are strings such as `model.layers=4` or `training.epochs=10`. A value is parsed as
    JSON, else used as a string. Raises `InvalidParameter` for an unknown path or an invalid value.
    """
    plain = preset.to_dict()
    for change in changes:
        path, equals, text = change.partition("=")
        keys = path.strip().split(".")
        if not equals or keys[0] not in TABLES or len(keys) < 2:
            raise InvalidParameter(
                f"cannot set {change!r}; expected PATH=VALUE such as model.layers=4 or "
                "training.epochs=10"
            )
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # not JSON, too many digits, or nested too deeply
            value = text.strip()
        for key in reversed(keys):
            value = {key: value}
        plain = _merged(plain, value)
    return Preset.from_dict(plain)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value) if both else value
    return merged
