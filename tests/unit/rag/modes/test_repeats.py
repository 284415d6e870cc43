"""From its third hit on, a file needs a word of the question that its hits so far lack."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag import Passage
from tests.unit.rag.corpora import build

WORDS = ("copper", "silver", "carbon", "helium", "iodine")
FIRST = 10  # hits that change places
PASSAGES = st.tuples(st.sets(st.sampled_from(WORDS), min_size=1), st.sampled_from("ab"))


@given(st.lists(PASSAGES, min_size=4, max_size=14))
def test_a_hit_that_adds_nothing_to_its_file_is_behind_others(
    texts: list[tuple[set[str], str]],
) -> None:
    names = [f"p{i:02d}" for i in range(len(texts))]
    rows = [f"{' '.join(sorted(words))} other{i}." for i, (words, _) in enumerate(texts)]
    files = [
        Passage(name, row, document=file)
        for name, row, (_, file) in zip(names, rows, texts, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for kind, passages in ("plain", map(Passage, names, rows)), ("files", files):
            with build(passages, Path(folder, kind)) as index:
                found.append(index.retrieve(" ".join(WORDS), len(rows), mode="dense"))
    plain, ordered = found
    held: dict[str, list[set[str]]] = {}
    front, behind = [], []
    for hit in plain[:FIRST]:
        words, file = texts[names.index(hit.passage.id)]
        before = held.setdefault(file, [])
        if len(before) < 2 or words - set.union(*before):
            before.append(words)
            front.append(hit.passage.id)
        else:
            behind.append(hit.passage.id)
    expected = [*front, *behind, *(hit.passage.id for hit in plain[FIRST:])]
    assert [hit.passage.id for hit in ordered] == expected
    scores = [hit.score for hit in plain]
    assert [hit.score for hit in ordered] == pytest.approx(scores, abs=1e-9)
    for hit in ordered:
        assert sum(hit.components.values()) == pytest.approx(hit.score, abs=1e-9)
