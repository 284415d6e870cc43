"""Answers questions with a passage index, for the HTTP service and the MCP server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from graphagg import kernels
from graphagg.arrays import Mask
from graphagg.errors import (
    Forbidden,
    GraphAggError,
    InvalidFilter,
    InvalidParameter,
    NoSuchIndex,
    PartUnavailable,
)
from graphagg.rag import PassageIndex, PassageParts
from graphagg.rag.config.modes import MODES
from graphagg.rag.documents.value_types import ValueType
from graphagg.rag.models.by_name import IndexModels, check_installed
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.protocol import EncodedQuestion, Retriever
from graphagg.rag.operations.answering import answer, retriever_for
from graphagg.rag.parts.client import PartAddress
from graphagg.rag.parts.remote import RemotePart
from graphagg.rag.parts.served import PartObjects
from graphagg.rag.parts.snapshot import JoinedSnapshot
from graphagg.rag.question.excerpts import NEIGHBORS, tokens_of
from graphagg.rag.question.request import Request, Selection, check_request
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.limits import MOST_HITS, MOST_TEXT
from graphagg.serve.models.passages import FacetsRequest, SearchRequest
from graphagg.serve.reload import ReloadingIndex
from graphagg.serve.rights import CURRENT
from graphagg.serve.shared import SharedResources
from graphagg.store import Artifact, open_artifact

Answer = dict[str, Any]
R = TypeVar("R")
_log = logging.getLogger("graphagg.serve")

_MOST_VALUES = 100  # a key with more distinct values has no counts by value
_FIRST_QUESTION = "Which river flows through the city where Marie Curie was born?"


class Passages(ReloadingIndex[PassageIndex | PassageParts]):
    """A passage index, or several parts that answer as one; answers many questions at once.

    A question takes three steps: a pool thread computes its scope, the encoder thread encodes it,
    and a pool thread answers it.

    Answers, descriptions and errors read passages only through `visible` and `ask`, which show only
    the passages that the token of the request may see. With `eager`, the encoder is loaded when a
    version is opened; this is for indices that are opened and closed often.
    """

    def __init__(
        self,
        directory: PathLike[str],
        shared: SharedResources,
        *parts: PathLike[str],
        eager: bool = False,
    ) -> None:
        self._shared, self._pool, self._eager = shared, shared.pool, eager
        self._prepared, self.objects = False, PartObjects()
        super().__init__(directory, self._open_version, *parts)

    def _open_version(self, *directories: PathLike[str]) -> PassageIndex | PassageParts:
        """Open a version that is ready to answer; use models that are already loaded."""
        with ExitStack() as opened:  # on an error, closes the indices opened so far
            indices = list[PassageIndex | RemotePart]()
            for each in directories:
                indices.append(self._open_index(each))
                opened.callback(indices[-1].close)
            first = indices[0]
            is_one = len(indices) == 1 and isinstance(first, PassageIndex)
            ready: Any = first if is_one else PassageParts(indices)
            ready.retriever()  # computes the view of all passages
            if self._prepared:  # load its models before questions use this version
                self._check_models(ready.snapshot)
                ready.snapshot.models.encoder()
            opened.pop_all()
        return cast("PassageIndex | PassageParts", ready)

    def _open_index(self, directory: PathLike[str] | PartAddress) -> PassageIndex | RemotePart:
        if isinstance(directory, PartAddress):
            return RemotePart(directory, lambda part: IndexModels(part, *self._models_of(part)))
        with self._shared.loading:
            artifact = open_artifact(directory, kind=PassageIndex.KIND)
            opened = PassageIndex(artifact, *self._models_of(artifact))
            if self._eager:
                opened.models.encoder()
                self._shared.keep(*opened.models.loaded())
        return opened

    def about_part(self) -> Answer:
        """Return the manifest and this process's id, for a coordinator of several parts."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            raise InvalidParameter("a part is served by one process; start it without --workers")
        with self._lease() as index:
            snapshot = index.snapshot
            if isinstance(snapshot, JoinedSnapshot):
                raise InvalidParameter("this service has several parts; use a service of one index")
            self.objects.open(snapshot)
            manifest = snapshot.artifact.manifest.to_json()
            return {"instance": self.objects.instance, "manifest": manifest}

    def file_of_part(self, version: str, name: str) -> Path:
        """Return the path of a file of the served version."""
        with self._lease() as index:
            if version != index.manifest.data:
                raise NoSuchIndex(f"this service has no version {version!r}; open the part again")
            return index.snapshot.artifact.path(name)

    @property
    def has_parts(self) -> bool:
        """Whether several parts answer as one index."""
        first, *further = self._places
        return bool(further) or isinstance(first.location, PartAddress)

    def _models_of(self, artifact: Artifact) -> tuple[Encoder | None, EntityExtractor | None]:
        """Return the models of a version that are already loaded."""
        models = artifact.manifest.models
        return (
            self._shared.encoders.get(models["encoder"]["sha256"]),
            self._shared.extractors.get(models["extractor"]["sha256"]),
        )

    def check_models(self) -> None:
        """Check that the files of all models exist; raises `MissingExtra`, `MissingModel`."""
        with self._lease() as index:
            self._check_models(index.snapshot)

    def prepare(self) -> None:
        """Load the models except the extractor of `linearrag`, and answer a question.

        Versions that are published later are served only after their models are loaded.
        """
        with self._lease() as index:
            index.snapshot.models.encoder()
            self._shared.keep(*index.snapshot.models.loaded())
            if len(index) > kernels.Kernel.small_rows:
                kernels.load()
            index.retrieve(_FIRST_QUESTION, 1)
        self._prepared = True

    @staticmethod
    def _check_models(snapshot: PassageSnapshot) -> None:
        loaded = dict(zip(("encoder", "extractor"), snapshot.models.loaded(), strict=True))
        recorded = snapshot.artifact.manifest.models
        check_installed({role: recorded[role] for role, model in loaded.items() if model is None})

    @asynccontextmanager
    async def visible(self) -> AsyncIterator[PassageSnapshot]:
        """Yield the served version restricted to visible passages, open until the block ends."""
        filter = CURRENT.get().filter
        with self._lease() as index:
            snapshot: PassageSnapshot = index.snapshot
            try:
                if (missing := sorted(self._missing)) and isinstance(snapshot, JoinedSnapshot):
                    if len(missing) == len(self._places):
                        raise PartUnavailable(", ".join(missing), "no part answers")
                    snapshot = await self._pool.run(snapshot.without, missing)
                if filter is not None:
                    snapshot = await self._pool.run(_restricted, snapshot, filter)
                yield snapshot
            except GraphAggError:
                raise
            except Exception as error:
                await asyncio.to_thread(index.snapshot.artifact.raise_damage, error)
                raise

    async def ask(self, call: Callable[[PassageSnapshot], R]) -> R:
        """Call a function on the visible passages in a thread."""

        async def attempt() -> R:
            async with self.visible() as snapshot:
                return await self._pool.run(call, snapshot)

        return await self._without_missing(attempt)

    def refresh(self) -> bool:
        """Switch to the published version; record which parts do not answer."""
        is_new = super().refresh()
        for place in self._places:
            if isinstance(place.location, PartAddress):
                is_missing = place.location.url in self._missing
                self._shared.metrics.part_missing.labels(place.location.url).set(is_missing)
        return is_new

    async def _without_missing(self, attempt: Callable[[], Awaitable[R]]) -> R:
        """Run `attempt`; leave out parts that do not answer until a `refresh` finds them again."""
        for _ in self._places:
            try:
                return await attempt()
            except PartUnavailable as error:
                self._missing.add(error.part)
                self._is_lost |= error.is_lost
                _log.warning("a part is left out: %s", error)
        return await attempt()

    async def info(self) -> Answer:
        """Return counts, modes, metadata keys and models."""
        async with self.visible() as snapshot:
            manifest = snapshot.artifact.manifest
            counts = {"passages": len(snapshot)} if snapshot.is_restricted else manifest.counts
            return {
                "version": manifest.data,
                "counts": dict(counts),
                "modes": [mode for mode in MODES if mode != "linearrag" or not self.has_parts],
                "metadata": dict(snapshot.schema),
                "models": {role: model["name"] for role, model in manifest.models.items()},
            }

    async def search(self, search: SearchRequest) -> Answer:
        """Return the hits for a question with their confidence; count the answer in the metrics."""
        answer = await self.found(search)
        if not search.offset:
            self._shared.note(answer)
        return answer

    async def found(self, search: SearchRequest) -> Answer:
        """Return the hits for a question with their confidence, and the mode and version."""
        return await self._without_missing(partial(self._found, search))

    async def _found(self, search: SearchRequest) -> Answer:
        request = search.request(neighbors=NEIGHBORS)
        check_request([search.question], search.ranked)
        if search.offset and request.max_tokens is not None:
            raise InvalidParameter("offset and max_tokens cannot be combined; give only one")
        async with self.visible() as snapshot:
            retriever = await self._retriever(snapshot, request)
            encode = partial(self._encode, retriever, request)
            readings = await asyncio.gather(*map(encode, request.readings(search.question)))
            hits = await self._pool.run(
                answer, retriever, readings, search.ranked, request, begun=True
            )
            characters = min(search.characters, MOST_TEXT // search.k)
            if request.max_tokens is not None:
                characters = MOST_TEXT
        found = [hit.to_json(characters) for hit in hits[search.offset :]]
        return {
            "hits": found,
            "confidence": hits.confidence,
            "tokens": sum(tokens_of(hit["text"]) for hit in found),
            "mode": request.mode,
            "version": snapshot.artifact.manifest.data,
            **({"partial": True, "missing": list(snapshot.missing)} if snapshot.missing else {}),
        }

    async def _retriever(self, snapshot: PassageSnapshot, request: Request) -> Retriever:
        """Return the retriever of a request."""
        if not request.selection.is_all:
            return await self._pool.run(retriever_for, snapshot, request)
        self._pool.check()  # the view of all passages exists; a thread would take longer
        return retriever_for(snapshot, request)

    async def _encode(
        self, retriever: Retriever, request: Request, question: str
    ) -> EncodedQuestion:
        scope = CURRENT.get().filter, vars(request.selection), retriever.snapshot.missing
        encoded = await self._shared.question_encoder.encode(retriever, scope, question)
        self._shared.keep(*retriever.snapshot.models.loaded())
        return encoded

    async def facets(self, request: FacetsRequest) -> Answer:
        """Count the metadata of the visible passages, or of the first hits for a question."""
        selection = request.request().selection
        if request.question is not None:
            first = SearchRequest(**request.model_dump(), k=MOST_HITS, characters=1)
            hits = (await self.found(first))["hits"]
            selection = Selection(include=tuple(hit["id"] for hit in hits))

        def answer(snapshot: PassageSnapshot) -> Answer:
            visible = snapshot.mask(selection)
            return {"passages": int(visible.sum()), "keys": _facets(snapshot, visible)}

        return await self.ask(answer)


def _restricted(snapshot: PassageSnapshot, filter: Mapping[str, Any]) -> PassageSnapshot:
    """Return the snapshot restricted to the passages that match a token's filter."""
    try:
        part = snapshot.restricted(filter)
    except InvalidFilter as error:
        _log.error("the filter of a token does not fit the index: %s", error)
        raise Forbidden("the filter of this token does not fit this index; correct it") from None
    _ = part.schema  # computed here rather than in the event loop
    return part


def _facets(snapshot: PassageSnapshot, visible: Mask) -> dict[str, dict[str, Any]]:
    """Count the metadata of the passages of a mask `[R]`: `type`, `passages`, `values` by key.

    `values` lists each value with its number of passages, the most frequent first. It is None for
    a key with many values.
    """
    segments = snapshot.by_table(visible)
    keys: dict[str, dict[str, Any]] = {}
    for key, kind in snapshot.schema.items():
        passages = sum(int((table.rows_with(key) & rows).sum()) for table, rows in segments)
        if passages:
            values = _count_values(snapshot, visible, key, kind)
            keys[key] = {"type": kind, "passages": passages, "values": values}
    return keys


def _count_values(
    snapshot: PassageSnapshot, visible: Mask, key: str, kind: ValueType
) -> list[dict[str, Any]] | None:
    counts: Counter[Any] = Counter()
    for table, rows in snapshot.by_table(visible):
        own_kind = table.kind_of(key, kind)
        if own_kind is not None:
            passages = table.occurrences(key, own_kind, rows)
            present = np.flatnonzero(passages)
            if len(present) > _MOST_VALUES:
                return None
            values = table.distinct(key, own_kind)[present].tolist()
            counts.update(dict(zip(values, passages[present].tolist(), strict=True)))
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    few = len(ranked) <= _MOST_VALUES
    return [{"value": value, "passages": n} for value, n in ranked] if few else None
