"""The document store inside Haystack: Haystack's own tests of stores, and a pipeline saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing.document_store import DocumentStoreBaseTests

from graphagg.errors import InvalidPassage
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.haystack import HaystackDocumentStore, HaystackRetriever
from tests.fakes import FakeEncoder, FakeExtractor

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
        assert len(index.retrieve("number2", 1, mode="bm25", window=1)[0].neighbors) == 2

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
