"""The Haystack retriever and store inside Haystack, and its own tests of stores."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing.document_store import DocumentStoreBaseTests
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidFilter, InvalidPassage
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.haystack import HaystackDocumentStore, HaystackRetriever, own_filter
from tests.fakes import FakeEncoder, FakeExtractor

QUESTION = "Where was the man born who designed the Engine?"


def test_a_pipeline_sync_and_async(index: PassageIndex) -> None:
    pipeline = Pipeline()
    pipeline.add_component("retriever", HaystackRetriever(index, top_k=2))
    template = "{% for d in documents %}{{ d.content }}{% endfor %}"
    pipeline.add_component("prompt", PromptBuilder(template, required_variables="*"))
    pipeline.connect("retriever.documents", "prompt.documents")
    texts = [hit.passage.text for hit in index.retrieve(QUESTION, 2)]
    asked = {"retriever": {"query": QUESTION}}
    assert pipeline.run(asked)["prompt"]["prompt"] == "".join(texts)
    alone = asyncio.run(HaystackRetriever(index, top_k=2).run_async(query=QUESTION))
    assert [d.content for d in alone["documents"]] == texts


def test_options_of_a_run_replace_those_of_the_component(index: PassageIndex) -> None:
    retriever = HaystackRetriever(index, mode="bm25", filters={"year": {"gte": 1800}})
    assert [d.id for d in retriever.run("born in London")["documents"]] == ["p7"]
    found = retriever.run("born in London", filters={"year": {"lt": 1800}})["documents"]
    assert [d.id for d in found] == ["p6"]
    assert len(retriever.run("born", filters={}, top_k=3)["documents"]) == 3


def test_a_saved_pipeline_is_the_same(index: PassageIndex) -> None:
    retriever = HaystackRetriever(index, top_k=2, mode="bm25", filters={"kind": "person"})
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=[HaystackRetriever.__module__])
    made = again.get_component("retriever")
    assert made.to_dict() == retriever.to_dict()
    again.warm_up()
    asked = {"retriever": {"query": "born in London"}}
    assert again.run(asked) == pipeline.run(asked)


FILTERS = [
    ({"field": "meta.year", "operator": ">=", "value": 1800}, ["p7"]),
    ({"field": "year", "operator": "==", "value": 1791}, ["p6"]),
    ({"field": "meta.kind", "operator": "in", "value": ["city", "person"]}, ["p3", "p6"]),
    ({"operator": "AND", "conditions": [
        {"field": "meta.year", "operator": ">", "value": 1700},
        {"field": "meta.kind", "operator": "!=", "value": "person"},
    ]}, ["p7"]),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters_in_haystacks_form(index: PassageIndex, filters, expected) -> None:
    found = HaystackRetriever(index, top_k=9).run("London", filters=filters)["documents"]
    assert sorted(d.id for d in found) == expected


@given(value=st.integers(), name=st.sampled_from(["year", "meta.year"]))
def test_a_filter_of_this_library_stays_as_it_is(value: int, name: str) -> None:
    own = {"year": {"gte": value}}
    assert own_filter(own) == own
    assert own_filter({"field": name, "operator": ">=", "value": value}) == own
    negated = {"operator": "NOT", "conditions": [own, own]}
    assert own_filter(negated) == {"not": {"and": [own, own]}}


@pytest.mark.parametrize(
    "wrong", [{"field": "year", "operator": "~", "value": 1}, {"operator": "XOR", "conditions": []}]
)
def test_an_unknown_operator(wrong) -> None:
    with pytest.raises(InvalidFilter, match="wanted"):
        own_filter(wrong)


MODELS = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
MODULE = HaystackRetriever.__module__


class TestHaystacksOwn(DocumentStoreBaseTests):
    """What Haystack asks of any store."""

    @pytest.fixture
    def document_store(self, tmp_path: Path) -> HaystackDocumentStore:
        return HaystackDocumentStore(tmp_path / "i", **MODELS)

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """The index encodes by itself, so embeddings are not kept."""
        assert received == [replace(document, embedding=None) for document in expected]

    def test_write_documents(self, document_store: HaystackDocumentStore) -> None:
        document = Document(content="Ada wrote.")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])
        assert document_store.filter_documents() == [document]


def test_a_pipeline_splits_writes_and_reads(tmp_path: Path) -> None:
    store = HaystackDocumentStore(tmp_path / "i", **MODELS)
    writing = Pipeline()
    splitter = DocumentSplitter(split_by="word", split_length=10, split_overlap=0)
    writing.add_component("splitter", splitter)
    writing.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    writing.connect("splitter", "writer")
    text = " ".join(f"Ada wrote number{i} in London." for i in range(6))
    document = Document(id="d", content=text, meta={"title": "Notes", "year": 1843})
    written = writing.run({"splitter": {"documents": [document]}})["writer"]["documents_written"]
    assert written == store.count_documents() == 3

    reading = Pipeline()
    reading.add_component("retriever", HaystackRetriever(store, top_k=1, mode="bm25"))
    asked = {"retriever": {"query": "number5"}}
    (found,) = reading.run(asked)["retriever"]["documents"]
    assert "number5" in found.content and found.meta["title"] == "Notes"
    assert found.meta["document"] == "d" and found.meta["position"] == 2
    with PassageIndex.open(tmp_path / "i", **MODELS) as index:
        assert len(index.retrieve("number2", 1, mode="bm25", neighbors=1)[0].neighbors) == 2

    again = Pipeline.loads(reading.dumps(), allowed_modules=[MODULE])
    assert again.run(asked) == reading.run(asked)
    store.delete_documents(["d"])  # all chunks of the document
    assert store.count_documents() == 0
    assert reading.run(asked) == {"retriever": {"documents": []}} == again.run(asked)


def test_a_saved_writer_is_the_same(tmp_path: Path) -> None:
    writing = Pipeline()
    store = HaystackDocumentStore(tmp_path / "i")
    writing.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.SKIP))
    again = Pipeline.loads(writing.dumps(), allowed_modules=[MODULE])
    assert again.to_dict() == writing.to_dict()
    assert again.get_component("writer").document_store.to_dict() == store.to_dict()


def test_all_or_none_is_written(tmp_path: Path) -> None:
    store = HaystackDocumentStore(tmp_path / "i", **MODELS)
    sound = Document(id="a", content="Ada wrote.")
    with pytest.raises(InvalidPassage):
        store.write_documents([sound, Document(id="b")])
    with pytest.raises(DuplicateDocumentError):
        store.write_documents([sound, sound])
    assert store.count_documents() == 0
    assert store.write_documents([sound, sound], policy=DuplicatePolicy.SKIP) == 1
