"""What the adapters share: opening an index, and a hit as metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graphagg.rag.index import PassageIndex
from graphagg.rag.question.results import Hit

RESERVED = (
    "title", "score", "components", "path", "method", "document", "position", "match", "copies",
)  # fmt: skip
"""Keys that carry what the hit knows."""
QUIET = RESERVED[1:]
"""Keys that a language model or an embedding has no use for: all but the title."""


def opened(index: PassageIndex | str | os.PathLike[str]) -> PassageIndex:
    """The index itself, or the one of a directory; no model is loaded."""
    return index if isinstance(index, PassageIndex) else PassageIndex.open(index)


def metadata_of(hit: Hit) -> dict[str, Any]:
    """A passage's metadata beside what the hit knows, as plain JSON values.

    A key of the passage that is one of `RESERVED` is kept as `passage_<key>`, unless it holds what
    the hit says under that key.
    """
    found = hit.to_json()
    known = {key: found[key] for key in RESERVED if key in found}
    known["path"] = [dict(step) for step in found["path"]]
    own: Mapping[str, Any] = found["metadata"]
    kept = {
        f"passage_{key}" if key in RESERVED else key: value
        for key, value in own.items()
        if key not in known or known[key] != value
    }
    return kept | known
