"""A LangChain retriever.

from graphagg.rag.adapters.langchain import GraphAggRetriever
retriever = GraphAggRetriever(index="idx", k=5, filter={"lang": "en"})
documents = retriever.invoke("Where was the wife of Francis I buried?")
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, field_validator

from graphagg.errors import MissingExtra
from graphagg.rag.adapters.shared import metadata_of, opened
from graphagg.rag.index import PassageIndex
from graphagg.rag.results import Hit
from graphagg.rag.settings import Mode

try:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError:
    raise MissingExtra("langchain-core", "langchain") from None


class GraphAggRetriever(BaseRetriever):
    """Passages as LangChain documents, best first.

    Attributes:
        index: an opened index, or the directory of one.
        k: how many documents.
        mode: `best`, `faithful`, `dense` or `bm25`.
        filter: conditions on metadata, as `PassageIndex.retrieve` takes them.
        min_score: leave out documents that score less.

    A document's metadata holds the passage's own and `title`, `score`, `components`, `path` and
    `method`. Every attribute can be given for one call: `retriever.invoke(question, k=3)`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: Any = Field(exclude=True)
    k: int = Field(default=5, ge=1)
    mode: Mode = "best"
    filter: dict[str, Any] | None = None
    min_score: float | None = None

    @field_validator("index")
    @classmethod
    def _open(cls, index: Any) -> PassageIndex:
        return opened(index)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        return [_document(hit) for hit in self.index.retrieve(query, **self._options(options))]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        hits = await self.index.aretrieve(query, **self._options(options))
        return [_document(hit) for hit in hits]

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        own = {"k": self.k, "mode": self.mode, "filter": self.filter, "min_score": self.min_score}
        return own | given


def _document(hit: Hit) -> Document:
    return Document(id=hit.passage.id, page_content=hit.passage.text, metadata=metadata_of(hit))
