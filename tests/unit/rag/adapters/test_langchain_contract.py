"""LangChain's own tests of vector stores and retrievers, of its package `langchain-tests`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from graphagg.rag import PassageIndex
from graphagg.rag.adapters.langchain import LangChainRetriever, LangChainVectorStore
from tests.fakes import FakeEncoder, FakeExtractor


class TestStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> LangChainVectorStore:  # type: ignore[override]
        return LangChainVectorStore(
            tmp_path / "i", encoder=FakeEncoder(), extractor=FakeExtractor()
        )


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _of(self, index: PassageIndex) -> None:
        self.index = index

    @property
    def retriever_constructor(self) -> type[LangChainRetriever]:
        return LangChainRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self.index}

    @property
    def retriever_query_example(self) -> str:
        return "Who was born in London?"
