"""A Haystack retriever, and a document store that `DocumentWriter` writes to.

from graphagg.rag.adapters.haystack import HaystackDocumentStore, HaystackRetriever
store = HaystackDocumentStore("idx")
DocumentWriter(store).run(documents=documents)
pipeline.add_component("retriever", HaystackRetriever(store, top_k=5))
pipeline.run({"retriever": {"query": "Where was the wife of Francis I buried?"}})
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from graphagg.errors import InvalidFilter, needs
from graphagg.rag.adapters.writable import (
    WritableIndex,
    checked,
    condition,
    metadata_of,
    opened,
    passage,
)
from graphagg.rag.documents.passages import Passage
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit

with needs("haystack-ai", "haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy
    from haystack.errors import FilterError

Filters = dict[str, Any] | None
History = list[Any] | None


@component
class HaystackRetriever:
    """Passages as Haystack documents, best first.

    A document's `meta` holds the passage's own metadata and `title`, `components`, `path` and
    `method`. The index is opened by `warm_up`, or by the first run; a component can be saved
    with its pipeline, and loaded where this module is allowed:
    `Pipeline.loads(text, allowed_modules=["graphagg.rag.adapters.haystack"])`.

    Args:
        index: an opened index, the directory of one, or a `HaystackDocumentStore`, whose
            changes it sees.
        top_k: number of documents.
        filters: conditions on metadata: as `PassageIndex.retrieve` takes them, or in Haystack's
            form of `field`, `operator` and `value`.
        fields: other fields of `Request` by name, such as `mode="bm25"`. A component that is saved
            takes plain values alone.
    """

    def __init__(
        self,
        index: PassageIndex | HaystackDocumentStore | str | os.PathLike[str],
        top_k: int = 5,
        filters: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        self._where = index
        self._index: PassageIndex | WritableIndex | None = None
        self.top_k, self.filters = top_k, filters
        self.fields = checked(fields, ("top_k", "filters"))
        Request().with_fields(**fields)  # raises for what it does not take

    def warm_up(self) -> None:
        """Open the index; no model is loaded."""
        if self._index is None:
            where = self._where
            self._index = where.store if isinstance(where, HaystackDocumentStore) else opened(where)

    def to_dict(self) -> dict[str, Any]:
        """The component in a saved pipeline: the location of the index, and the options."""
        where = self._where
        if isinstance(where, PassageIndex):
            where = where.directory
        index = where.to_dict() if isinstance(where, HaystackDocumentStore) else os.fspath(where)
        options = {"top_k": self.top_k, "filters": self.filters, **self.fields}
        return default_to_dict(self, index=index, **options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HaystackRetriever:
        """The component of a saved pipeline."""
        index = data["init_parameters"].get("index")
        if isinstance(index, Mapping):
            store = HaystackDocumentStore.from_dict(dict(index))
            data = {**data, "init_parameters": {**data["init_parameters"], "index": store}}
        retriever: HaystackRetriever = default_from_dict(cls, data)
        return retriever

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: Filters = None, top_k: int | None = None, history: History = None
    ) -> dict[str, list[Document]]:
        """Retrieve the documents for a query; other arguments replace the component's own.

        `history` holds earlier questions, newest last, or the messages of a chat.
        """
        return _documents(self._ready().retrieve(query, **self._options(filters, top_k, history)))

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: Filters = None, top_k: int | None = None, history: History = None
    ) -> dict[str, list[Document]]:
        """`run` for pipelines with an event loop."""
        options = self._options(filters, top_k, history)
        return _documents(await self._ready().aretrieve(query, **options))

    def _ready(self) -> PassageIndex | WritableIndex:
        self.warm_up()
        assert self._index is not None
        return self._index

    def _options(self, filters: Filters, top_k: int | None, history: History) -> dict[str, Any]:
        conditions = self.filters if filters is None else filters
        options = {
            **self.fields,
            **({} if history is None else {"history": history}),
            "k": self.top_k if top_k is None else top_k,
            "filter": None if conditions is None else own_filter(conditions),
        }
        return checked(options, ("k",))


def _documents(hits: Sequence[Hit]) -> dict[str, list[Document]]:
    return {"documents": [_document(hit) for hit in hits]}


def _document(hit: Hit) -> Document:
    meta = metadata_of(hit)
    del meta["score"]  # a document has a field of its own
    return Document(id=hit.passage.id, content=hit.passage.text, meta=meta, score=hit.score)


class HaystackDocumentStore:
    """A passage index as a Haystack document store, for `DocumentWriter` and `HaystackRetriever`.

    A document becomes the passage of its id: its content the text, its meta the metadata, a `title`
    in it the title too; `source_id` and `split_id`, as splitters write them, make it a chunk. The
    index has its own encoder, and ignores embeddings. Every call of `write_documents` is
    one new version of the index.

    Args:
        directory: of the index, which need not exist yet.
        options: `encoder`, `extractor` and `chunking` of `WritableIndex`. A store of a saved
            pipeline has the default ones.
    """

    def __init__(self, directory: str | os.PathLike[str], **options: Any) -> None:
        self.store = WritableIndex(directory, **options)

    def to_dict(self) -> dict[str, Any]:
        """The store in a saved pipeline: the location of the index."""
        return default_to_dict(self, directory=os.fspath(self.store.directory))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HaystackDocumentStore:
        """The store of a saved pipeline."""
        store: HaystackDocumentStore = default_from_dict(cls, data)
        return store

    def count_documents(self) -> int:
        """Count the documents."""
        return len(self.store)

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """The documents that match, in the order in which they were written.

        Raises:
            FilterError: the filter is invalid.
        """
        try:
            passages = self.store.passages(own_filter(filters) if filters else None)
        except (InvalidFilter, KeyError) as error:
            raise FilterError(str(error)) from error
        return [Document(id=p.id, content=p.text, meta=dict(p.metadata)) for p in passages]

    def write_documents(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Write documents, all or none; returns their number.

        Args:
            documents: with content.
            policy: for ids that are stored already: `OVERWRITE`, `SKIP`, or `FAIL` (also `NONE`).

        Raises:
            ValueError: they are no documents.
            DuplicateDocumentError: an id is stored already, under `FAIL`.
            GraphAggError: see `PassageIndex.add`.
        """
        if not isinstance(documents, list) or not all(isinstance(d, Document) for d in documents):
            raise ValueError("documents must be a list of haystack.Document")
        stored = {p.id for p in self.store.get([d.id for d in documents])}
        new: dict[str, Document] = {}
        for document in documents:
            is_known = document.id in stored or document.id in new
            if is_known and policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
                raise DuplicateDocumentError(f"document {document.id!r} is there; nothing written")
            if not (is_known and policy == DuplicatePolicy.SKIP):
                new[document.id] = document
        return len(self.store.write([_passage(document) for document in new.values()]))

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by their ids; unknown ids are skipped."""
        self.store.delete(document_ids)


def _passage(document: Document) -> Passage:
    meta = document.meta
    source, position = meta.get("source_id"), meta.get("split_id")
    chunk = isinstance(source, str) and isinstance(position, int) and position >= 0
    where = (str(source), int(position or 0)) if chunk else ("", 0)
    return passage(document.id, document.content or "", meta, *where)


def own_filter(filters: dict[str, Any]) -> dict[str, Any]:
    """A filter in Haystack's form as one of this library, which is also accepted unchanged.

    Raises:
        InvalidFilter: an operator is unknown, or its value is not what it takes.
    """
    if set(filters) == {"operator", "conditions"}:
        joined = [own_filter(condition) for condition in filters["conditions"]]
        operator = str(filters["operator"]).upper()
        if operator == "NOT":
            return {"not": {"and": joined}}
        if operator not in ("AND", "OR"):
            raise InvalidFilter(f"operator is {filters['operator']!r}, wanted AND, OR or NOT")
        return {operator.lower(): joined}
    if set(filters) == {"field", "operator", "value"}:
        key = str(filters["field"]).removeprefix("meta.")
        return condition(key, str(filters["operator"]), filters["value"])
    return filters
