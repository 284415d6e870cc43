"""The library's retrieval equals the literal transcription on random corpora."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphagg.rag import Hit, Passage
from graphagg.rag.config.modes import PASSAGE_NODE_WEIGHT, LinearRAGConfig
from graphagg.rag.documents.tokens import entity_key, tokenize
from graphagg.rag.modes.linearrag.activation import Seed
from graphagg.rag.modes.linearrag.search import LinearRAGSearch, SeededQuestion
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.snapshot.search import DenseIndex
from tests.fakes import FakeEncoder, FakeExtractor, InMemory
from tests.parity.literal import Dense, scores
from tests.unit.rag.brute import products, rounded

DIMENSION = 6


class TextEncoder(FakeEncoder):
    """A random vector a text, with a part in common that makes bridges likely."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"texts {seed}", DIMENSION)
        self.common = float(np.random.default_rng(seed).uniform(0, 2))

    def _vector(self, text: str) -> np.ndarray:
        digest = hashlib.sha256(f"{self.name} {text}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        vector = rng.normal(size=self.dimension) + self.common
        return vector / np.linalg.norm(vector)


@dataclass
class Case:
    """A random corpus, some of it hidden, and three questions on it, for both sides."""

    retriever: LinearRAGSearch
    questions: list[SeededQuestion]
    literal: list[Dense]
    keys: list[str]
    sentences: list[str]
    ids: list[str]
    rng: np.random.Generator
    dense: DenseIndex

    def hits(self, question: SeededQuestion, k: int, config: LinearRAGConfig) -> list[Hit]:
        similarities = self.dense.similarities(question.query, self.retriever.view.row_set)
        return self.retriever.hits(self.retriever.rank(question, similarities, config), k)

    def ranked(self, hits: Sequence[Hit]) -> np.ndarray:
        found = {hit.passage.id: hit.score for hit in hits}
        assert set(found) <= set(self.ids)
        return np.array([found.get(identifier, 0.0) for identifier in self.ids])


def random_passage(rng: np.random.Generator, number: int, entities: int) -> Passage:
    """Sentences of names, which are found, and names in lower case, which are not."""

    def sentence() -> str:
        words = []
        for name in rng.integers(0, entities, rng.integers(0, 5)):
            words += ["and", f"N{name}" if rng.random() < 0.7 else f"n{name}"]
        return " ".join([*words, f"w{rng.integers(9)}."])

    titles = ["", f"N{rng.integers(entities)}", f"n{rng.integers(entities)}"]
    text = " ".join(sentence() for _ in range(rng.integers(1, 5)))
    return Passage(f"p{number}", text, titles[rng.integers(3)])


def plain_sentences(passage: Passage) -> list[str]:
    """The title stands on a line above the first sentence."""
    first, *rest = [f"{part}." for part in passage.text.removesuffix(".").split(". ")]
    return [f"{passage.title}\n{first}" if passage.title else first, *rest]


def names_in(text: str) -> list[str]:
    return [word.lower() for word in text.replace(".", "").split() if word[0] == "N"]


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    entities = int(rng.integers(1, 12))
    passages = [random_passage(rng, i, entities) for i in range(rng.integers(2, 12))]
    encoder = TextEncoder(seed)
    index = InMemory.of(passages, encoder, FakeExtractor())
    visible = rng.random(len(passages)) < rng.uniform(0.3, 1.2)
    visible[0] = True
    retriever = LinearRAGSearch(index.corpus, index.view(visible), index.dense.ranks)

    seen = [p for p, there in zip(passages, visible, strict=True) if there]
    owners, sentences = zip(
        *((i, text) for i, p in enumerate(seen) for text in plain_sentences(p)), strict=True
    )
    keys = sorted({name for text in sentences for name in names_in(text)})
    N = np.array([[tokenize(p.full_text).count(key) for key in keys] for p in seen])
    M = np.array([[int(key in names_in(text)) for key in keys] for text in sentences])
    found = np.array([(M[np.array(owners) == i] > 0).any(axis=0) for i in range(len(seen))])
    C = np.where(found, N, 0)
    windows = [window for (window,) in encoder.split([p.full_text for p in seen])]
    of_passages, of_sentences = map(rounded, map(encoder.encode, (windows, list(sentences))))

    questions, literal = [], []
    for number in range(3 if keys else 0):
        (vector,) = encoder.encode([f"question {number}"])
        names, seeds = [], []
        for j in range(rng.integers(1, 4)):
            target, score = int(rng.integers(len(keys))), 1.0
            if rng.random() < 0.5:
                score = float(rng.uniform(0.1, 1.0))
            entity = retriever.entity_named(keys[target].upper())
            names.append(Seed(f"m{j}", entity, score))
            seeds.append((target, score))
        reading = QuestionReading("q", (), (), (), (), ())
        questions.append(SeededQuestion(reading, vector, seeds=tuple(names)))
        sigma = np.minimum(products(of_sentences, vector), 1.0)
        literal.append(Dense(C, N, M, products(of_passages, vector), sigma, seeds))
    ids = [p.id for p in seen]
    return Case(retriever, questions, literal, keys, list(sentences), ids, rng, index.dense)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=754)  # similarities of .644 to .649
def test_equals_literal_transcription(seed: int) -> None:
    case = random_case(seed)
    rng = case.rng
    config = LinearRAGConfig(
        max_iterations=int(rng.integers(1, 5)),
        threshold=float(rng.uniform(0.05, 0.9)),
        passage_ratio=float(rng.uniform(0, 3)),
        top_k_sentence=int(rng.integers(1, 4)),
        damping=float(rng.uniform(0.1, 0.9)),
    )
    expected = [
        scores(
            g, config.max_iterations, config.threshold, config.top_k_sentence,
            config.passage_ratio, PASSAGE_NODE_WEIGHT, config.damping,
        )
        for g in case.literal
    ]  # fmt: skip
    everything = len(case.ids)
    for question, graph, wanted in zip(case.questions, case.literal, expected, strict=True):
        hits = case.hits(question, everything, config)
        np.testing.assert_allclose(case.ranked(hits), wanted, atol=_rounding(graph))
        found = [hit.score for hit in hits]
        assert len(found) == everything and found == sorted(found, reverse=True)


def _rounding(graph: Dense) -> float:
    """What float32 similarities allow: the prior scales their range to 1, and their last digit."""
    return 1e-6 + 1e-7 / max(float(np.ptp(graph.passages)), 1e-4)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_paths_lead_from_the_question_to_the_passage(seed: int) -> None:
    case = random_case(seed)
    config = LinearRAGConfig(threshold=0.1, top_k_sentence=3)
    for question, g in zip(case.questions, case.literal, strict=True):
        for hit in case.hits(question, 5, config):
            assert hit.path[-1].kind == "passage" and hit.path[-1].passage_id == hit.passage.id
            if len(hit.path) == 1:
                assert hit.components["entity"] == 0
                continue
            kinds = [hop.kind for hop in hit.path]
            assert kinds[0] == "question_entity" and kinds[-1] == "passage"
            assert kinds[1:-1] == (["entity", "sentence"] * len(kinds))[: len(kinds) - 2]
            entities = [case.keys.index(entity_key(h.text)) for h in hit.path if h.kind == "entity"]
            bridges = [h.text for h in hit.path if h.kind == "sentence"]
            for before, text, after in zip(entities, bridges, entities[1:], strict=False):
                assert any(
                    g.M[s, before] and g.M[s, after]
                    for s, sentence in enumerate(case.sentences)
                    if sentence == text
                )
            assert g.N[case.ids.index(hit.passage.id), entities[-1]] > 0
