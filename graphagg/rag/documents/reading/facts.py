"""Metadata of a document: what its file is called, and what it says of itself, as JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

from graphagg.checks import shown
from graphagg.rag.documents.reading.kinds import suffix_of

_OWN = frozenset({"path", "folder", "suffix", "modified", "size"})
_DEEPEST = 16  # levels of a value
_LARGEST = 2**100  # beyond, an integer cannot be filtered, and JSON readers round it


def file_facts(name: str, size: int, modified: float) -> dict[str, Any]:
    """What is known of a file: `path`, `folder`, `suffix`, `modified`, `size`.

    `folder` lists every folder that holds the file, `["a", "a/b"]` for `a/b/c.md`: a filter
    `folder=a` sees all that is below `a`. `modified` is UTC to the second, `size` bytes.
    """
    parents = [p.as_posix() for p in PurePosixPath(name).parents if p.name]
    moment = datetime.fromtimestamp(math.floor(modified), UTC)
    return {
        "path": name,
        "folder": parents[::-1],
        "suffix": suffix_of(name),
        "modified": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "size": size,
    }


def plain_metadata(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values as JSON has them, and by key why a value is none; only those values are missing.

    Dates become ISO 8601 text, NaN null. A key that names a fact of the file gets `document_` in
    front.
    """
    metadata: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for key, value in given.items():
        name = f"document_{key}" if key in _OWN else str(key)
        try:
            name.encode()
            metadata[name] = _plain(value, 1)
        except UnicodeEncodeError:
            refused[ascii(name)] = "a lone surrogate, which is no Unicode text"
        except ValueError as error:
            refused[name] = str(error)
    return metadata, refused


def _plain(value: object, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        value.encode()
        return str(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each, depth + 1) for key, each in value.items()}
    raise ValueError(f"{shown(value)}, a {type(value).__name__}, wanted a JSON value")


def _number(value: int | float) -> int | float | None:
    if isinstance(value, float) and math.isnan(value):
        return None
    if math.isinf(value) if isinstance(value, float) else abs(value) >= _LARGEST:
        raise ValueError(f"{shown(value)}, wanted a finite number of at most 100 bits")
    return value
