"""The graph of a corpus: equal to loops over sentences, under filters, changes and other tools."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.errors import InvalidFilter, InvalidParameter
from graphagg.graph import load_graph
from graphagg.rag import CorpusGraph, GraphConfig, MultihopConfig, Passage
from tests.unit.rag.brute import MONTHS, Brute
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, SENTENCES, build, corpora

IDS = "abcdefgh"
few = settings(max_examples=6, deadline=None)
TWO_MODE = CommunityConfig(kind="two-mode")
configs = st.builds(
    GraphConfig,
    floor=st.sampled_from([0.0, 0.3]),
    neighbors=st.integers(1, 4),
    max_names=st.integers(2, 6),
    dates=st.booleans(),
)


Contains = dict[tuple[str, str], tuple[int, float]]
Shares = dict[tuple[str, str], float]


class Expected:
    """The graph by loops over all passages and sentences, as `ties` says in words."""

    def __init__(self, corpus: list[Passage], config: GraphConfig) -> None:
        self.config, self.size = config, len(corpus)
        self.seen = Brute(corpus, ENCODER, EXTRACTOR, MultihopConfig())

    def counts(self, key: str) -> bool:
        if key.startswith("link:"):  # a document that a link names is no name
            return False
        dates = all(
            word in MONTHS or re.fullmatch(r"\d+(st|nd|rd|th|s)?", word) for word in key.split(" ")
        )
        return self.config.dates or not dates

    def contains(self) -> Contains:
        """The edges of entities and passages: N and weight."""
        found = {}
        df = Counter(key for ties in self.seen.ties for key in ties)
        for reader, ties in zip(self.seen.readers, self.seen.ties, strict=True):
            for key in filter(self.counts, ties):
                n = len(reader.places(key))
                rarity = math.log(1 + self.size / df[key])
                found[key, reader.passage.id] = n, (1 + math.log(n)) * rarity
        return found

    def sentences(self) -> list[set[str]]:
        """What each sentence names, but for lists."""
        sentences = []
        for reader, mentions in zip(self.seen.readers, self.seen.mentions, strict=True):
            named: list[set[str]] = [set() for _ in reader.sentences]
            for mention in mentions:
                if not mention.nested:
                    named[mention.sentence].add(mention.key)
            named[0] |= reader.pages & self.seen.keys
            sentences += [set(filter(self.counts, keys)) for keys in named]
        return [keys for keys in sentences if len(keys) <= self.config.max_names]

    def shares(self) -> Shares:
        """The edges of entities."""
        sentences = self.sentences()
        alone = Counter(key for keys in sentences for key in keys)
        ordered = (sorted(keys, key=str.encode) for keys in sentences)
        both = Counter(pair for keys in ordered for pair in combinations(keys, 2))
        weights = {
            pair: self.weight(n, alone[pair[0]], alone[pair[1]], len(sentences))
            for pair, n in both.items()
        }
        weights = {p: w for p, w in weights.items() if w > 0 and w >= self.config.floor}
        kept = set()
        for key in alone:
            others = [
                (-w, (set(pair) - {key}).pop().encode(), pair)
                for pair, w in weights.items()
                if key in pair
            ]
            kept |= {pair for *_, pair in sorted(others)[: self.config.neighbors]}
        return {pair: weights[pair] for pair in kept}

    def weight(self, both: int, first: int, second: int, total: int) -> float:
        if both == total:
            return 1.0
        return math.log(total * both / (first * second)) / math.log(total / both)


def edges_of(
    graph: CorpusGraph,
) -> tuple[dict[tuple[str, str], tuple[int, float]], dict[tuple[str, str], float]]:
    first = graph.passage_edges().to_pylist()
    second = graph.entity_edges().to_pylist()
    return (
        {(e["set"], e["element"]): (e["count"], e["weight"]) for e in first},
        {(e["source"], e["target"]): e["weight"] for e in second},
    )


def assert_equal(found: CorpusGraph, expected: CorpusGraph) -> None:
    """To the bit."""
    assert list(found.passages) == list(expected.passages)
    assert list(found.entities) == list(expected.entities)
    for name in ("contains", "shares"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.counts, expected.counts)


@few
@given(corpora(IDS), configs)
def test_it_is_the_graph_that_loops_over_all_sentences_give(
    corpus: list[Passage], config: GraphConfig
) -> None:
    with tempfile.TemporaryDirectory() as folder, build(corpus, Path(folder) / "i") as index:
        graph = index.graph(config=config)
        expected = Expected(corpus, config)
        contains, shares = expected.contains(), expected.shares()
        found_contains, found_shares = edges_of(graph)
        assert {k: n for k, (n, _) in found_contains.items()} == {
            k: n for k, (n, _) in contains.items()
        }
        for pair, (_, weight) in contains.items():
            assert found_contains[pair][1] == pytest.approx(weight, rel=1e-12)
        assert found_shares.keys() == shares.keys()
        for pair, weight in shares.items():
            assert found_shares[pair] == pytest.approx(weight, rel=1e-12)
        assert {key for key, _ in contains} == set(graph.entities)


@few
@given(corpora(IDS), corpora("uvwxyz"), st.integers(0, 3))
def test_after_changes_it_is_the_graph_of_a_rebuild(
    corpus: list[Passage], more: list[Passage], gone: int
) -> None:
    left = corpus[min(gone, len(corpus) - 1) :] + more
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "i") as index, build(left, root / "again") as again:
            index.add(more)
            if len(left) < len(corpus) + len(more):
                index.delete([p.id for p in corpus if p not in left], ignore_missing=True)
            if [p.id for p in index] == [p.id for p in left]:  # no document's id was deleted
                assert_equal(index.graph(), again.graph())
            index.compact()
            with build(list(index), root / "compact") as rebuilt:
                assert_equal(index.graph(), rebuilt.graph())


@pytest.fixture
def graph(tmp_path: Path) -> CorpusGraph:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build(corpus, tmp_path / "i") as index:
        return index.graph()


def test_other_tools_take_it(graph: CorpusGraph, tmp_path: Path) -> None:
    graph.save(tmp_path / "edges.parquet", "entities")
    read = load_graph(tmp_path / "edges.parquet")
    assert read.edges == len(graph.shares.weight)
    with CommunityIndex.build(graph.entity_edges(), tmp_path / "c") as index:
        assert set(index.vertices) <= set(graph.entities)
    with CommunityIndex.build(graph.passage_edges(), tmp_path / "t", config=TWO_MODE) as index:
        assert set(index.vertices) == set(graph.entities)
    graph.save(tmp_path / "sets.csv", "passages")
    assert len((tmp_path / "sets.csv").read_text().splitlines()) == 1 + len(graph.counts)


def test_without_names_there_are_no_edges(tmp_path: Path) -> None:
    with build(
        [Passage("a", "nobody is named here."), Passage("b", "nor here.")], tmp_path / "i"
    ) as index:
        graph = index.graph()
        assert graph.to_json() == {"passages": 2, "entities": 0, "contains": 0, "shares": 0}
        assert graph.entity_edges().num_rows == graph.passage_edges().num_rows == 0


def test_bad_requests_are_named(graph: CorpusGraph, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="suffix"):
        graph.save(tmp_path / "edges.txt")
    with pytest.raises(InvalidParameter, match="edges"):
        graph.save(tmp_path / "edges.csv", "both")  # type: ignore[arg-type]
    with build([Passage("a", "Ada.")], tmp_path / "j") as index, pytest.raises(InvalidFilter):
        index.graph(filter={"nothing": 1})
