"""The Tri-Graph equals what a plain reading of the texts gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.documents.tokens import entity_key, tokenize
from graphagg.rag.modes.linearrag.trigraph import TriGraph
from graphagg.rag.tables.gazetteer import Speller
from tests.fakes import FakeExtractor, InMemory

WORDS = ["Ada", "Babbage", "New", "York", "the", "Engine", "runs.", "in", "York.", "Ada's", "a"]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join), min_size=1, max_size=6
)


def matrix(row_of: Callable[[int], Any], shape: tuple[int, int]) -> np.ndarray:
    """A matrix from a reader of its rows: their columns, or columns and values."""
    result = np.zeros(shape, dtype=int)
    for i in range(shape[0]):
        row = row_of(i)
        columns, values = row if isinstance(row, tuple) else (row, 1)
        assert (np.diff(columns) > 0).all()
        result[i, columns] = values
    return result


def mention_matrices(graph: TriGraph, entities: int) -> tuple[np.ndarray, np.ndarray]:
    """M by its rows and by its columns, each."""
    shape = (int(graph.sentence_bounds[-1]), entities)
    made = []
    for read, count in ((graph.entities_of, shape[0]), (graph.sentences_of, shape[1])):
        made.append(matrix(read, (count, shape[0] + shape[1] - count)))
    return made[0], made[1]


def read(texts: list[str]) -> InMemory:
    return InMemory.of([Passage(f"p{i}", text) for i, text in enumerate(texts)])


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.data())
def test_matrices_equal_a_plain_reading(texts: list[str], data: st.DataObject) -> None:
    index = read(texts)
    hidden = data.draw(st.sets(st.sampled_from(range(len(texts)))))
    visible = np.array([p not in hidden for p in range(len(texts))])
    graph = TriGraph(index.view(visible), index.corpus.sentence_bounds, np.arange(len(visible)))
    keys = list(index.gazetteer.keys)
    assert keys == sorted(set(keys))
    shape = (len(keys), len(texts))
    occurrence = matrix(graph.occurrences, shape)
    found_in = matrix(graph.found_in, shape)
    mention, mentioned_by = mention_matrices(graph, len(keys))
    assert (mentioned_by == mention.T).all()
    expected_contain = np.zeros((len(texts), len(keys)), dtype=int)
    expected_mention, expected_occurrence = np.zeros_like(mention), np.zeros_like(occurrence)
    for p in np.flatnonzero(visible):
        padded = " " + " ".join(tokenize(texts[p])) + " "
        for e, key in enumerate(keys):
            expected_occurrence[e, p] = len(re.findall(f"(?= {re.escape(key)} )", padded))
        (annotation,) = FakeExtractor().annotate([texts[p]])
        for a, b in annotation.mentions:
            e = keys.index(entity_key(texts[p][a:b]))
            number = next(i for i, s in enumerate(annotation.sentences) if s[0] <= a < s[1])
            expected_contain[p, e] = expected_occurrence[e, p]
            expected_mention[graph.sentence_bounds[p] + number, e] = 1
    assert (occurrence == expected_occurrence).all()
    assert (found_in == (expected_contain > 0).T).all()
    assert (mention == expected_mention).all()
    assert graph.entities.tolist() == np.flatnonzero(found_in.any(axis=1)).tolist()
    weights = expected_contain / np.maximum(expected_contain.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose([graph.to_entities(one) for one in np.eye(len(texts))], weights)
    by_entity = np.array([graph.to_passages(one) for one in np.eye(len(keys))])
    np.testing.assert_allclose(by_entity.reshape(shape), weights.T)
    for per, sums in ((graph.per_entity, weights.sum(0)), (graph.per_passage, weights.sum(1))):
        np.testing.assert_allclose(per[sums > 0] * sums[sums > 0], 1.0)
        assert not per[sums == 0].any()


def test_sentences_of_equal_text_are_one_a_passage() -> None:
    index = read(["Ada ran. Ada ran.", "Ada ran."])
    graph = TriGraph(index.view(), index.corpus.sentence_bounds, np.arange(2))
    assert graph.sentence_bounds.tolist() == [0, 2, 3]
    ada = index.gazetteer.find("ada")
    assert graph.sentences_of(ada).tolist() == [0, 1, 2]
    graph = TriGraph(index.view(), index.corpus.sentence_bounds, np.array([1, 0]))
    assert graph.sentences_of(ada).tolist() == [2, 0, 1]  # by ids, however rows are ordered


def test_an_entity_is_spelled_as_its_passage_writes_it_first() -> None:
    index = read(["see the engine. The Engine, the ENGINE.", "See ENGINE. So Engine.", "nothing."])
    entity = index.gazetteer.find("engine")
    assert entity is not None
    speller = Speller(index.corpus, index.gazetteer)
    names = [speller.spelling(entity, row) for row in range(3)]
    assert names == ["engine", "ENGINE", "engine"]  # its key where the passage lacks it


def test_an_entity_inside_a_run_without_spaces_is_spelled_without_the_run() -> None:
    names = ("中国人民", "中", "กรุงเทพ", "대한민국")
    text = "中国人民日报在中国。อยู่ในกรุงเทพมหานคร 대한민국은"
    index = InMemory.of([Passage("p", text)], extractor=FakeExtractor("", names))
    speller = Speller(index.corpus, index.gazetteer)
    assert {speller.spelling(e, 0) for e in range(len(index.gazetteer.keys))} == {*names}
