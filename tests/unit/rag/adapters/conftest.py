from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

MORE = [
    Passage("p6", "Babbage was born in London.", "Babbage", {"kind": "person", "year": 1791}),
    Passage("p7", "Ada was born in London.", "Lovelace", {"title": "countess", "year": 1815}),
]


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    where: Path = tmp_path_factory.mktemp("adapters") / "idx"
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    return PassageIndex.build([*CORPUS, *MORE], where, **models)
