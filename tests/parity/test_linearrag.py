"""The library's retrieval equals the literal transcription on random Tri-Graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.graph import Csr
from graphagg.rag.config import RetrievalConfig
from graphagg.rag.dense import DenseIndex
from graphagg.rag.retriever import Mention, PassageTable, Question, Retriever
from graphagg.rag.trigraph import TriGraph
from graphagg.strings import StringTable
from tests.parity.literal import Dense, scores

DIMENSION = 6


def sparse(matrix: np.ndarray, *, pattern: bool = False) -> Csr:
    rows, columns = np.nonzero(matrix)
    data = None if pattern else matrix[rows, columns].astype(np.int32)
    return Csr.from_pairs(rows, columns, data, matrix.shape)


def random_case(seed: int) -> tuple[Retriever, list[Question], list[Dense], np.random.Generator]:
    """A random Tri-Graph with some empty rows and leaves, and three questions on it."""
    rng = np.random.default_rng(seed)
    P, S, E = rng.integers(2, 12), rng.integers(1, 20), rng.integers(1, 12)
    N = rng.integers(1, 4, (P, E)) * (rng.random((P, E)) < rng.uniform(0.1, 0.6))
    C = N * (rng.random((P, E)) < 0.7)
    M = (rng.random((S, E)) < rng.uniform(0.1, 0.5)).astype(int)

    def unit(*shape: int) -> np.ndarray:
        rows = rng.normal(size=shape) + rng.uniform(0, 2)  # a common part makes bridges likely
        return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)

    passages, sentences, entities = unit(P, DIMENSION), unit(S, DIMENSION), unit(E, DIMENSION)
    names = StringTable.pack([f"e{i:02d}" for i in range(E)])
    rows = StringTable.pack([f"p{i}" for i in range(P)])
    blank = StringTable.pack(["{}"] * P)
    contain, mention = sparse(C), sparse(M, pattern=True)
    graph = TriGraph(
        names, names, StringTable.pack([f"s{i}" for i in range(S)]),
        contain, contain.transpose(), mention, mention.transpose(), sparse(N).transpose(),
    )  # fmt: skip
    dense = DenseIndex(passages, np.arange(P + 1))
    retriever = Retriever(PassageTable(rows, rows, rows, blank), graph, dense, sentences, entities)
    questions, literal = [], []
    for _ in range(3):
        vector = unit(DIMENSION)
        mentions, seeds = [], []
        for j in range(rng.integers(1, 4)):
            if rng.random() < 0.5:
                target = int(rng.integers(E))
                mentions.append(Mention(f"m{j}", target))
                seeds.append((target, 1.0))
            else:
                name = unit(DIMENSION)
                similarity = entities @ name
                mentions.append(Mention(f"m{j}", name))
                seeds.append((int(similarity.argmax()), float(similarity.max())))
        questions.append(Question("q", vector, tuple(mentions)))
        sigma = np.minimum((sentences @ vector).astype(float), 1.0)
        literal.append(Dense(C, N, M, (passages @ vector).astype(float), sigma, seeds))
    return retriever, questions, literal, rng


def ranked(retriever: Retriever, hits: list) -> np.ndarray:
    result = np.zeros(len(retriever.passages))
    for hit in hits:
        result[int(hit.passage.id[1:])] = hit.score
    return result


@pytest.mark.parametrize("semantics", ["official", "paper"])
@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_literal_transcription(semantics: str, seed: int) -> None:
    retriever, questions, literal, rng = random_case(seed)
    config = RetrievalConfig(
        semantics=semantics,
        max_iterations=int(rng.integers(1, 5)),
        threshold=float(rng.uniform(0.05, 0.9)),
        passage_ratio=float(rng.uniform(0, 3)),
        top_k_sentence=int(rng.integers(1, 4)),
        passage_node_weight=float(rng.uniform(0.01, 1)),
        damping=float(rng.uniform(0.1, 0.9)),
    )
    expected = [
        scores(
            g, semantics, config.max_iterations, config.threshold, config.top_k_sentence,
            config.passage_ratio, config.passage_node_weight, config.damping,
        )
        for g in literal
    ]  # fmt: skip
    everything = len(retriever.passages)
    for question, wanted in zip(questions, expected, strict=True):
        hits = retriever.retrieve(question, everything, "faithful", config)
        np.testing.assert_allclose(ranked(retriever, hits), wanted, atol=1e-6)
        found = [hit.score for hit in hits]
        assert found == sorted(found, reverse=True)
    together = retriever.retrieve_batch(questions, everything, "faithful", config)
    for hits, wanted in zip(together, expected, strict=True):
        np.testing.assert_allclose(ranked(retriever, hits), wanted, atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_prior_on_all_passages_by_search_equals_the_exact_one(seed: int) -> None:
    """The pushed path for sparse priors gives the swept path's scores when nothing is left out."""
    retriever, questions, _, _ = random_case(seed)
    everything = len(retriever.passages)
    for question in questions:
        exact = retriever.retrieve(question, everything, "faithful", RetrievalConfig())
        pushed = retriever.retrieve(
            question, everything, "faithful", RetrievalConfig(prior_top=everything)
        )
        np.testing.assert_allclose(ranked(retriever, pushed), ranked(retriever, exact), atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_paths_lead_from_the_question_to_the_passage(seed: int) -> None:
    retriever, questions, literal, _ = random_case(seed)
    config = RetrievalConfig(threshold=0.1, top_k_sentence=3)
    for question, g in zip(questions, literal, strict=True):
        for hit in retriever.retrieve(question, 5, "faithful", config):
            if not hit.path:
                assert hit.components.entity == 0
                continue
            kinds = [hop.kind for hop in hit.path]
            assert kinds[0] == "question_entity" and kinds[-1] == "passage"
            assert kinds[1:-1] == (["entity", "sentence"] * len(kinds))[: len(kinds) - 2]
            assert hit.path[-1].text == hit.passage.id
            steps = [int(hop.text[1:]) for hop in hit.path[1:-1]]
            for before, sentence, after in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
                assert g.M[sentence, before] and g.M[sentence, after]
            assert g.N[int(hit.passage.id[1:]), steps[-1]] > 0
