"""A Haystack retriever.

from graphagg.rag.adapters.haystack import HaystackRetriever
pipeline.add_component("retriever", HaystackRetriever("idx", top_k=5))
pipeline.run({"retriever": {"query": "Where was the wife of Francis I buried?"}})
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from graphagg.errors import InvalidFilter, needs
from graphagg.rag.adapters.conversion import checked, condition, metadata_of, old_names, opened
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit

with needs("haystack-ai", "haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict

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
        index: an opened index, or the directory of one.
        top_k: number of documents.
        filters: conditions on metadata: as `PassageIndex.retrieve` takes them, or in Haystack's
            form of `field`, `operator` and `value`.
        fields: other fields of `Request` by name, such as `mode="bm25"`. A component that is saved
            takes plain values alone.
    """

    def __init__(
        self,
        index: PassageIndex | str | os.PathLike[str],
        top_k: int = 5,
        filters: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        self._where = self._index = index
        self.top_k, self.filters = top_k, filters
        self.fields = checked(fields, ("top_k", "filters"))
        Request().with_fields(**fields)  # raises for what it does not take

    def warm_up(self) -> None:
        """Open the index; no model is loaded."""
        self._ready()

    def to_dict(self) -> dict[str, Any]:
        """The component in a saved pipeline: the location of the index, and the options."""
        where = self._where
        if isinstance(where, PassageIndex):
            where = where.directory
        options = {"top_k": self.top_k, "filters": self.filters, **self.fields}
        return default_to_dict(self, index=os.fspath(where), **options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HaystackRetriever:
        """The component of a saved pipeline."""
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

    def _ready(self) -> PassageIndex:
        self._index = index = opened(self._index)
        return index

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
    return Document(id=hit.passage.id, content=hit.text, meta=meta, score=hit.score)


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


__getattr__ = old_names(
    __name__, "HaystackRetriever", "GraphAggDocumentStore", "HaystackDocumentStore"
)
