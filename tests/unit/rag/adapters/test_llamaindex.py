"""The LlamaIndex retriever and store inside LlamaIndex."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import Document
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode
from llama_index.core.vector_stores.simple import build_metadata_filter_fn
from llama_index.core.vector_stores.types import FilterCondition, MetadataFilter, MetadataFilters

from graphagg.errors import InvalidFilter, InvalidParameter, InvalidPassage
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever, LlamaIndexStore
from graphagg.rag.documents.passages import Passage
from tests.fakes import FakeEncoder, FakeExtractor

MODELS = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
QUESTION = "Where was the man born who designed the Engine?"


def one(key: str, operator: str, value: object) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


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


NUMBERS = ["==", "!=", ">", ">=", "<", "<="]
CONDITIONS = st.one_of(
    st.tuples(st.just("year"), st.sampled_from(NUMBERS), st.sampled_from([1791, 1800, 1815])),
    st.tuples(st.just("year"), st.sampled_from(["in", "nin"]), st.just([1791, 1900])),
    st.tuples(st.just("kind"), st.sampled_from(["==", "!="]), st.sampled_from(["city", "none"])),
    st.tuples(st.just("tags"), st.sampled_from(["any", "all"]), st.just(["a", "b"])),
    st.tuples(st.just("tags"), st.just("contains"), st.sampled_from(["a", "c"])),
    st.tuples(st.sampled_from(["year", "kind"]), st.just("is_empty"), st.none()),
)


@given(conditions=st.lists(CONDITIONS, max_size=3), joined=st.sampled_from(FilterCondition))
def test_filters_of_llamaindex_take_what_its_own_store_takes(
    tagged: PassageIndex, conditions: list[tuple[str, str, object]], joined: FilterCondition
) -> None:
    parts = [MetadataFilter(key=k, operator=o, value=v) for k, o, v in conditions]
    filters = MetadataFilters(filters=parts, condition=joined)
    metadata = {passage.id: passage.metadata for passage in tagged}
    passes = build_metadata_filter_fn(metadata.__getitem__, filters)
    wanted = {name for name in metadata if passes(name)}
    nested = MetadataFilters(filters=[filters])
    for each in (filters, nested):
        nodes = LlamaIndexRetriever(tagged, k=99, filters=each, mode="bm25").retrieve("Ada")
        assert {node.node_id for node in nodes} == wanted


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    values = [{"year": 1791, "kind": "city"}, {"year": 1815, "tags": ["a", "b"]}, {"tags": ["a"]}]
    rows = [Passage(f"p{i}", f"Ada wrote {i}.", "", each) for i, each in enumerate([*values, {}])]
    return PassageIndex.build(rows, tmp_path_factory.mktemp("tagged") / "i", **MODELS)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"filters": one("year", "text_match", "1")}, InvalidFilter),
        ({"filters": one("year", "in", 1)}, InvalidFilter),
        ({"filters": one("year", "==", 1), "filter": {"year": 1}}, InvalidParameter),
    ],
)
def test_filters_that_are_refused(index: PassageIndex, options, error) -> None:
    with pytest.raises(error, match=r"wanted|give one"):
        LlamaIndexRetriever(index, **options).retrieve("London")


def chunk(name: str, text: str, document: str = "", **metadata: object) -> TextNode:
    node = TextNode(id_=name, text=text, metadata=metadata)
    if document:
        source = Document(id_=document, text="whole").as_related_node_info()
        node.relationships[NodeRelationship.SOURCE] = source
    return node


def test_nodes_come_back(tmp_path: Path) -> None:
    store = LlamaIndexStore(tmp_path / "i", **MODELS)
    retriever = store.as_retriever(k=2)
    assert retriever.retrieve("Ada?") == []
    nodes = [
        chunk("a", "Ada wrote notes.", "d", title="Letters", year=1843),
        chunk("b", "Babbage read them.", "d"),
        chunk("t", "The Thames is a river."),
    ]
    assert store.add(nodes) == ["a", "b", "t"]
    found = retriever.retrieve("Ada wrote notes")
    assert found[0].node_id == "a" and found[0].node.metadata["title"] == "Letters"
    assert isinstance(retriever, LlamaIndexRetriever)
    with PassageIndex.open(store.directory, **MODELS) as index:
        for node in nodes:
            assert (index[node.node_id].text, index[node.node_id].metadata) == (
                node.text, node.metadata,
            )  # fmt: skip
        assert (index["b"].document, index["b"].position) == ("d", 1)
        assert (index["t"].document, index["t"].position) == ("", 0)


def test_changes_are_seen_and_the_last_node_may_go(tmp_path: Path) -> None:
    store = LlamaIndexStore(tmp_path / "i", **MODELS)
    retriever = store.as_retriever(k=5, mode="bm25")
    store.add([chunk("a", "Ada wrote.", "d"), chunk("b", "Ada read.", "d"), chunk("c", "Ada.")])
    store.add([chunk("c", "Ada left.")])
    assert "Ada left." in [n.text for n in retriever.retrieve("Ada")]
    assert len(retriever.retrieve("Ada")) == 3
    assert store.delete("d") == 2
    assert [n.node_id for n in retriever.retrieve("Ada")] == ["c"]
    assert store.delete("none") == 0 and store.delete("c") == 1 and retriever.retrieve("Ada") == []
    store.add([chunk("e", "Ada again.")])
    assert [n.node_id for n in retriever.retrieve("Ada")] == ["e"]


def test_the_last_step_of_a_pipeline(tmp_path: Path) -> None:
    store = LlamaIndexStore(tmp_path / "i", **MODELS)
    text = " ".join(f"Ada wrote number{i} in London." for i in range(40))
    splitter = SentenceSplitter(chunk_size=60, chunk_overlap=0)
    pipeline = IngestionPipeline(transformations=[splitter, store])
    nodes = pipeline.run(documents=[Document(id_="d", text=text, metadata={"lang": "en"})])
    with PassageIndex.open(store.directory, **MODELS) as index:
        assert [p.id for p in index] == [n.node_id for n in nodes]
        assert [p.position for p in index] == list(range(len(nodes)))
        assert {p.document for p in index} == {"d"} and index.schema == {"lang": "string"}
    assert store.delete("d") == len(nodes)


def test_a_saved_store_is_the_same(tmp_path: Path) -> None:
    store = LlamaIndexStore(tmp_path / "i", **MODELS)
    again = LlamaIndexStore.from_dict(store.to_dict())
    assert again.directory == store.directory and again.to_dict() == store.to_dict()


def test_what_is_refused(tmp_path: Path) -> None:
    store = LlamaIndexStore(tmp_path / "i", **MODELS)
    with pytest.raises(InvalidPassage):
        store.add([chunk("a", "Ada."), chunk("b", "  ")])
    assert store.as_retriever(mode="bm25").retrieve("Ada") == []
