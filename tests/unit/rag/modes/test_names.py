"""Vectors of entity names are computed when `linearrag` first needs them, and cached."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from graphagg.errors import InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.rag.modes.linearrag import names
from tests.fakes import CORPUS, FakeEncoder
from tests.unit.rag.corpora import EXTRACTOR

UNKNOWN = "in which city did Lovelace Byron live?"  # no passage holds the name
KNOWN = "in which city did Ada live?"


class Counting(FakeEncoder):
    calls = 0

    def encode(self, texts, progress=lambda *_: None):  # type: ignore[no-untyped-def]
        self.calls += len(texts) > 1
        return super().encode(texts, progress)


def build(folder: Path) -> PassageIndex:
    return PassageIndex.build(CORPUS, folder, encoder=Counting(), extractor=EXTRACTOR)


def test_they_are_computed_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with build(tmp_path / "i") as index:
        encoder = index.models.encoder()
        assert isinstance(encoder, Counting)
        before = encoder.calls
        assert index.retrieve(KNOWN, mode="linearrag")
        assert encoder.calls == before and not caplog.records  # a known name needs none
        first, second = (index.retrieve(UNKNOWN, mode="linearrag") for _ in range(2))
        assert first == second and first[0].method == "linearrag"
        assert encoder.calls == before + 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "entity names" in record.message


def test_a_name_is_linked_to_the_most_similar_visible_one(tmp_path: Path) -> None:
    with build(tmp_path / "i") as index:
        known = names.NameVectors.of_index(index.snapshot, Counting())
        keys = index.snapshot.gazetteer.keys
        vectors = FakeEncoder().encode(["lovelace byron", "another"])
        for entities in (known.entities, known.entities[1::2]):
            cosines = FakeEncoder().encode([keys[e] for e in entities]) @ vectors.T
            found = known.nearest(entities, list(vectors))
            assert [e for e, _ in found] == entities[cosines.argmax(axis=0)].tolist()
            np.testing.assert_allclose([c for _, c in found], cosines.max(axis=0), atol=0.02)


def test_too_many_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_NAMES", 1)
    with build(tmp_path / "i") as index:
        assert index.retrieve(UNKNOWN) and index.retrieve(KNOWN, mode="linearrag")
        with pytest.raises(InvalidParameter, match=r"at most 1\); use mode 'multihop'"):
            index.retrieve(UNKNOWN, mode="linearrag")
