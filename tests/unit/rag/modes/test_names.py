"""Vectors of entity names: in the index, or computed when `linearrag` first needs them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from graphagg.errors import InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.rag.snapshot import names
from tests.fakes import CORPUS, FakeEncoder
from tests.unit.rag.corpora import EXTRACTOR

UNKNOWN = "in which city did Lovelace Byron live?"  # no passage holds the name
KNOWN = "in which city did Ada live?"


class Counting(FakeEncoder):
    calls = 0

    def encode(self, texts, progress=lambda *_: None):  # type: ignore[no-untyped-def]
        self.calls += len(texts) > 1
        return super().encode(texts, progress)


def build(folder: Path, with_linearrag: bool) -> PassageIndex:
    return PassageIndex.build(
        CORPUS, folder, encoder=Counting(), extractor=EXTRACTOR, with_linearrag=with_linearrag
    )


def test_computed_ones_answer_as_stored_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with build(tmp_path / "with", True) as stored, build(tmp_path / "without", False) as index:
        assert len(stored.snapshot.corpus.name_vectors)
        assert not len(index.snapshot.corpus.name_vectors)
        encoder = index.load_encoder()
        assert isinstance(encoder, Counting)
        before = encoder.calls
        assert index.retrieve(KNOWN, mode="linearrag") == stored.retrieve(KNOWN, mode="linearrag")
        assert encoder.calls == before and not caplog.records  # a known name needs none
        for _ in range(2):
            found = index.retrieve(UNKNOWN, mode="linearrag")
            assert found == stored.retrieve(UNKNOWN, mode="linearrag")
        assert encoder.calls == before + 1  # once
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "--with-linearrag" in record.message


def test_too_many_are_refused_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_IN_MEMORY", 1)
    with build(tmp_path / "i", False) as index:
        assert index.retrieve(UNKNOWN) and index.retrieve(KNOWN, mode="linearrag")
        with pytest.raises(InvalidParameter, match=r"at most 1\); build it with_linearrag=True"):
            index.retrieve(UNKNOWN, mode="linearrag")


def test_another_choice_is_another_index(tmp_path: Path) -> None:
    build(tmp_path / "i", False).close()
    with build(tmp_path / "i", True) as index:  # not taken for unchanged
        assert len(index.snapshot.corpus.name_vectors)
        index.add([{"id": "new", "text": "Ada met Grace Hopper."}])
        assert index.snapshot.gazetteer.find("grace hopper") is not None
        entity = index.snapshot.gazetteer.find("grace hopper")
        assert index.snapshot.gazetteer.name_row[entity] >= 0
