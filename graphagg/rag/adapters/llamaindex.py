"""A LlamaIndex retriever.

from graphagg.rag.adapters.llamaindex import GraphAggRetriever
retriever = GraphAggRetriever("idx", k=5, filter={"lang": "en"})
nodes = retriever.retrieve("Where was the wife of Francis I buried?")
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.adapters.shared import QUIET, metadata_of, opened
from graphagg.rag.index import PassageIndex
from graphagg.rag.results import Hit
from graphagg.rag.settings import Mode

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError:
    raise MissingExtra("llama-index-core", "llamaindex") from None


class GraphAggRetriever(BaseRetriever):
    """Passages as LlamaIndex nodes with scores, best first.

    A node's metadata holds the passage's own and `title`, `score`, `components`, `path` and
    `method`; all but the title and the passage's own are kept out of prompts and embeddings.

    Args:
        index: an opened index, or the directory of one.
        k: how many nodes.
        mode: `best`, `faithful`, `dense` or `bm25`.
        filter: conditions on metadata, as `PassageIndex.retrieve` takes them.
        min_score: leave out nodes that score less.
        options: of LlamaIndex's `BaseRetriever`, such as `callback_manager`.
    """

    def __init__(
        self,
        index: PassageIndex | str | os.PathLike[str],
        *,
        k: int = 5,
        mode: Mode = "best",
        filter: Mapping[str, Any] | None = None,
        min_score: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._index = opened(index)
        self._asked: dict[str, Any] = {
            "k": k, "mode": mode, "filter": filter, "min_score": min_score,
        }  # fmt: skip

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._index.retrieve(query_bundle.query_str, **self._asked))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._index.aretrieve(query_bundle.query_str, **self._asked))


def _nodes(hits: Sequence[Hit]) -> list[NodeWithScore]:
    return [NodeWithScore(node=_node(hit), score=hit.score) for hit in hits]


def _node(hit: Hit) -> TextNode:
    metadata = metadata_of(hit)
    quiet = [key for key in QUIET if key in metadata]
    return TextNode(
        id_=hit.passage.id,
        text=hit.passage.text,
        metadata=metadata,
        excluded_llm_metadata_keys=quiet,
        excluded_embed_metadata_keys=quiet,
    )
