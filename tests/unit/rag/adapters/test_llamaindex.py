"""The LlamaIndex retriever inside LlamaIndex."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores.simple import build_metadata_filter_fn
from llama_index.core.vector_stores.types import FilterCondition, MetadataFilter, MetadataFilters

from graphagg.errors import InvalidFilter, InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever
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
    with pytest.raises(error, match=r"expected|give only one"):
        LlamaIndexRetriever(index, **options).retrieve("London")
