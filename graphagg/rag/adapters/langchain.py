"""A LangChain retriever, and a vector store that can be written to.

from graphagg.rag.adapters.langchain import LangChainRetriever, LangChainVectorStore
retriever = LangChainRetriever(index="idx", k=5, filter={"lang": "en"})
documents = retriever.invoke("Where was the wife of Francis I buried?")

store = LangChainVectorStore("idx")
ids = store.add_documents(documents)
store.delete(ids[:1])
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from pydantic import ConfigDict, Field, field_validator, model_validator

from graphagg.checks import check_names
from graphagg.errors import InvalidParameter, needs
from graphagg.rag.adapters.writable import (
    WritableIndex,
    checked,
    metadata_of,
    opened,
    passage,
    request_and_rest,
)
from graphagg.rag.corpus.network import SCALE, whole_vectors
from graphagg.rag.documents.passages import Passage
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.request import Request, RequestFields
from graphagg.rag.question.results import Hit, Hits

with needs("langchain-core", "langchain"):
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore


class LangChainRetriever(BaseRetriever):
    """Passages as LangChain documents, best first.

    Attributes:
        index: an opened index, or the directory of one.
        k: number of documents.
        request: how they are retrieved; its fields can be given by name, such as `mode="bm25"`.

    A document's metadata holds the passage's own and `title`, `score`, `components`, `path` and
    `method`. `k` and the fields of a request can be given for one call too:
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
    return Document(id=hit.passage.id, page_content=hit.passage.text, metadata=metadata_of(hit))


class LangChainVectorStore(VectorStore):
    """A passage index as a LangChain vector store: documents in, documents out.

    Documents come back as they were added: id, text and metadata. For hop paths and parts of
    scores use `LangChainRetriever(index=store.directory)`. A `title` among the metadata is indexed
    as the title. Every call of `add_documents` is one new version of the index: add many at once.

    Searches take the options of `PassageIndex.retrieve`: `filter`, `mode`, `min_score`, and so on.
    The index encodes by its own model, so no `embedding` is taken, and there is no search by
    vector. The relevance of the best document is the confidence of the answer; that of another one
    is proportional to its score. MMR weighs the score of a hit
    against the cosine of its vector with those chosen before.

    Args:
        index: the directory of the index, which need not exist yet; or an opened index.
        options: `encoder`, `extractor` and `chunking` of `WritableIndex`.
    """

    def __init__(self, index: PassageIndex | str | os.PathLike[str], **options: Any) -> None:
        self._store = WritableIndex(index, **options)

    @property
    def directory(self) -> str:
        """The directory of the index."""
        return str(self._store.directory)

    # --- writing ---------------------------------------------------------------------------------

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Add documents; a document replaces an earlier one of its id.

        Args:
            documents: an id is optional; without one it follows from text and metadata.
            kwargs: `ids`, in place of the documents' own.

        Returns:
            Their ids, in order.

        Raises:
            GraphAggError: see `PassageIndex.add`; nothing was written.
        """
        ids: Sequence[str | None] = kwargs.pop("ids", None) or [d.id for d in documents]
        check_names(kwargs, ["ids"])
        if len(ids) != len(documents):
            raise InvalidParameter(f"{len(ids)} ids of {len(documents)} documents; give one each")
        pairs = zip(ids, documents, strict=True)
        return self._store.write([passage(id, d.page_content, d.metadata) for id, d in pairs])

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """`add_documents` for texts and their metadata."""
        listed = list(texts)
        if ids and len(ids) != len(listed):
            raise InvalidParameter(f"{len(ids)} ids of {len(listed)} texts; give one each")
        return super().add_texts(listed, metadatas, ids=ids, **kwargs)

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete documents by their ids, or all of them; unknown ids are skipped."""
        check_names(kwargs, ["ids"])
        if ids is None:
            self._store.clear()
        else:
            self._store.delete(ids)
        return True

    @classmethod
    def from_documents(
        cls, documents: list[Document], embedding: Embeddings | None = None, **kwargs: Any
    ) -> LangChainVectorStore:
        """A store of these documents.

        Args:
            documents: to add.
            embedding: not taken; an index encodes by its own model.
            kwargs: `index`, the directory, and the other options of the class.
        """
        return super().from_documents(documents, embedding, **kwargs)  # type: ignore[arg-type]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> LangChainVectorStore:
        """`from_documents` for texts and their metadata."""
        if embedding is not None:
            raise InvalidParameter(
                f"embedding is {type(embedding).__name__}, but an index encodes by a model of its "
                "own; leave it out, or give encoder=SentenceTransformerEncoder(NAME)"
            )
        store = cls(**kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # --- reading ---------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids, without unknown ids."""
        return [_as_added(each) for each in self._store.get(ids)]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The best documents for a question, best first."""
        return [_as_added(hit.passage) for hit in self._hits(query, k, kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The best documents for a question with their scores; larger is better."""
        return [(_as_added(hit.passage), hit.score) for hit in self._hits(query, k, kwargs)]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        hits = self._hits(query, k, kwargs)
        if hits and hits.confidence is None:
            raise InvalidParameter("mode 'bm25' has no confidence; take another mode, or min_score")
        best = max((hit.score for hit in hits), default=0.0)
        shares = [min(max(hit.score / best, 0.0), 1.0) if best > 0 else 1.0 for hit in hits]
        pairs = zip(hits, shares, strict=True)
        return [(_as_added(hit.passage), (hits.confidence or 0.0) * share) for hit, share in pairs]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Choose documents that answer the question and are unlike each other.

        Args:
            query: the question.
            k: number of documents.
            fetch_k: number of hits that they are chosen from.
            lambda_mult: 1 counts the score alone, so that the order is that of a search; 0 variety
                alone.
            kwargs: options of a search.
        """
        hits = self._hits(query, fetch_k, kwargs)
        index = self._store.index
        if index is None or not hits:
            return []
        corpus, best = index.snapshot.corpus, max(hits[0].score, 1e-12)
        rows = np.array([index.snapshot.known_row(hit.passage.id) for hit in hits])
        vectors = whole_vectors(corpus, rows) / SCALE
        relevance = np.clip([hit.score / best for hit in hits], 0.0, 1.0)
        selected, closest = list[int](), np.zeros(len(hits))
        while len(selected) < min(k, len(hits)):
            gain = lambda_mult * relevance - (1 - lambda_mult) * closest
            gain[selected] = -np.inf
            selected.append(int(gain.argmax()))
            closest = np.maximum(closest, vectors @ vectors[selected[-1]])
        return [_as_added(hits[i].passage) for i in selected]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Refuse: an index reads questions, whose words and names count too."""
        raise InvalidParameter(
            "an index answers questions, not vectors, because words and names count too; use "
            "similarity_search(question)"
        )

    def _hits(self, query: str, k: int, options: dict[str, Any]) -> Hits:
        hits = self._store.retrieve(query, k, **checked(options, ()))
        for i, hit in enumerate(hits):  # with the page and heading of the match
            hits[i] = replace(hit, passage=replace(hit.passage, metadata=hit.metadata))
        return hits


def _as_added(added: Passage) -> Document:
    return Document(id=added.id, page_content=added.text, metadata=dict(added.metadata))
