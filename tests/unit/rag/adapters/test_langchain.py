"""The LangChain retriever and store inside LangChain, and its own tests of both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from haystack.dataclasses import ChatMessage as HaystackMessage
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from llama_index.core.llms import ChatMessage as LlamaMessage
from llama_index.core.schema import MetadataMode

from graphagg.errors import InvalidFilter, InvalidParameter, InvalidPassage, NotAnArtifact
from graphagg.rag import ChunkConfig, PassageIndex
from graphagg.rag.adapters.haystack import HaystackRetriever as HaystackRetriever
from graphagg.rag.adapters.langchain import LangChainRetriever, LangChainVectorStore
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever as LlamaRetriever
from tests.fakes import FakeEncoder, FakeExtractor

QUESTION = "Where was the man born who designed the Engine?"


def test_documents_and_nodes_carry_what_hits_know(index: PassageIndex) -> None:
    hits = index.retrieve(QUESTION, 4)
    documents = LangChainRetriever(index=index, k=4).invoke(QUESTION)
    components = HaystackRetriever(index, top_k=4).run(query=QUESTION)["documents"]
    nodes = LlamaRetriever(index, k=4).retrieve(QUESTION)
    for found in (
        [(d.id, d.page_content, d.metadata["score"], d.metadata) for d in documents],
        [(d.id, d.content, d.score, d.meta) for d in components],
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
    said = [HaystackMessage.from_user(before), HaystackMessage.from_assistant("Babbage.")]
    run = HaystackRetriever(index, top_k=4).run(query=question, history=said)
    assert [each.id for each in run["documents"]] == expected
    talk = [LlamaMessage(content=before), LlamaMessage(role="assistant", content="Babbage.")]
    nodes = LlamaRetriever(index, k=4, history=talk).retrieve(question)
    assert [each.node_id for each in nodes] == expected


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


MODELS = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
ADA = Document(id="a", page_content="Ada wrote notes in London.", metadata={"year": 1843})
BABBAGE = Document(
    id="b",
    page_content="The Engine was designed by him.",
    metadata={"title": "Babbage", "tags": ["x"]},
)
THAMES = Document(id="t", page_content="London lies on the Thames.", metadata={})


def new(where: Path) -> LangChainVectorStore:
    return LangChainVectorStore(where, **MODELS)


def test_documents_come_back_as_they_were_added(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    assert isinstance(store, VectorStore)
    assert store.similarity_search("Ada?") == [] and store.get_by_ids(["a"]) == []
    assert store.add_documents([ADA, BABBAGE, THAMES]) == ["a", "b", "t"]
    assert store.get_by_ids(["t", "none", "b"]) == [THAMES, BABBAGE]
    found = store.similarity_search("Who designed the Engine, Babbage?", k=3)
    assert found[0] == BABBAGE and sorted(d.id for d in found) == ["a", "b", "t"]
    scored = store.similarity_search_with_score("Who designed the Engine, Babbage?", k=3)
    assert [d for d, _ in scored] == found
    assert [s for _, s in scored] == sorted((s for _, s in scored), reverse=True)
    assert store.similarity_search("notes", k=3, filter={"year": 1843}) == [ADA]
    assert asyncio.run(store.asimilarity_search("Ada", k=1)) == [ADA]
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("Ada wrote notes") == [ADA]


def test_a_title_is_indexed_and_the_retriever_sees_the_same_index(tmp_path: Path) -> None:
    store = LangChainVectorStore.from_documents([ADA, BABBAGE], index=tmp_path / "i", **MODELS)
    with PassageIndex.open(store.directory, **MODELS) as index:
        assert index["b"].title == "Babbage"
        (document,) = LangChainRetriever(index=index, k=1).invoke("Babbage Engine")
    assert document.id == "b" and document.metadata["title"] == "Babbage"
    assert "passage_title" not in document.metadata and document.metadata["tags"] == ["x"]


def test_adding_again_replaces_and_is_the_same(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    store.add_documents([ADA, BABBAGE])
    changed = Document(id="a", page_content="Ada left London.", metadata={"x": 1})
    store.add_documents([changed, THAMES])
    assert store.get_by_ids(["a", "b", "t"]) == [changed, BABBAGE, THAMES]
    twice = [Document(id="n", page_content="one"), Document(id="n", page_content="two")]
    assert store.add_documents(twice) == ["n", "n"]
    assert store.get_by_ids(["n"]) == twice[1:]


def test_without_ids_the_same_text_has_the_same_id(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    first = store.add_texts(["one", "two", "one"], [{"a": 1}, {}, {"a": 1}])
    assert len(first) == 3 and len(set(first)) == 2 and first[0] == first[2]
    assert store.add_texts(["one"], [{"a": 2}]) != first[:1]
    assert store.add_documents([Document(page_content="two")]) == [first[1]]
    assert [d.page_content for d in store.get_by_ids(first[:2])] == ["one", "two"]
    assert store.add_texts(["three"], ids=["3"]) == ["3"]
    with pytest.raises(InvalidParameter, match="give one each"):
        store.add_texts(["a", "b"], ids=["1"])
    with pytest.raises(ValueError, match="number of metadatas must match"):
        store.add_texts(["a", "b"], [{}])


def test_deleting_the_last_document_leaves_a_store_that_takes_new_ones(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    assert store.delete(["a"]) is True
    store.add_documents([ADA, BABBAGE])
    other = new(tmp_path / "i")
    assert other.get_by_ids(["a"]) == [ADA]
    assert store.delete(["a", "none"]) and store.get_by_ids(["a", "b"]) == [BABBAGE]
    assert store.delete(["b"]) and store.similarity_search("Engine") == []
    assert other.get_by_ids(["b"]) == [] and other.similarity_search("Engine") == []
    other.add_documents([THAMES])
    assert store.similarity_search("Thames", k=1) == [THAMES]
    store.delete()
    assert other.similarity_search("Thames") == []
    new(tmp_path / "i").add_documents([ADA])
    assert other.get_by_ids(["a"]) == [ADA]


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4)),
        max_size=4,
    )
)
def test_changes_equal_a_rebuild(tmp_path_factory: pytest.TempPathFactory, steps) -> None:
    root = tmp_path_factory.mktemp("steps")
    store, kept = new(root / "i"), {}
    for number, (adds, names) in enumerate(steps):
        if adds:
            documents = [
                Document(id=name, page_content=f"Ada {name} {number}.", metadata={"n": number})
                for name in dict.fromkeys(names)
            ]
            store.add_documents(documents)
            for document in documents:
                kept.pop(document.id, None)
                kept[document.id] = document
        else:
            store.delete(names)
            for name in names:
                kept.pop(name, None)
    assert store.get_by_ids("abcdef") == [kept[name] for name in "abcdef" if name in kept]
    found = store.similarity_search_with_score("Ada b 1", k=6)
    rebuilt = new(root / "j")
    rebuilt.add_documents(list(kept.values()))
    assert found == rebuilt.similarity_search_with_score("Ada b 1", k=6)


def test_what_is_refused(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    store.add_documents([ADA])
    with pytest.raises(InvalidParameter, match="a model of its own"):
        LangChainVectorStore.from_documents([ADA], FakeEmbeddings(size=3), index=tmp_path / "j")
    with pytest.raises(InvalidParameter, match="a model of its own"):
        LangChainVectorStore.from_texts(["a"], FakeEmbeddings(size=3), index=tmp_path / "j")
    with pytest.raises(InvalidPassage):
        store.add_documents([BABBAGE, Document(id="e", page_content=" ")])
    with pytest.raises(InvalidPassage):
        store.add_documents([Document(id="e", page_content="x", metadata={"o": object()})])
    with pytest.raises(InvalidParameter, match="unknown parameter"):
        store.add_documents([BABBAGE], batch=3)
    assert store.get_by_ids(["a", "b", "e"]) == [ADA]


def test_an_index_that_splits_goes_on_splitting(tmp_path: Path) -> None:
    store = LangChainVectorStore(tmp_path / "i", chunking=ChunkConfig(max_words=20), **MODELS)
    text = " ".join(f"Ada wrote note number{i} in London." for i in range(20))
    store.add_documents([Document(id="d", page_content=text), ADA])
    found = store.similarity_search("number7", k=1, mode="bm25")
    assert found[0].id.startswith("d#") and "number7" in found[0].page_content
    store.delete(["d"])
    assert [d.id for d in store.similarity_search("Ada", k=50)] == ["a"]


def test_relevance_is_confidence_and_mmr_is_various(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    twin = Document(id="a2", page_content="Ada wrote notes in London too.", metadata={})
    store.add_documents([ADA, twin, BABBAGE, THAMES])
    question = "Ada wrote notes in London."
    scored = store.similarity_search_with_relevance_scores(question, k=4)
    assert [d for d, _ in scored] == store.similarity_search(question, k=4)
    with PassageIndex.open(store.directory, **MODELS) as index:
        sure = index.retrieve(question, 4).confidence
    relevance = [score for _, score in scored]
    assert relevance[0] == sure and relevance == sorted(relevance, reverse=True)
    assert 0 <= relevance[-1] < sure <= 1
    best = [d for d, s in scored if s >= sure]
    assert best == store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": sure, "k": 4}
    ).invoke(question)
    with pytest.raises(InvalidParameter, match="'bm25' has no confidence"):
        store.similarity_search_with_relevance_scores(question, mode="bm25")
    assert new(tmp_path / "none").similarity_search_with_relevance_scores(question) == []
    various = store.as_retriever(
        search_type="mmr", search_kwargs={"k": 2, "fetch_k": 4, "lambda_mult": 0.1}
    ).invoke(question)
    assert various[0].id == "a" and various[1].id != "a2"
    close = store.max_marginal_relevance_search(question, k=2, fetch_k=4, lambda_mult=1.0)
    assert close == store.similarity_search(question, k=2) and various[0] == close[0]
    assert new(tmp_path / "none").max_marginal_relevance_search("Ada?") == []


def test_what_it_does_not_do_says_what_to_do(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    store.add_documents([ADA])
    with pytest.raises(InvalidParameter, match=r"similarity_search.question."):
        store.similarity_search_by_vector([0.0])
    with pytest.raises(InvalidParameter, match="did you mean `filter`"):
        store.similarity_search("Ada?", filters={"year": 1843})


class TestStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> LangChainVectorStore:  # type: ignore[override]
        return new(tmp_path / "i")


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
