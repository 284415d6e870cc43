"""Modes `broad` and `auto`: the choice by its formula, the reasons, and the rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import BroadConfig, LinearRAGConfig, Passage
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.modes import broad
from graphagg.rag.modes.broad import Candidates, choose, decide, fusion
from graphagg.rag.question.reading import Reading
from tests.unit.rag.corpora import QUESTIONS, SENTENCES, build


@pytest.fixture(autouse=True, scope="module")
def usual_themes() -> Iterator[None]:
    """Those that users have; other tests have fewer partitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broad, "MAP", MapConfig())
        yield


CORPUS = [Passage(f"p{i:02}", f"{SENTENCES[i % 13]} {SENTENCES[i % 7]} {i}") for i in range(30)]


def test_fused_ranks_are_those_of_the_formula() -> None:
    rankings = [(np.array([2, 0]), 4.0), (np.array([1, 2, 0]), 1.0)]
    found = fusion(4, rankings, 10)
    expected = [4 / 12 + 1 / 13, 1 / 11, 4 / 11 + 1 / 12, 0.0]
    assert found == pytest.approx(expected)


def drawn(seed: int, count: int, more: int) -> Candidates:
    """Candidates of `multihop`, and `more` of the other rankings."""
    rng = np.random.default_rng(seed)
    themes = np.unique(rng.integers(0, 3, count), return_inverse=True)[1]
    size = count + more
    scores = np.sort(rng.random(count))[::-1]
    return Candidates(scores, themes, rng.integers(0, size, size), rng.integers(1, 9, size) / 8.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 5), st.integers(1, 9))
def test_each_choice_of_the_head_has_the_largest_gain(
    seed: int, count: int, more: int, k: int
) -> None:
    candidates = drawn(seed, count, more)
    scores, themes = candidates.scores, candidates.themes
    config = BroadConfig(spread=np.random.default_rng(seed).random(), head=9)
    chosen = choose(candidates, k, config)[:count]
    low, high = scores.min(), scores.max()
    r = [(s - low) / (high - low) if high > low else 1.0 for s in scores]
    sums = [sum(r[i] ** 2 for i in range(count) if themes[i] == t) for t in range(max(themes) + 1)]
    before: list[int] = []
    for each in chosen:
        gains = {}
        for i in set(range(count)) - set(before):
            left = math.prod(1 - r[j] for j in before if themes[j] == themes[i])
            worth = sums[themes[i]] / max(max(sums), 1e-12)
            gains[i] = (1 - config.spread) * r[i] + config.spread * worth * r[i] * left
        assert each.score == pytest.approx(gains[each.position], abs=1e-9)
        assert each.score >= max(gains.values()) - 1e-8
        before.append(each.position)
    assert len(set(before)) == min(k, count)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 9), st.integers(1, 5))
def test_after_the_head_what_is_untold_comes_first_by_fused_ranks(
    seed: int, count: int, more: int, head: int
) -> None:
    candidates = drawn(seed, count, more)
    chosen = choose(candidates, count + more, BroadConfig(head=head))
    places = [each.position for each in chosen]
    head = min(head, count)
    assert sorted(places) == list(range(count + more))
    assert places[:head] == [each.position for each in choose(candidates, head, BroadConfig())]
    documents, fused = candidates.documents, candidates.fused
    for a, b in pairwise(places[head:]):
        seen = {documents[place] for place in places[: places.index(a)]}
        seen_of = [documents[place] in seen for place in (a, b)]
        assert seen_of[0] <= seen_of[1]
        if not any(seen_of):
            assert fused[a] >= fused[b]
    scores = [each.score for each in chosen]
    assert all(a >= b - 1e-8 for a, b in pairwise(scores))


def test_a_hit_says_for_which_theme_it_stands(tmp_path: Path) -> None:
    with build(CORPUS, tmp_path / "i") as index:
        made = index.map()
        for hit in index.retrieve(QUESTIONS[0], 8, mode="broad"):
            theme, passage = hit.path
            assert (theme.kind, passage.kind) == ("theme", "passage")
            known = {f"{t.id} {t.label}" for t in made.themes_of(hit.passage.id)}
            assert theme.text in known and hit.method == "broad"
            assert sum(hit.components.values()) == pytest.approx(hit.score)


def test_a_stored_map_changes_no_answer(tmp_path: Path) -> None:
    with build(CORPUS, tmp_path / "i") as index:
        before = index.retrieve(QUESTIONS[0], 8, mode="broad")
        index.map()
        index.map(config=MapConfig(resolutions=(1.0,), runs=1))  # of other settings
        index.reopen()
        assert index.retrieve(QUESTIONS[0], 8, mode="broad") == before


def test_one_passage_and_settings_of_another_mode(tmp_path: Path) -> None:
    with build([Passage("a", "Ada.")], tmp_path / "i") as index:
        (hit,) = index.retrieve("what are the main things?", 3, mode="broad")
        assert hit.passage.id == "a"
        with pytest.raises(InvalidParameter, match="BroadConfig"):
            index.retrieve("ada?", mode="broad", config=LinearRAGConfig())
        assert index.retrieve("ada?", mode="auto", filter={"and": []}) is not None


@pytest.mark.parametrize(
    ("text", "names", "is_broad"),
    [
        ("What are the main conflicts?", (), True),
        ("Summarize the discussion", (), True),
        ("which are open?", (), True),
        ("What are the main conflicts of York?", ("York",), True),
        ("Which packages did Ada write?", ("Ada",), True),
        ("Which films with large casts are there?", (), True),
        ("Which film does Ada like?", ("Ada",), False),
        ("What is his name, Ada?", ("Ada",), False),
        ("How is text formatted?", (), True),
        ("Who said so?", (), False),
        ("when was it?", (), False),
    ],
)
def test_the_rule_says_why(text: str, names: tuple[str, ...], is_broad: bool) -> None:
    decision = decide(Reading(text, (), (), tuple(range(len(names))), names))
    assert decision.is_broad == is_broad
    assert is_broad or all(name in decision.why for name in names)


def test_auto_is_one_of_the_two_and_says_which(tmp_path: Path) -> None:
    with build(CORPUS, tmp_path / "i") as index:
        for text, mode in (("what are the main topics?", "broad"), (QUESTIONS[0], "multihop")):
            assert index.retrieve(text, 5, mode="auto") == index.retrieve(text, 5, mode=mode)
            assert (
                f"mode {mode}, since the question" in index.explain(text, "p03", mode="auto").reason
            )


@pytest.mark.parametrize(
    "wrong",
    [
        {"pool": 0},
        {"level": -1},
        {"spread": 1.5},
        {"head": 0},
        {"weight": -0.1},
        {"rank_constant": -1},
    ],
)
def test_bad_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        BroadConfig(**wrong)  # type: ignore[arg-type]
