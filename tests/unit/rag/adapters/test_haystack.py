"""The Haystack retriever inside Haystack."""

from __future__ import annotations

import asyncio

import pytest
from haystack import Pipeline
from haystack.components.builders import PromptBuilder
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidFilter
from graphagg.rag import PassageIndex
from graphagg.rag.adapters.haystack import HaystackRetriever, own_filter

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
