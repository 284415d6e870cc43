"""An index that another process builds anew, by other models, while it is open here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.errors import ModelMismatch
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.models import by_name as opening
from graphagg.store.manifest import read_manifest
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

EXTRACTOR = FakeExtractor()
NEW = Passage("new", "Ada Lovelace lived in London.", "Ada")
QUESTION = "Where did Ada live?"
OTHER = FakeEncoder("other", common=1.0)


def build(directory: Path, corpus: list[Passage], encoder: FakeEncoder) -> PassageIndex:
    return PassageIndex.build(corpus, directory, encoder=encoder, extractor=EXTRACTOR)


CHANGES: dict[str, Callable[[PassageIndex], object]] = {
    "reopen": PassageIndex.reopen,
    "add": lambda index: index.add([NEW]),
    "update": lambda index: index.update([Passage(CORPUS[0].id, "Ada is here.")]),
    "delete": lambda index: index.delete([CORPUS[0].id]),
    "compact": PassageIndex.compact,
}


@pytest.mark.parametrize("change", CHANGES)
def test_given_models_refuse_it_and_the_opened_version_stays(tmp_path: Path, change: str) -> None:
    index = build(tmp_path / "i", CORPUS, FakeEncoder())
    before = index.retrieve(QUESTION)
    build(tmp_path / "i", CORPUS, OTHER).close()
    published = read_manifest(tmp_path / "i")
    with pytest.raises(ModelMismatch, match=r"the encoder 'other'.*this one is 'fake'"):
        CHANGES[change](index)
    assert read_manifest(tmp_path / "i") == published
    assert index.retrieve(QUESTION) == before


@pytest.mark.parametrize("change", ["reopen", "add"])
def test_models_loaded_by_name_follow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    by_name = {"fake": FakeEncoder(), "other": OTHER}
    monkeypatch.setattr(opening, "encoder_of", lambda profile, name, *_: by_name[name])
    build(tmp_path / "i", CORPUS, FakeEncoder()).close()
    index = PassageIndex.open(tmp_path / "i", extractor=EXTRACTOR)
    before = index.retrieve(QUESTION)
    build(tmp_path / "i", CORPUS, OTHER).close()
    assert index.retrieve(QUESTION) == before
    CHANGES[change](index)
    corpus = [*CORPUS, NEW] if change == "add" else CORPUS
    assert index.retrieve(QUESTION) == build(tmp_path / "j", corpus, OTHER).retrieve(QUESTION)
    assert index.models.encoder() is OTHER and index.models.extractor() is EXTRACTOR
