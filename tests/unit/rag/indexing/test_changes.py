"""After any changes an index is the index of the passages that are left."""

from __future__ import annotations

import random
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from graphagg.nearest import search
from graphagg.nearest.vectors import encode
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.operations.answering import answer
from graphagg.rag.question.request import Request
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from tests.fakes import FakeEncoder, InMemory
from tests.unit.rag.corpora import (
    ENCODER,
    EXTRACTOR,
    POOLING,
    SENTENCES,
    TITLES,
    answers,
    assert_same_answers,
    build,
    corpora,
)

IDS = "abcdefgh"


def assert_same_arrays(snapshot: PassageSnapshot, expected: InMemory) -> None:
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
    for name in ("entity", "start", "length", "sentence", "flags", "count", "pair_flags"):
        same[name] = getattr(g, name), getattr(e, name)
    for name in ("bounds", "counts", "context"):
        same[f"lexicon {name}"] = getattr(snapshot.lexicon, name), getattr(expected.lexicon, name)
    for name, (found, wanted) in same.items():
        np.testing.assert_array_equal(found, wanted, name)
    assert list(snapshot.lexicon.terms) == list(expected.lexicon.terms)


class Changes(RuleBasedStateMachine):
    """An index under random changes, beside the list of passages that it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

    @initialize(corpus=corpora(IDS), encoder=st.sampled_from([ENCODER, POOLING]))
    def begin(self, corpus: list[Passage], encoder: FakeEncoder) -> None:
        self.model = {p.id: p for p in corpus}
        self.options = {"encoder": encoder}
        self.index = build(corpus, self.folder / "changed", **self.options)

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
            report = self.index.delete(sorted(names), ignore_missing=True)
            assert report.details["passages_removed"] == gone
            self.model = left

    @rule()
    def compact(self) -> None:
        self.index.compact()
        assert self.index.manifest.counts["segments"] == 1

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.index = PassageIndex.open(
            self.folder / "changed",
            encoder=self.options["encoder"],
            extractor=EXTRACTOR,
            verify=True,
        )

    @invariant()
    def holds_what_is_left(self) -> None:
        if hasattr(self, "model"):
            assert list(self.index) == list(self.model.values())
            assert_same_arrays(
                self.index.snapshot,
                InMemory.of(list(self.index), self.options["encoder"], EXTRACTOR),
            )

    def teardown(self) -> None:
        try:
            if hasattr(self, "model"):
                self._compare_with_a_rebuilt_one()
        finally:
            shutil.rmtree(self.folder)

    def _compare_with_a_rebuilt_one(self) -> None:
        rebuilt_folder = self.folder / "rebuilt"
        with self.index as index, build(list(index), rebuilt_folder, **self.options) as rebuilt:
            assert_same_answers(answers(index), answers(rebuilt))
            assert {**index.manifest.counts, "segments": 1} == rebuilt.manifest.counts
            assert index.manifest.inputs == rebuilt.manifest.inputs
            assert index.schema == rebuilt.schema
            index.compact()
            assert index.manifest.data == rebuilt.manifest.data  # the digest of all bytes


Changes.TestCase.settings = settings(
    max_examples=5, stateful_step_count=7, deadline=None, phases=(Phase.explicit, Phase.generate)
)
test_any_changes_equal_a_rebuild = Changes.TestCase


def test_a_new_name_over_others_inside_a_run_without_spaces(tmp_path: Path) -> None:
    """Three names on one pair of characters: the order of their arrival does not show."""
    corpus = [Passage("a", "中美关系。"), Passage("b", "York.", "中美")]
    with build(corpus[:1], tmp_path / "i") as index:
        assert list(index.snapshot.gazetteer.keys) == ["中", "美"]
        index.add(corpus[1:])
        assert_same_arrays(index.snapshot, InMemory.of(corpus, ENCODER, EXTRACTOR))
        assert list(index.snapshot.gazetteer.keys) == ["york", "中", "中美", "美"]


def test_a_reader_keeps_its_version_until_it_reopens(tmp_path: Path) -> None:
    old = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    new = Passage("new", "Ada Lovelace read the New York Times in York.", "Who read it")
    with build(old, tmp_path / "i") as writer, build(old, tmp_path / "i") as reader:
        before = answers(reader)
        writer.add([new])
        writer.delete(["p0"])
        writer.compact()
        assert_same_answers(answers(reader), before)
        assert len(reader) == len(old) and "new" not in reader and reader["p0"] == old[0]
        reader.reopen()
        assert "new" in reader and "p0" not in reader
        assert_same_answers(answers(reader), answers(writer))
        assert answers(reader)["multihop"] != before["multihop"]


def test_a_question_under_way_keeps_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SMALL", 12)  # large enough for FAISS
    corpus = [Passage(f"p{n}", f"Ada saw {n} engines in York.") for n in range(40)]
    with build(corpus, tmp_path / "i") as index:
        expected = index.retrieve("How many did Ada see?", mode="dense")
        index.reopen()
        retriever, old = index.retriever(mode="dense"), index.snapshot.artifact.folder
        index.delete([hit.passage.id for hit in expected])
        index.compact()
        models = index.models
        asked = retriever.encode(retriever.read(["How many did Ada see?"], models), models)
        assert answer(retriever, asked, 5, Request()) == expected
        del retriever
        index.compact()
        assert not old.exists()


SECRET = {
    "id": "gone-qqid",
    "text": "Qqzanzibar Qqtown was qqfound by Ada. Qqsentence ends.",
    "title": "Qqtitle (qqbase)",
    "metadata": {"qqkey": "qqvalue"},
    "document": "qqdocument",
}
KEYS = ("qqzanzibar qqtown", "qqtitle qqbase", "qqtitle", "qqsentence")


def test_nothing_of_a_deleted_passage_is_left(tmp_path: Path) -> None:
    directory = tmp_path / "i"
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build([*corpus[:3], SECRET, *corpus[3:]], directory) as index:
        assert set(KEYS) <= {*index.snapshot.gazetteer.keys} and index.schema == {"qqkey": "string"}
        assert any(term.startswith("qq") for term in index.snapshot.lexicon.terms)
        index.delete(["gone-qqid"])
        for table in (index.snapshot.gazetteer.keys, index.snapshot.lexicon.terms):
            assert len(table) and not [word for word in table if "qq" in word]
        assert index.schema == {}
        index.compact()
    content = b"".join(p.read_bytes() for p in directory.rglob("*") if p.is_file())
    content += b"".join(map(whole, directory.rglob("*.zlib.npy")))
    assert b"Ada Lovelace" in content and b"qq" not in content.lower()
    for text in (*KEYS[:1], *KEYS[3:], "Qqsentence ends."):
        vector = ENCODER.encode([text])
        assert vector.tobytes() not in content and encode(vector).tobytes() not in content


def whole(compressed: Path) -> bytes:
    """All blocks of a table of texts."""
    data, text = np.load(compressed).tobytes(), b""
    while data:
        block = zlib.decompressobj()
        text, data = text + block.decompress(data), block.unused_data
    return text


def test_adding_takes_over_what_is_there_and_keeps_few_segments(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", SENTENCES[i % len(SENTENCES)]) for i in range(40)]
    with build(corpus, tmp_path / "i") as index:
        texts = index.snapshot.artifact.path("s0.passages.texts.zlib.npy").stat().st_ino
        for number in range(15):
            index.add([Passage(f"new{number}", "Ada saw York.")])
            assert index.manifest.counts["segments"] <= 5  # each is half as long as the last
        assert index.snapshot.artifact.path("s0.passages.texts.zlib.npy").stat().st_ino == texts
        index.delete([f"new{number}" for number in range(15)])
        index.compact()
        assert index.manifest.data == build(corpus, tmp_path / "j").manifest.data


def test_with_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted is never found, and `compact` equals a rebuild."""
    monkeypatch.setattr(search, "SMALL", 12)
    monkeypatch.setattr(search, "FLAT", 20)
    rng = random.Random(0)

    def passage(number: int) -> Passage:
        return Passage(f"p{number:02d}", " ".join(rng.choices(SENTENCES, k=3)), rng.choice(TITLES))

    model = {p.id: p for p in map(passage, range(40))}
    with build(model.values(), tmp_path / "i") as index:
        for round_ in range(2):
            gone = rng.sample(sorted(model), 5)
            index.delete(gone)
            changed = [passage(n) for n in range(50, 60, 2 + round_ % 2)]
            index.add(changed, replace=True)
            for name in (*gone, *(p.id for p in changed)):
                model.pop(name, None)
            model |= {p.id: p for p in changed}
            assert index.manifest.counts["passages"] == len(model) > 12
            for batch in answers(index, k=60).values():
                for hits in batch:
                    assert all(hit.passage == model[hit.passage.id] for hit in hits)
            for segment in index.snapshot.corpus.segments:
                windows = len(segment.windows.values)
                assert (segment.search is not None) == (windows > 12)
                if segment.search is not None:
                    assert segment.search.index.ntotal == windows
        index.compact()
        with build(model.values(), tmp_path / "j") as rebuilt:
            assert index.manifest.data == rebuilt.manifest.data
            assert_same_answers(answers(index), answers(rebuilt))
        index.delete(sorted(model)[2:])
        index.compact()
        assert not any(".search." in name for name in index.manifest.files)
