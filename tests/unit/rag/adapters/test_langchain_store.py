"""The vector store inside LangChain: what goes in comes out, and a change equals a rebuild."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings
from langchain_core.vectorstores import VectorStore

from graphagg.errors import InvalidParameter, InvalidPassage
from graphagg.rag import ChunkConfig, PassageIndex
from graphagg.rag.adapters.langchain import LangChainRetriever, LangChainVectorStore
from tests.fakes import FakeEncoder, FakeExtractor

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
    with pytest.raises(InvalidParameter, match="unknown options"):
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
    assert {d.id for d in close} == {"a", "a2"}
    assert new(tmp_path / "none").max_marginal_relevance_search("Ada?") == []


def test_what_it_does_not_do_says_what_to_do(tmp_path: Path) -> None:
    store = new(tmp_path / "i")
    store.add_documents([ADA])
    with pytest.raises(InvalidParameter, match=r"similarity_search.question."):
        store.similarity_search_by_vector([0.0])
    with pytest.raises(InvalidParameter, match="did you mean 'filter'"):
        store.similarity_search("Ada?", filters={"year": 1843})
