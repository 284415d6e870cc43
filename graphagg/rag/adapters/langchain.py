"""A LangChain retriever.

from graphagg.rag.adapters.langchain import LangChainRetriever
retriever = LangChainRetriever(index="idx", k=5, filter={"lang": "en"})
documents = retriever.invoke("Where was the wife of Francis I buried?")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Unpack

from pydantic import ConfigDict, Field, field_validator, model_validator

from graphagg.errors import needs
from graphagg.rag.adapters.conversion import (
    checked,
    metadata_of,
    old_names,
    opened,
    request_and_rest,
)
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request, RequestFields
from graphagg.rag.question.results import Hit

with needs("langchain-core", "langchain"):
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever


class LangChainRetriever(BaseRetriever):
    """Passages as LangChain documents, best first.

    Attributes:
        index: an open index, or the directory of one.
        k: number of documents.
        request: options of retrieval; you can also pass its fields, such as `mode="bm25"`.

    A document's metadata contains that of the passage, and `title`, `score`, `components`, `path`
    and `method`. You can also pass `k` and the fields of a request to a single call:
    `retriever.invoke(question, k=3, filter={"lang": "en"})`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: Any = Field(exclude=True)
    k: int = Field(default=5, ge=1)
    request: Any = Request()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            index: PassageIndex | str | os.PathLike[str],
            k: int = 5,
            request: Request = ...,
            **fields: Unpack[RequestFields],
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _split(cls, options: dict[str, Any]) -> dict[str, Any]:
        request, rest = request_and_rest(options, cls.model_fields.keys() - {"request"})
        return {**rest, "request": request}

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

    def _options(self, overrides: dict[str, Any]) -> dict[str, Any]:
        return {"k": self.k, "request": self.request} | checked(overrides, ("k",))


def _document(hit: Hit) -> Document:
    return Document(id=hit.passage.id, page_content=hit.text, metadata=metadata_of(hit))


__getattr__ = old_names(
    __name__, "LangChainRetriever", "GraphAggVectorStore", "LangChainVectorStore"
)
