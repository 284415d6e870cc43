"""What the adapters share: an index that may be empty, and the conversion of options and hits.

A framework's store may be empty, but an index holds at least one passage. So the first write to a
`WritableIndex` builds the index, and deleting the last passage removes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from graphagg.checks import check_names
from graphagg.errors import EmptyCorpus, InvalidFilter, NotAnArtifact
from graphagg.rag.documents.filters import SIGNS
from graphagg.rag.documents.passages import Passage, as_passage
from graphagg.rag.index import PassageIndex
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.question.request import Request, Selection
from graphagg.rag.question.results import Hit, Hits
from graphagg.store import write_artifact
from graphagg.store.addresses import local_folder
from graphagg.store.manifest import canonical_json, read_manifest

OPTIONS = ("encoder", "extractor", "chunking")
"""Options of a store: those of a new index, and the models of an existing one."""


class WritableIndex:
    """A passage index behind a framework's store. Safe to use from several threads.

    Every write is one new version of the index, so write many passages at once.

    Args:
        index: the directory, whether it holds an index yet or not; or an opened index.
        encoder: encoder of a new index, or the one the index was built with, or its name; None: the
            default, or the recorded one.
        extractor: likewise.
        chunking: how a new index splits long texts; None: not at all, for frameworks split
            documents themselves. An existing index splits as it was built.
    """

    def __init__(
        self,
        index: PassageIndex | str | os.PathLike[str],
        *,
        encoder: Encoder | str | None = None,
        extractor: EntityExtractor | None = None,
        chunking: ChunkConfig | None = None,
    ) -> None:
        self._index = index if isinstance(index, PassageIndex) else None
        where = index.location if isinstance(index, PassageIndex) else index
        self.directory = local_folder(where)
        self._models: dict[str, Any] = {"encoder": encoder, "extractor": extractor}
        self._chunking = chunking
        self._lock = threading.RLock()

    @property
    def index(self) -> PassageIndex | None:
        """The index that is published now; None if there is none."""
        with self._lock:
            try:
                manifest = read_manifest(self.directory)
            except NotAnArtifact:
                self._index = None
            else:
                if self._index is None:
                    self._index = PassageIndex.open(self.directory, **self._models)
                elif manifest != self._index.manifest:
                    self._index.reopen()
            return self._index

    def __len__(self) -> int:
        return 0 if self.index is None else len(self.index)

    def write(self, passages: Sequence[Passage]) -> list[str]:
        """Add passages as one new version, in place of earlier ones of their ids. Return ids."""
        distinct = list({each.id: each for each in passages}.values())
        with self._lock:
            index = self.index
            if index is not None and distinct:
                index.add(distinct, replace=True)
            elif distinct:
                self._index = PassageIndex.build(
                    distinct, self.directory, chunking=self._chunking, **self._models
                )
        return [each.id for each in passages]

    def delete(self, ids: Iterable[str]) -> int:
        """Delete passages, and documents with all chunks; skip unknown ids; return how many."""
        names = list(dict.fromkeys(ids))
        with self._lock:
            while (index := self.index) is not None and names:
                try:
                    report = index.delete(names, ignore_missing=True)
                    return int(report.details["passages_removed"])
                except EmptyCorpus:
                    with write_artifact(self.directory) as publication:
                        index.reopen()
                        rows = {row for name in names for row in index.snapshot.rows_named(name)}
                        if len(rows) == len(index):  # it gained no other passage meanwhile
                            publication.withdraw()
                            return len(rows)
        return 0

    def clear(self) -> None:
        """Delete everything."""
        self.delete(each.id for each in self.passages())

    def get(self, ids: Iterable[str]) -> list[Passage]:
        """The passages of these ids, in their order, without unknown ids."""
        index = self.index
        return [] if index is None else [index[name] for name in ids if name in index]

    def passages(self, filter: Mapping[str, Any] | None = None) -> list[Passage]:
        """All passages that match a filter, in the order in which they were added."""
        index = self.index
        if index is None:
            return []
        snapshot = index.snapshot
        rows = snapshot.mask(Selection(filter)).nonzero()[0].tolist()
        return [snapshot.corpus[row] for row in rows]

    def retrieve(self, question: str, k: int, *request: Request, **fields: Any) -> Hits:
        """The result of `PassageIndex.retrieve`; no hits without an index."""
        index = self.index
        return Hits() if index is None else index.retrieve(question, k, *request, **fields)

    async def aretrieve(self, question: str, k: int, *request: Request, **fields: Any) -> Hits:
        """Run `retrieve` in a thread, for callers with an event loop."""
        return await asyncio.to_thread(self.retrieve, question, k, *request, **fields)


def passage(
    identifier: str | None,
    text: str,
    metadata: Mapping[str, Any],
    document: str = "",
    position: int = 0,
) -> Passage:
    """Make a passage; a string `title` in the metadata is its title.

    Without an identifier, the id follows from text and metadata, so the same text replaces itself
    when it is written again.
    """
    title = metadata.get("title")
    record = {
        "id": identifier or "?",
        "text": text,
        "title": title if isinstance(title, str) else "",
        "metadata": dict(metadata),
        "document": document,
        "position": position,
    }
    result = as_passage(record, f"document {identifier!r}")
    digest = hashlib.sha256(canonical_json([result.text, result.metadata])).hexdigest()
    return result if identifier else replace(result, id=digest[:32])


OPERATORS = SIGNS | {"in": "in", "nin": "nin", "not in": "nin", "any": "in", "contains": "eq"}
"""Operators of the frameworks, and the operators of a filter that do the same."""


def condition(key: str, operator: str, value: Any) -> dict[str, Any]:
    """A framework's condition on a key as a filter; None means that the key is missing.

    Raises:
        InvalidFilter: the operator is unknown, or its value is not what it takes.
    """
    own = OPERATORS.get(operator)
    if own is None:
        raise InvalidFilter(f"operator is {operator!r}, wanted one of {', '.join(OPERATORS)}")
    if own in ("in", "nin") and not isinstance(value, list):
        raise InvalidFilter(f"{operator!r} has {value!r}, wanted a list")
    if value is None:  # no value is more or less than a missing one
        return {key: {"in": []} if own not in ("eq", "ne") else {"exists": own == "ne"}}
    return {key: {own: value}}


RESERVED = (
    "title", "score", "components", "path", "method", "document", "position", "match", "copies",
    "source", "trail",
)  # fmt: skip
"""Keys of metadata that a hit fills."""
_FOR_MODELS = ("title", "source", "trail")
HIDDEN_FROM_LLM = (
    *(key for key in RESERVED if key not in _FOR_MODELS),
    "passage_path", "folder", "suffix", "modified", "size", "heading",
)  # fmt: skip
"""Keys that are of no use to a language model or an embedding."""


def questions_of(history: Any) -> Any:
    """The questions of a chat history: strings, or a framework's messages by its user."""
    questions = []
    for each in [history] if isinstance(history, str) else history:
        role = getattr(each, "role", getattr(each, "type", "user"))
        if getattr(role, "value", role) in ("user", "human"):
            questions.append(getattr(each, "content", None) or getattr(each, "text", each))
    return questions


def opened(index: PassageIndex | str | os.PathLike[str]) -> PassageIndex:
    """Open the index of a directory, without a model; an opened index is returned."""
    return index if isinstance(index, PassageIndex) else PassageIndex.open(index)


def request_and_rest(
    options: Mapping[str, Any], others: Iterable[str]
) -> tuple[Request, dict[str, Any]]:
    """Split options into a request (fields by name, perhaps a `request`) and those of `others`."""
    values = checked(options, others)
    rest = {name: values.pop(name) for name in others if name in values}
    base: Request = values.pop("request", None) or Request()
    return base.with_fields(**values), rest


def checked(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The options, a history as questions.

    Raises `InvalidParameter` for one that is neither in `names` nor a field of `Request`.
    """
    check_names(options, [*names, "request", *(each.name for each in fields(Request))])
    history = {"history": questions_of(options["history"])} if "history" in options else {}
    return {**options, **history}


def metadata_of(hit: Hit) -> dict[str, Any]:
    """Join a passage's metadata with the values of the hit, as plain JSON values.

    Chains that cite read `source` (the file or address of the passage, else its document or id),
    `page`, and `trail`, the headings above it. A key of the passage that is one of `RESERVED` is
    renamed `passage_<key>`, unless the hit has the same value under that key.
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
