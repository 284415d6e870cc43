"""The LangChain retriever inside LangChain."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from llama_index.core.schema import MetadataMode

from graphagg.errors import InvalidFilter, InvalidParameter, NotAnArtifact
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.haystack import HaystackRetriever as HaystackRetriever
from graphagg.rag.adapters.langchain import LangChainRetriever
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever as LlamaRetriever
from tests.fakes import FakeEncoder, FakeExtractor

QUESTION = "Where was the man born who designed the Engine?"


def test_documents_carry_what_hits_know(index: PassageIndex) -> None:
    hits = index.retrieve(QUESTION, 4)
    documents = LangChainRetriever(index=index, k=4).invoke(QUESTION)
    assert [d.id for d in documents] == [hit.passage.id for hit in hits]
    for document, hit in zip(documents, hits, strict=True):
        assert isinstance(document, Document) and document.page_content == hit.passage.text
        assert document.metadata["score"] == hit.score
        assert document.metadata["components"] == dict(hit.components)
        assert document.metadata["path"] == [vars(hop) for hop in hit.path]
        assert document.metadata["title"] == hit.passage.title


def test_sync_async_and_batch_agree(index: PassageIndex) -> None:
    retriever = LangChainRetriever(index=index, k=3)
    assert isinstance(retriever, BaseRetriever)
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


def test_a_chain(index: PassageIndex) -> None:
    seen = []

    def joined(documents: list[Document]) -> str:
        seen.extend(documents)
        return "\n".join(d.page_content for d in documents)

    prompt = ChatPromptTemplate.from_template("{passages}\n{question}")
    chain = (
        {
            "passages": LangChainRetriever(index=index, k=2) | joined,
            "question": RunnablePassthrough(),
        }
        | prompt
        | FakeListChatModel(responses=["London"])
        | StrOutputParser()
    )
    assert chain.invoke(QUESTION) == "London"
    assert [d.id for d in seen] == [hit.passage.id for hit in index.retrieve(QUESTION, 2)]


def test_what_cannot_be_asked(index: PassageIndex, tmp_path) -> None:
    with pytest.raises(NotAnArtifact):
        LangChainRetriever(index=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        LangChainRetriever(index=index, k=0)


@pytest.mark.parametrize("name", ["top_k", "filtr", "modus", "embedding"])
def test_an_unknown_option_is_refused(index: PassageIndex, name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"option '{name}' is unknown"):
        LangChainRetriever(index=index, **{name: 3})  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="unknown"):
        LangChainRetriever(index=index).invoke(QUESTION, **{name: 3})
    with pytest.raises(InvalidParameter, match="unknown"):
        LlamaRetriever(index, **{name: 3})
    with pytest.raises(InvalidParameter if name != "top_k" else TypeError):
        HaystackRetriever(index, 5, None, **{name: 3})


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
