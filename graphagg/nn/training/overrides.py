"""Settings changed by path, such as `model.layers=4`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.nn.presets import Preset
from graphagg.nn.presets.preset import TABLES


def override(preset: Preset, changes: Sequence[str]) -> Preset:
    """A preset with changed settings.

    `changes` are such as `model.layers=4`, `model.encodings.0.size=8`, `training.fanouts=[10, 5]`.
    Values are JSON; other text is a string. Raises `InvalidParameter` for an unknown path or an
    invalid value.
    """
    plain = preset.to_dict()
    for change in changes:
        path, equals, value = change.partition("=")
        keys = path.strip().split(".")
        if not equals or keys[0] not in TABLES or len(keys) < 2:
            raise InvalidParameter(
                f"cannot set {change!r}; wanted PATH=VALUE such as model.layers=4 or "
                "training.epochs=10"
            )
        _put(plain, keys, _value(value), path)
    return Preset.from_dict(plain)


def _put(plain: Any, keys: list[str], value: Any, path: str) -> None:
    for depth, key in enumerate(keys):
        at: Any = key
        if isinstance(plain, list):
            at = int(key) if key in map(str, range(len(plain))) else None
            choices = f"0 to {len(plain) - 1}" if plain else "nothing (it is empty)"
        else:
            at = key if isinstance(plain, dict) and key in plain else None
            choices = ", ".join(plain) if isinstance(plain, dict) else "nothing (it is a value)"
        if at is None:
            parent = ".".join(keys[:depth])
            close = get_close_matches(key, plain, n=1) if isinstance(plain, dict) else []
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise InvalidParameter(f"there is no setting {path!r}{meant}; {parent} has {choices}")
        if depth == len(keys) - 1:
            plain[at] = value
        else:
            plain = plain[at]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, too many digits, or nested too deeply
        return text.strip()
