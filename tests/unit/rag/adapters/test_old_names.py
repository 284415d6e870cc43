"""Names of 0.2: an alias with a warning where the job is the same, else what to use."""

from __future__ import annotations

from importlib import import_module

import pytest

from graphagg.errors import RemovedName

PRESENT = {
    ("graphagg.rag.adapters.langchain", "GraphAggRetriever"): "LangChainRetriever",
    ("graphagg.rag.adapters.llamaindex", "GraphAggRetriever"): "LlamaIndexRetriever",
    ("graphagg.communities", "IndexConfig"): "CommunityConfig",
    ("graphagg.communities", "Shared"): "SharedElements",
}
GONE = [
    ("langchain", "GraphAggVectorStore"), ("langchain", "LangChainVectorStore"),
    ("llamaindex", "GraphAggStore"), ("llamaindex", "LlamaIndexStore"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "old"), PRESENT)
def test_a_renamed_class_has_an_alias_with_a_warning(module: str, old: str) -> None:
    new = PRESENT[module, old]
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}") as caught:
        assert getattr(import_module(module), old) is getattr(import_module(module), new)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("adapter", "old"), GONE)
def test_a_store_that_is_gone_says_what_to_use(adapter: str, old: str) -> None:
    with pytest.raises(RemovedName, match=r"write with PassageIndex\.build.*Retriever"):
        getattr(import_module(f"graphagg.rag.adapters.{adapter}"), old)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = import_module(f"graphagg.rag.adapters.{adapter}").Nothing
