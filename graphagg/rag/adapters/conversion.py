"""Code that the adapters share: convert options, conditions and hits of a framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from graphagg.checks import check_names
from graphagg.errors import InvalidFilter, RemovedName
from graphagg.lazy import renamed
from graphagg.rag.documents.filters import SIGNS
from graphagg.rag.documents.metadata import READER_KEYS
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit

OPERATORS = SIGNS | {"in": "in", "nin": "nin", "not in": "nin", "any": "in", "contains": "eq"}
"""Operators of the frameworks, mapped to the equivalent operators of a filter."""


def condition(key: str, operator: str, value: Any) -> dict[str, Any]:
    """Convert a framework's condition on a key to a filter; the value None means a missing key.

    Raises:
        InvalidFilter: the operator is unknown, or does not take the value.
    """
    own = OPERATORS.get(operator)
    if own is None:
        raise InvalidFilter(f"operator is {operator!r}, expected one of {', '.join(OPERATORS)}")
    if own in ("in", "nin") and not isinstance(value, list):
        raise InvalidFilter(f"{operator!r} has {value!r}, expected a list")
    if value is None:  # a missing value is neither more nor less than any value
        return {key: {"in": []} if own not in ("eq", "ne") else {"exists": own == "ne"}}
    return {key: {own: value}}


RESERVED = (
    "title", "score", "components", "path", "method", "document", "position", "match", "copies",
    "source", "trail",
)  # fmt: skip
"""Metadata keys that are set from the hit."""
_FOR_MODELS = ("title", "source", "trail")
HIDDEN_FROM_LLM = (
    *(key for key in RESERVED if key not in _FOR_MODELS),
    "passage_path", "folder", "suffix", "modified", "size", "heading", "dated_by",
    *sorted(READER_KEYS),
)  # fmt: skip
"""Metadata keys that do not help a language model or an embedding."""


def questions_of(history: Any) -> Any:
    """Return the user's questions from a chat history of strings or a framework's messages."""
    questions = []
    for each in [history] if isinstance(history, str) else history:
        role = getattr(each, "role", getattr(each, "type", "user"))
        if getattr(role, "value", role) in ("user", "human"):
            questions.append(getattr(each, "content", None) or getattr(each, "text", each))
    return questions


def old_names(module: str, retriever: str, *stores: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of an adapter, for the names of 0.2: its retriever, and stores."""

    def attribute(name: str) -> Any:
        if name in stores:
            raise RemovedName(
                f"{module}.{name} is removed; write with PassageIndex.build, add and delete, and "
                f"read with {retriever}"
            )
        if name != "GraphAggRetriever":
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return renamed(module, name, retriever)

    return attribute


def opened(index: PassageIndex | str | os.PathLike[str]) -> PassageIndex:
    """Open the index of a directory, without a model; return an open index unchanged."""
    return index if isinstance(index, PassageIndex) else PassageIndex.open(index)


def request_and_rest(
    options: Mapping[str, Any], others: Iterable[str]
) -> tuple[Request, dict[str, Any]]:
    """Split options into a request (a `request`, fields by name, or both) and those in `others`."""
    values = checked(options, others)
    rest = {name: values.pop(name) for name in others if name in values}
    base: Request = values.pop("request", None) or Request()
    return base.with_fields(**values), rest


def checked(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Check the names of options, and convert a chat history to questions.

    Raises `InvalidParameter` for a name that is neither in `names` nor a field of `Request`.
    """
    check_names(options, [*names, "request", *(each.name for each in fields(Request))])
    history = {"history": questions_of(options["history"])} if "history" in options else {}
    return {**options, **history}


def metadata_of(hit: Hit) -> dict[str, Any]:
    """Join a passage's metadata with the values of the hit, as plain JSON values.

    Chains that cite sources read `source` (the file or address of the passage, else its document or
    id), `page`, and `trail` (the headings above it). A key of the passage that is in `RESERVED` is
    renamed to `passage_<key>`, unless the hit has the same value under that key.
    """
    plain = hit.to_json()
    reserved = {key: plain[key] for key in RESERVED if key in plain}
    reserved["path"] = [dict(step) for step in plain["path"]]
    metadata: Mapping[str, Any] = plain["metadata"]
    origins = (metadata.get(key) for key in ("source", "url", "path"))
    reserved["source"] = next(
        (each for each in origins if each), hit.passage.document or plain["id"]
    )
    if isinstance(heading := metadata.get("heading"), list):
        reserved["trail"] = " > ".join(map(str, heading))
    own = {
        f"passage_{key}" if key in RESERVED else key: value
        for key, value in metadata.items()
        if key not in reserved or reserved[key] != value
    }
    return own | reserved
