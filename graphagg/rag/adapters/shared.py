"""Functions that the adapters share: open an index, split options, turn a hit into metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit

RESERVED = (
    "title", "score", "components", "path", "method", "document", "position", "match", "copies",
)  # fmt: skip
"""Keys of metadata that a hit fills."""
QUIET = RESERVED[1:]
"""Keys that a language model or an embedding has no use for: all but the title."""


def opened(index: PassageIndex | str | os.PathLike[str]) -> PassageIndex:
    """Open the index of a directory, without a model; an opened index stays as it is."""
    return index if isinstance(index, PassageIndex) else PassageIndex.open(index)


def request_and_rest(
    options: Mapping[str, Any], request: Request | None = None
) -> tuple[Request, dict[str, Any]]:
    """Split options into a request and the other options.

    Args:
        options: fields of `Request` by name, perhaps a `request`, and others.
        request: what the fields override, unless the options have a `request`.

    Examples:
        >>> request, rest = request_and_rest({"mode": "bm25", "callback_manager": None})
        >>> request.mode, rest
        ('bm25', {'callback_manager': None})
    """
    rest, names = dict(options), {each.name for each in fields(Request)}
    overrides = {name: rest.pop(name) for name in options if name in names}
    base: Request = rest.pop("request", None) or request or Request()
    return base.with_fields(**overrides), rest


def metadata_of(hit: Hit) -> dict[str, Any]:
    """Join a passage's metadata with the values of the hit, as plain JSON values.

    A key of the passage that is one of `RESERVED` is kept as `passage_<key>`, unless it has the
    value that the hit has under that key.
    """
    plain = hit.to_json()
    reserved = {key: plain[key] for key in RESERVED if key in plain}
    reserved["path"] = [dict(step) for step in plain["path"]]
    metadata: Mapping[str, Any] = plain["metadata"]
    kept = {
        f"passage_{key}" if key in RESERVED else key: value
        for key, value in metadata.items()
        if key not in reserved or reserved[key] != value
    }
    return kept | reserved
