"""A LlamaIndex retriever.

from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever
retriever = LlamaIndexRetriever("idx", k=5, filter={"lang": "en"})
nodes = retriever.retrieve("Where was the wife of Francis I buried?")
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from graphagg.errors import InvalidParameter, needs
from graphagg.rag.adapters.conversion import (
    HIDDEN_FROM_LLM,
    condition,
    metadata_of,
    old_names,
    opened,
    request_and_rest,
)
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.results import Hit

with needs("llama-index-core", "llamaindex"):
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.core.vector_stores.types import FilterCondition, MetadataFilters


class LlamaIndexRetriever(BaseRetriever):
    """Passages as LlamaIndex nodes with scores, best first.

    A node's metadata contains that of the passage, and `title`, `score`, `components`, `path` and
    `method`; the keys in `HIDDEN_FROM_LLM` are excluded from prompts and embeddings.

    Args:
        index: an open index, or the directory of one.
        k: number of nodes.
        filters: conditions on metadata in LlamaIndex's format, instead of `filter`; `TEXT_MATCH`
            is not supported, and `IS_EMPTY` matches passages without the key.
        options: fields of `Request`, such as `mode="bm25"`, or a `request`; and options of
            LlamaIndex's `BaseRetriever`, such as `callback_manager`.
    """

    def __init__(
        self,
        index: PassageIndex | str | os.PathLike[str],
        *,
        k: int = 5,
        filters: MetadataFilters | None = None,
        **options: Any,
    ) -> None:
        if filters is not None:
            if options.get("filter") is not None:
                raise InvalidParameter("both `filter` and `filters` are given; give only one")
            options["filter"] = own_filter(filters)
        own = "callback_manager", "object_map", "objects", "verbose"
        self._request, rest = request_and_rest(options, own)
        super().__init__(**rest)
        self._index = opened(index)
        self._k = k

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._index.retrieve(query_bundle.query_str, self._k, self._request))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._index.aretrieve(query_bundle.query_str, self._k, self._request))


def own_filter(filters: MetadataFilters) -> dict[str, Any]:
    """Convert LlamaIndex's conditions on metadata to a filter of this library.

    Raises:
        InvalidFilter: an operator has no equivalent, or does not take its value.
    """
    parts: list[dict[str, Any]] = []
    for each in filters.filters:
        if isinstance(each, MetadataFilters):
            parts.append(own_filter(each))
        elif each.operator.value == "is_empty":
            parts.append({each.key: {"exists": False}})
        elif each.operator.value == "all" and isinstance(each.value, list):
            parts.append({"and": [{each.key: value} for value in each.value]})
        else:
            parts.append(condition(each.key, each.operator.value, each.value))
    if filters.condition == FilterCondition.NOT:  # none of them
        return {"not": {"or": parts}} if parts else {}
    return {filters.condition.value if filters.condition and parts else "and": parts}


def _nodes(hits: Sequence[Hit]) -> list[NodeWithScore]:
    nodes = []
    for hit in hits:
        metadata = metadata_of(hit)
        hidden = [key for key in HIDDEN_FROM_LLM if key in metadata]
        node = TextNode(
            id_=hit.passage.id,
            text=hit.text,
            metadata=metadata,
            excluded_llm_metadata_keys=hidden,
            excluded_embed_metadata_keys=hidden,
        )
        nodes.append(NodeWithScore(node=node, score=hit.score))
    return nodes


__getattr__ = old_names(__name__, "LlamaIndexRetriever", "GraphAggStore", "LlamaIndexStore")
