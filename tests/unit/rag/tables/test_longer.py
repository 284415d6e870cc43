"""Longer forms of a name: found by brute force alike, and they lead to the passage they begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.tables.gazetteer import longer_names
from graphagg.store.strings import StringTable
from tests.unit.rag.corpora import build

WORDS = st.sampled_from(["a", "ab", "b", "é", "中国"])
KEYS = st.sets(st.lists(WORDS, min_size=1, max_size=7).map(" ".join), min_size=1, max_size=40)


@given(keys=KEYS)
def test_longer_names_are_those_with_the_same_ends(keys: set[str]) -> None:
    ordered = sorted(keys, key=str.encode)
    names = longer_names(StringTable.pack(ordered))
    for entity, key in enumerate(ordered):
        ends = key.split(" ")
        wanted = [
            number
            for number, other in enumerate(ordered)
            if len(ends) == 2
            and 3 <= len(words := other.split(" ")) <= 5
            and [words[0], words[-1]] == ends
        ]
        assert list(names(entity)) == wanted == list(names(entity))


@pytest.mark.parametrize("title", ["", "Karan Kumar Johar"])
def test_a_longer_form_of_a_name_is_led_to(title: str, tmp_path: Path) -> None:
    corpus = [
        Passage("film", "Student was directed by Karan Johar.", "Student"),
        Passage("page", "Karan Kumar Johar was born in Mumbai.", title),
        Passage("other", "Karan Kumar was born in Delhi.", ""),
    ]
    with build(corpus, tmp_path / "i") as index:
        hit = next(h for h in index.retrieve("Who made Student?", 3) if h.passage.id == "page")
    assert [hop.text for hop in hit.path if hop.kind == "entity"] == ["Karan Johar"]
    assert hit.path[-1].passage_id == "page"
