"""A Haystack component.

from graphagg.rag.adapters.haystack import GraphAggRetriever
pipeline.add_component("retriever", GraphAggRetriever("idx", top_k=5))
pipeline.run({"retriever": {"query": "Where was the wife of Francis I buried?"}})
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.adapters.shared import metadata_of, opened
from graphagg.rag.index import PassageIndex
from graphagg.rag.results import Hit
from graphagg.rag.settings import Mode

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError:
    raise MissingExtra("haystack-ai", "haystack") from None


@component
class GraphAggRetriever:
    """Passages as Haystack documents, best first.

    A document's `meta` holds the passage's own metadata and `title`, `components`, `path` and
    `method`. The index is opened by `warm_up`, or by the first run; a component can be saved
    with its pipeline, and loaded where this module is allowed:
    `Pipeline.loads(text, allowed_modules=["graphagg.rag.adapters.haystack"])`.

    Args:
        index: an opened index, or the directory of one.
        top_k: how many documents.
        mode: `best`, `faithful`, `dense` or `bm25`.
        filters: conditions on metadata: as `PassageIndex.retrieve` takes them, or in Haystack's
            form of `field`, `operator` and `value`.
        min_score: leave out documents that score less.
    """

    def __init__(
        self,
        index: PassageIndex | str | os.PathLike[str],
        top_k: int = 5,
        mode: Mode = "best",
        filters: dict[str, Any] | None = None,
        min_score: float | None = None,
    ) -> None:
        self._where = index
        self._index: PassageIndex | None = None
        self.top_k, self.mode, self.filters = top_k, mode, filters
        self.min_score = min_score

    def warm_up(self) -> None:
        """Open the index; no model is loaded."""
        if self._index is None:
            self._index = opened(self._where)

    def to_dict(self) -> dict[str, Any]:
        """The component as part of a saved pipeline: where the index lies, and the options."""
        where = self._where
        if isinstance(where, PassageIndex):
            where = where.directory
        return default_to_dict(
            self, index=os.fspath(where), top_k=self.top_k, mode=self.mode, filters=self.filters,
            min_score=self.min_score,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GraphAggRetriever:
        """The component of a saved pipeline."""
        made: GraphAggRetriever = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Retrieve the documents for a query; `filters` and `top_k` replace the component's."""
        return _documents(self._ready().retrieve(query, **self._options(filters, top_k)))

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """`run` for pipelines with an event loop."""
        return _documents(await self._ready().aretrieve(query, **self._options(filters, top_k)))

    def _ready(self) -> PassageIndex:
        self.warm_up()
        assert self._index is not None
        return self._index

    def _options(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        wanted = self.filters if filters is None else filters
        return {
            "k": self.top_k if top_k is None else top_k,
            "mode": self.mode,
            "filter": None if wanted is None else own_filter(wanted),
            "min_score": self.min_score,
        }


def _documents(hits: Sequence[Hit]) -> dict[str, list[Document]]:
    return {"documents": [_document(hit) for hit in hits]}


def _document(hit: Hit) -> Document:
    meta = metadata_of(hit)
    del meta["score"]  # a document has a field of its own
    return Document(id=hit.passage.id, content=hit.passage.text, meta=meta, score=hit.score)


_OPERATORS = {
    "==": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "in": "in",
    "not in": "nin",
}


def own_filter(filters: dict[str, Any]) -> dict[str, Any]:
    """A filter in Haystack's form as one of this library; one of this library stays as it is.

    Raises:
        InvalidFilter: an operator is unknown.
    """
    from graphagg.errors import InvalidFilter

    if set(filters) == {"operator", "conditions"}:
        joined = [own_filter(condition) for condition in filters["conditions"]]
        operator = str(filters["operator"]).upper()
        if operator == "NOT":
            return {"not": {"and": joined}}
        if operator not in ("AND", "OR"):
            raise InvalidFilter(f"operator is {filters['operator']!r}, wanted AND, OR or NOT")
        return {operator.lower(): joined}
    if set(filters) == {"field", "operator", "value"}:
        operator = str(filters["operator"])
        if operator not in _OPERATORS:
            known = ", ".join(_OPERATORS)
            raise InvalidFilter(f"operator is {operator!r}, wanted one of {known}")
        field = str(filters["field"]).removeprefix("meta.")
        return {field: {_OPERATORS[operator]: filters["value"]}}
    return filters
