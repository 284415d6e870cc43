"""The LangChain retriever inside LangChain, and LangChain's own tests of retrievers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import RetrieversIntegrationTests
from llama_index.core.llms import ChatMessage as LlamaMessage
from llama_index.core.schema import MetadataMode

from graphagg.errors import InvalidFilter, InvalidParameter, NotAnArtifact
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.langchain import LangChainRetriever
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever as LlamaRetriever
from tests.fakes import FakeEncoder, FakeExtractor

QUESTION = "Where was the man born who designed the Engine?"


def test_documents_and_nodes_carry_what_hits_know(index: PassageIndex) -> None:
    hits = index.retrieve(QUESTION, 4)
    documents = LangChainRetriever(index=index, k=4).invoke(QUESTION)
    nodes = LlamaRetriever(index, k=4).retrieve(QUESTION)
    for found in (
        [(d.id, d.page_content, d.metadata["score"], d.metadata) for d in documents],
        [(n.node_id, n.text, n.score, n.metadata) for n in nodes],
    ):
        for (name, text, score, metadata), hit in zip(found, hits, strict=True):
            assert (name, text, score) == (hit.passage.id, hit.passage.text, hit.score)
            assert metadata["components"] == dict(hit.components)
            assert metadata["path"] == [vars(hop) for hop in hit.path]
            assert metadata["title"] == hit.passage.title


def test_a_history_is_of_questions_or_of_the_messages_of_a_chat(index: PassageIndex) -> None:
    before, question = "Who designed the Engine?", "And where was he born?"
    expected = [hit.passage.id for hit in index.retrieve(question, 4, history=[before])]
    chat = [HumanMessage(before), AIMessage("Babbage.")]
    for history in ([before], before, chat):
        found = LangChainRetriever(index=index, k=4).invoke(question, history=history)
        assert [each.id for each in found] == expected
    talk = [LlamaMessage(content=before), LlamaMessage(role="assistant", content="Babbage.")]
    nodes = LlamaRetriever(index, k=4, history=talk).retrieve(question)
    assert [each.node_id for each in nodes] == expected


def test_sync_async_and_batch_agree(index: PassageIndex) -> None:
    retriever = LangChainRetriever(index=index, k=3)
    questions = [QUESTION, "Who lived in London?"]
    alone = [retriever.invoke(question) for question in questions]
    assert retriever.batch(questions) == alone
    assert asyncio.run(retriever.ainvoke(QUESTION)) == alone[0]
    assert asyncio.run(retriever.abatch(questions)) == alone


def test_options_hold_for_all_calls_or_for_one(index: PassageIndex) -> None:
    retriever = LangChainRetriever(index=index, filter={"year": {"gte": 1800}}, mode="bm25")
    assert [d.id for d in retriever.invoke("born in London")] == ["p7"]
    everything = retriever.invoke("born in London", filter=None, k=7)
    assert len(everything) == 7
    with pytest.raises(InvalidFilter):
        retriever.invoke("born", filter={"none": 1})


def test_a_clash_of_keys_loses_nothing(index: PassageIndex) -> None:
    (document,) = LangChainRetriever(index=index, filter={"year": 1815}).invoke("Ada")
    assert document.metadata["title"] == "Lovelace"
    assert document.metadata["passage_title"] == "countess"
    assert document.metadata["year"] == 1815


def test_what_cannot_be_asked(index: PassageIndex, tmp_path) -> None:
    with pytest.raises(NotAnArtifact):
        LangChainRetriever(index=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        LangChainRetriever(index=index, k=0)


@pytest.mark.parametrize("name", ["top_k", "filtr", "modus", "embedding"])
def test_an_unknown_option_is_refused(index: PassageIndex, name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"unknown parameter `{name}`"):
        LangChainRetriever(index=index, **{name: 3})  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="unknown"):
        LangChainRetriever(index=index).invoke(QUESTION, **{name: 3})
    with pytest.raises(InvalidParameter, match="unknown"):
        LlamaRetriever(index, **{name: 3})


def test_a_citation_finds_its_source(tmp_path: Path) -> None:
    passages = [
        {"id": "a.pdf#0", "text": "Ada wrote notes.", "document": "a.pdf",
         "metadata": {"path": "in/a.pdf", "page": 3, "heading": ["Life", "Notes"], "size": 7}},
        {"id": "b", "text": "The Engine computes.", "metadata": {"source": "https://b.example"}},
        {"id": "c", "text": "London lies on the Thames."},
    ]  # fmt: skip
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    with PassageIndex.build(passages, tmp_path / "i", **models) as index:
        by_id = {d.id: d.metadata for d in LangChainRetriever(index=index).invoke("Ada?")}
        assert by_id["a.pdf#0"]["source"] == "in/a.pdf" and by_id["a.pdf#0"]["page"] == 3
        assert by_id["a.pdf#0"]["trail"] == "Life > Notes"
        assert (by_id["b"]["source"], by_id["c"]["source"]) == ("https://b.example", "c")
        (node, *_) = LlamaRetriever(index, k=1).retrieve("Ada wrote notes")
        said = node.node.get_content(metadata_mode=MetadataMode.LLM)
        assert "in/a.pdf" in said and "size" not in said and "score" not in said


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
