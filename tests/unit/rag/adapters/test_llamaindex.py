"""The LlamaIndex retriever inside LlamaIndex."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms.mock import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode

from graphagg.errors import InvalidFilter
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever

QUESTION = "Where was the man born who designed the Engine?"


def test_nodes_carry_what_hits_know(index: PassageIndex) -> None:
    hits = index.retrieve(QUESTION, 4)
    nodes = LlamaIndexRetriever(index, k=4).retrieve(QUESTION)
    assert [n.node_id for n in nodes] == [hit.passage.id for hit in hits]
    for node, hit in zip(nodes, hits, strict=True):
        assert node.score == hit.score and node.text == hit.passage.text
        assert node.metadata["path"] == [vars(hop) for hop in hit.path]
        assert node.metadata["components"] == dict(hit.components)


def test_prompts_and_embeddings_see_text_and_metadata_alone(index: PassageIndex) -> None:
    (node,) = LlamaIndexRetriever(index, filter={"year": 1815}).retrieve("Ada")
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        content = node.node.get_content(mode)
        assert "Lovelace" in content and "1815" in content and "Ada was born" in content
        assert "components" not in content and "contribution" not in content


def test_sync_and_async_agree(index: PassageIndex) -> None:
    retriever = LlamaIndexRetriever(index, k=3, mode="linearrag")
    assert isinstance(retriever, BaseRetriever)
    expected = [(n.node_id, n.score) for n in retriever.retrieve(QUESTION)]
    found = asyncio.run(retriever.aretrieve(QUESTION))
    assert [(n.node_id, n.score) for n in found] == expected


def test_a_filter_holds(index: PassageIndex) -> None:
    nodes = LlamaIndexRetriever(index, filter={"kind": ["city", "person"]}).retrieve("London")
    assert {n.node_id for n in nodes} == {"p3", "p6"}
    with pytest.raises(InvalidFilter):
        LlamaIndexRetriever(index, filter={"none": 1}).retrieve("London")


def test_a_query_engine(index: PassageIndex) -> None:
    engine = RetrieverQueryEngine.from_args(LlamaIndexRetriever(index, k=2), llm=MockLLM())
    answer = engine.query(QUESTION)
    expected = [hit.passage.id for hit in index.retrieve(QUESTION, 2)]
    assert [n.node_id for n in answer.source_nodes] == expected
    assert all(n.text in str(answer) for n in answer.source_nodes)
    later = asyncio.run(engine.aquery(QUESTION))
    assert [n.node_id for n in later.source_nodes] == expected
