"""After any changes an index is the index of the passages that are left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from graphagg.rag import Passage, PassageIndex
from graphagg.rag.gazetteer import FOUND
from graphagg.rag.snapshot import Snapshot
from tests.fakes import InMemory
from tests.unit.rag.corpora import (
    ENCODER,
    EXTRACTOR,
    QUESTIONS,
    SENTENCES,
    answers,
    assert_same_answers,
    build,
    corpora,
)

pytestmark = pytest.mark.usefixtures("unsynced")
IDS = "abcdefgh"


def assert_same_arrays(snapshot: Snapshot, expected: InMemory) -> None:
    """Gazetteer and lexicon are those of the passages that are left, but for the row numbers."""
    alive = np.flatnonzero(snapshot.alive)
    number = np.full(len(snapshot.corpus), -1)
    number[alive] = np.arange(len(alive))
    g, e = snapshot.gazetteer, expected.gazetteer
    assert list(g.keys) == list(e.keys)
    same = {
        "kind": (g.kind, e.kind),
        "titles": (g.title_tokens[alive], e.title_tokens),
        "mentions": (np.diff(g.bounds)[alive], np.diff(e.bounds)),
        "pair_bounds": (g.pair_bounds, e.pair_bounds),
        "row": (number[g.row], e.row),
        "lexicon rows": (number[snapshot.lexicon.rows], expected.lexicon.rows),
        "lexicon lengths": (snapshot.lexicon.lengths[alive], expected.lexicon.lengths),
    }
    for name in ("entity", "start", "length", "sentence", "flags", "pair", "count", "pair_flags"):
        same[name] = getattr(g, name), getattr(e, name)
    for name in ("bounds", "counts", "title_counts"):
        same[f"lexicon {name}"] = getattr(snapshot.lexicon, name), getattr(expected.lexicon, name)
    for name, (found, wanted) in same.items():
        np.testing.assert_array_equal(found, wanted, name)
    assert list(snapshot.lexicon.terms) == list(expected.lexicon.terms)
    found = [e.pair_flags[e.pairs(i)].any() and (e.pair_flags[e.pairs(i)] & FOUND).any()
             for i in range(len(e.keys))]
    vectors = [
        corpus.name_vectors.take(names.name_row[found])
        for corpus, names in ((snapshot.corpus, g), (expected.corpus, e))
    ]
    np.testing.assert_array_equal(*vectors)


class Changes(RuleBasedStateMachine):
    """An index under random changes, beside the list of passages that it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

    @initialize(corpus=corpora(IDS))
    def begin(self, corpus: list[Passage]) -> None:
        self.model = {p.id: p for p in corpus}
        self.index = build(corpus, self.folder / "changed")

    @rule(new=corpora(IDS))
    def add(self, new: list[Passage]) -> None:
        fresh = [p for p in new if p.id not in self.model]
        if fresh:
            self.index.add(fresh)
            self.model |= {p.id: p for p in fresh}

    @rule(new=corpora(IDS))
    def add_or_replace(self, new: list[Passage]) -> None:
        self.index.add(new, replace=True)
        self._replace(new)

    @rule(new=corpora(IDS))
    def update(self, new: list[Passage]) -> None:
        known = [p for p in new if p.id in self.model]
        if known:
            self.index.update(known)
            self._replace(known)

    def _replace(self, new: list[Passage]) -> None:
        for p in new:
            self.model.pop(p.id, None)
        self.model |= {p.id: p for p in new}

    @rule(names=st.sets(st.sampled_from([*IDS, "report"]), min_size=1, max_size=4))
    def delete(self, names: set[str]) -> None:
        left = {i: p for i, p in self.model.items() if not {i, p.document} & names}
        if left:
            gone = len(self.model) - len(left)
            assert self.index.delete(sorted(names), ignore_missing=True) == gone
            self.model = left

    @rule()
    def compact(self) -> None:
        self.index.compact()
        assert self.index.manifest.counts["segments"] == 1

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.index = PassageIndex.open(
            self.folder / "changed", encoder=ENCODER, extractor=EXTRACTOR, verify=True
        )

    @invariant()
    def holds_what_is_left(self) -> None:
        if hasattr(self, "model"):
            assert list(self.index) == list(self.model.values())
            assert_same_arrays(
                self.index.snapshot, InMemory.of(list(self.index), ENCODER, EXTRACTOR)
            )

    def teardown(self) -> None:
        try:
            if hasattr(self, "model"):
                self._compare_with_a_rebuilt_one()
        finally:
            shutil.rmtree(self.folder)

    def _compare_with_a_rebuilt_one(self) -> None:
        with self.index as index, build(list(index), self.folder / "rebuilt") as rebuilt:
            expected = answers(rebuilt)
            assert_same_answers(answers(index), expected)
            assert {**index.manifest.counts, "segments": 1} == rebuilt.manifest.counts
            assert index.manifest.inputs == rebuilt.manifest.inputs
            assert index.schema == rebuilt.schema
            index.compact()
            assert index.manifest.data == rebuilt.manifest.data  # the digest of all bytes
            assert_same_answers(answers(index), expected)


Changes.TestCase.settings = settings(max_examples=25, stateful_step_count=7, deadline=None)
test_any_changes_equal_a_rebuild = Changes.TestCase
