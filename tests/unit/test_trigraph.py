"""The Tri-Graph equals what a plain reading of the texts gives."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.graph import Csr
from graphagg.rag.tokens import entity_key, tokenize
from graphagg.rag.trigraph import TriGraph, build_trigraph
from tests.fakes import FakeExtractor

WORDS = ["Ada", "Babbage", "New", "York", "the", "Engine", "runs.", "in", "York.", "Ada's", "a"]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join), min_size=1, max_size=6
)


def dense(matrix: Csr) -> np.ndarray:
    result = np.zeros((matrix.rows, matrix.columns), dtype=int)
    for i in range(matrix.rows):
        result[i, matrix.row(i)] = 1 if matrix.data is None else matrix.values(i)
        assert (np.diff(matrix.row(i)) > 0).all()
    return result


def build(texts: list[str]) -> TriGraph:
    return build_trigraph(texts, FakeExtractor().annotate(texts))


@settings(deadline=None)
@given(TEXTS)
def test_matrices_equal_a_plain_reading(texts: list[str]) -> None:
    graph = build(texts)
    keys, sentences = list(graph.keys), list(graph.sentences)
    assert keys == sorted(set(keys))
    contain, mention, occurrence = (
        dense(m) for m in (graph.contain, graph.mention, graph.occurrence)
    )
    padded = [" " + " ".join(tokenize(text)) + " " for text in texts]
    for e, key in enumerate(keys):
        for p, text in enumerate(padded):
            times = len(re.findall(f"(?= {re.escape(key)} )", text))
            assert occurrence[e, p] == max(times, int(contain[p, e] > 0))
    expected_contain, expected_mention = np.zeros_like(contain), np.zeros_like(mention)
    for p, (text, annotation) in enumerate(
        zip(texts, FakeExtractor().annotate(texts), strict=True)
    ):
        for a, b in annotation.mentions:
            key = entity_key(text[a:b])
            start, end = next(s for s in annotation.sentences if s[0] <= a < s[1])
            expected_contain[p, keys.index(key)] = 1
            sentence = sentences.index(" ".join(text[start:end].split()))
            expected_mention[sentence, keys.index(key)] = 1
    assert ((contain > 0) == expected_contain).all()
    assert (mention == expected_mention).all()
    assert (contain == np.where(contain > 0, occurrence.T, 0)).all()
    assert (dense(graph.contained_in) == contain.T).all()
    assert (dense(graph.mentioned_by) == mention.T).all()
    assert mention.sum(axis=1).all() and contain.sum(axis=0).all()


def test_keys_unite_spellings() -> None:
    spellings = ["The Beatles", "the Beatles", "THE BEATLES", "Beatles", "Beatles'", "Beatles's"]
    assert {entity_key(s) for s in spellings} == {"beatles"}
    assert entity_key("José  Álvarez") == entity_key("Jose Alvarez") == "jose alvarez"
    assert entity_key("The") == "the"
    assert entity_key("«—»") == ""
    assert entity_key("U.S.") == "u s"


def test_the_commonest_spelling_is_shown() -> None:
    graph = build(["See The Engine. See The Engine.", "See ENGINE."])
    names = dict(zip(graph.keys, graph.names, strict=True))
    assert names == {"see the engine": "See The Engine", "see engine": "See ENGINE"}


@given(st.integers(0, 10_000))
def test_csr_gather_and_transpose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 3, (rng.integers(1, 8), rng.integers(1, 8)))
    csr = Csr.from_pairs(*np.nonzero(matrix), matrix[np.nonzero(matrix)], matrix.shape)
    assert (dense(csr) == matrix).all() and (dense(csr.transpose()) == matrix.T).all()
    rows = rng.integers(0, len(matrix), 5)
    owners, columns = csr.gather(rows)
    expected = [(i, c) for i, r in enumerate(rows) for c in np.flatnonzero(matrix[r])]
    assert list(zip(owners.tolist(), columns.tolist(), strict=True)) == expected
