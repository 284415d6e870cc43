"""The map: its parts by brute force, and the same under filters and changes."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, UnknownPassage, UnknownTheme
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.network import SCALE, nearest, whole_vectors
from graphagg.rag.corpus.theme_words import ThemeWords
from graphagg.rag.corpus.themes import ThemeMap
from graphagg.rag.documents.tokens import tokenize
from tests.unit.rag.corpora import SENTENCES, build, corpora
from tests.unit.rag.corpus.test_corpus_graph import assert_equal

IDS = "abcdefgh"
few = settings(max_examples=6, deadline=None)
SMALL = MapConfig(nearest_passages=2)


def assert_same(found: ThemeMap, expected: ThemeMap) -> None:
    """To the bit."""
    assert found.to_json() == expected.to_json()
    assert list(found.passages) == list(expected.passages)
    np.testing.assert_array_equal(found.theme_of, expected.theme_of)


@few
@given(corpora(IDS))
def test_themes_hold_everything_once_with_the_words_and_spans_of_loops(
    corpus: list[Passage],
) -> None:
    with tempfile.TemporaryDirectory() as folder, build(corpus, Path(folder) / "i") as index:
        made = index.map(config=SMALL)
        assert list(made.passages) == [p.id for p in corpus]
        members = {theme.id: made.passages_of(theme.id) for theme in made}
        assert sorted(p for ids in members.values() for p in ids) == sorted(made.passages)
        assert list(members) == [str(i + 1) for i in range(len(made))]
        sizes = [theme.passages for theme in made]
        assert sizes == [len(ids) for ids in members.values()] == sorted(sizes, reverse=True)
        analyzer = index.snapshot.analyzers.for_language("")  # words and spans by loops
        of_passage = {p.id: p for p in corpus}
        counts, holders = [], []
        for theme in made:
            assert {p.id for p in theme.typical} <= set(members[theme.id])
            assert all(made.theme_of_passage(p) == theme for p in members[theme.id])
            inside = [of_passage[i] for i in members[theme.id]]
            stems = [stems_of(p, index) for p in inside]
            counts.append(sum(stems, Counter()))
            holders.append(Counter(stem for each in stems for stem in each))
            dated = sorted(p.metadata["when"] for p in inside if "when" in p.metadata)
            span = None if theme.span is None else (theme.span.first, theme.span.last)
            if made.when == "when":
                assert span == ((dated[0], dated[-1]) if dated else None)
        everywhere = sum(counts, Counter())
        average = everywhere.total() / max(sum(map(bool, counts)), 1)
        for theme, of_theme, held in zip(made, counts, holders, strict=True):
            expected = {
                stem: n / of_theme.total() * math.log(1 + average / everywhere[stem])
                for stem, n in of_theme.items()
                if held[stem] >= min(2, theme.passages)
            }
            best = sorted(expected.values(), reverse=True)[: SMALL.shown]
            shown = [expected[analyzer.stem(word)] for word in theme.words]
            assert shown == pytest.approx(best)


def stems_of(passage: Passage, index: PassageIndex) -> Counter[str]:
    """The stems that may stand for a theme, with their counts."""
    snapshot = index.snapshot
    row, lexicon = snapshot.known_row(passage.id), snapshot.lexicon
    analyzer = snapshot.analyzers.for_language("")
    stops = {analyzer.stem(word) for word in analyzer.stop_words}
    found: Counter[str] = Counter()
    for stem in lexicon.terms:
        postings = lexicon.find(stem)
        assert postings is not None
        here = np.flatnonzero(postings.rows == row)
        usual = (len(stem) > 1 or not stem.isascii()) and any(c.isalpha() for c in stem)
        if len(here) and usual and stem not in stops:
            found[stem] = int(postings.counts[here[0]])
    return +found  # without words of its document's name alone


@few
@given(corpora(IDS, least=2), st.sets(st.sampled_from(IDS), min_size=1))
def test_a_filter_sees_map_and_graph_of_an_index_of_what_it_leaves(
    corpus: list[Passage], hidden: set[str]
) -> None:
    left = [p for p in corpus if p.id not in hidden and p.document not in hidden]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "all") as index:
            names = [name for name in hidden if index.snapshot.rows_named(name)]
            seen, graph = index.map(config=SMALL, exclude=names), index.graph(exclude=names)
            if left:
                with build(left, root / "left") as smaller:
                    assert_same(seen, smaller.map(config=SMALL))
                    assert_equal(graph, smaller.graph())
            else:
                assert set(graph.to_json().values()) == {0}
                assert len(seen) == 0 and seen.to_json()["themes"] == []


@few
@given(corpora(IDS, least=2), corpora("uvwxyz"))
def test_after_changes_it_is_the_map_of_a_rebuild(
    corpus: list[Passage], more: list[Passage]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "i") as index:
            before = index.map(config=SMALL)
            index.add(more)
            with build(list(index), root / "more") as rebuilt:
                assert_same(index.map(config=SMALL), rebuilt.map(config=SMALL))
            left = {p.id for p in corpus}
            index.delete([p.id for p in index if p.id not in left and not in_use(p.id, corpus)])
            if [p.id for p in index] == [p.id for p in corpus]:
                assert_same(index.map(config=SMALL), before)


def in_use(name: str, corpus: list[Passage]) -> bool:
    return any(p.document == name for p in corpus)


def corpus_of(count: int = 13) -> list[Passage]:
    return [Passage(f"p{i}", SENTENCES[i % len(SENTENCES)] + f" {i}") for i in range(count)]


def test_one_passage_and_no_entity(tmp_path: Path) -> None:
    with build([Passage("a", "nobody is named here.", "")], tmp_path / "i") as index:
        (theme,) = index.map()
        assert theme.passages == 1 and not theme.entities and theme.typical[0].id == "a"
    with build([Passage("a", "12 34.", "")], tmp_path / "j") as index:
        assert index.map()["1"].label == "a"  # no word either


def test_errors_and_files_of_a_map(tmp_path: Path) -> None:
    with build(corpus_of(), tmp_path / "i") as index:
        made = index.map(config=MapConfig(resolution=1e-6))
        assert len(made) == 1 < len(index.map(config=MapConfig(resolution=9.0)))
        assert index.map() is index.map()
        with pytest.raises(UnknownTheme, match="theme '99'"):
            made["99"]
        with pytest.raises(UnknownPassage):
            made.theme_of_passage("nobody")
        with pytest.raises(InvalidParameter, match="when is 'born'"):
            index.map(config=MapConfig(when="born"))
        with pytest.raises(InvalidParameter, match="suffix"):
            made.save(tmp_path / "map.txt")
        made.save(tmp_path / "map.csv")
        made.save(tmp_path / "map.json")
        assert json.loads((tmp_path / "map.json").read_text()) == made.to_json()


@pytest.mark.parametrize("wrong", [{"resolution": 0.0}, {"nearest_passages": -1}, {"shown": 0}])
def test_bad_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        MapConfig(**wrong)  # type: ignore[arg-type]


@few
@given(st.integers(1, 9), st.integers(0, 12), st.integers(0, 1000))
def test_neighbors_are_those_of_all_pairs(count: int, neighbors: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (count, 4)).astype(np.float32)  # with many ties
    edges = nearest(vectors, neighbors)
    found = list(zip(edges.source.tolist(), edges.target.tolist(), edges.weight, strict=True))
    expected = []
    for a in range(count):
        products = [(-float(vectors[a] @ vectors[b]), b) for b in range(count) if b != a]
        expected += [(a, b, -p / SCALE**2) for p, b in sorted(products)[:neighbors] if p < 0]
    assert found == expected


def test_the_vector_of_a_passage_is_the_mean_of_its_windows(tmp_path: Path) -> None:
    long = " ".join(SENTENCES)
    with build([Passage("a", long), Passage("b", SENTENCES[0])], tmp_path / "i") as index:
        corpus = index.snapshot.corpus
        bounds = corpus.window_bounds
        for row, vector in enumerate(whole_vectors(corpus, np.arange(2))):
            windows = corpus.windows.take(np.arange(bounds[row], bounds[row + 1]))
            mean = windows.astype(np.float64).sum(axis=0)
            np.testing.assert_array_equal(vector, np.rint(mean / np.linalg.norm(mean) * SCALE))


def test_words_are_spelled_as_the_corpus_writes_them(tmp_path: Path) -> None:
    text = "The engines were engines of JenniferMoore."
    with build([Passage(f"p{i}", text) for i in range(4)], tmp_path / "i") as index:
        words = set(index.map()["1"].words)
        assert {"engines", "jennifer", "moore"} <= words  # also words inside a name
        assert words <= {*tokenize(text), "jennifer", "moore"}


def test_a_word_of_several_languages_stands_once(tmp_path: Path) -> None:
    texts = ("The pump IM22 is old and it was sold.", "Die Pumpe IM22 ist alt und wurde verkauft.")
    corpus = [Passage(f"p{i}", texts[i % 2]) for i in range(6)]
    with build(corpus, tmp_path / "i", language="auto") as index:
        snapshot = index.snapshot
        words = ThemeWords(snapshot, snapshot.view(None))
        (shown,) = words.distinctive(np.zeros(len(corpus), np.int64), 1, 7)
        assert sorted(shown) == ["alt", "im22", "old", "pump", "pumpe", "sold", "verkauft"]
