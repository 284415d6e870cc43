from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from graphagg.rag import PassageIndex
from graphagg.store import writing
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

DATA = Path(os.environ.get("GRAPHAGG_DATA", Path(__file__).parents[2] / "shared" / "data"))

for name in ("COLUMNS", "LINES"):  # readline sets them, and a worker of pytest-xdist inherits them
    os.environ.pop(name, None)

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")


@pytest.fixture
def small_index(tmp_path: Path) -> PassageIndex:
    return PassageIndex.build(
        CORPUS, tmp_path / "idx", encoder=FakeEncoder(), extractor=FakeExtractor()
    )


@pytest.fixture(scope="module")
def unsynced() -> Iterator[None]:
    """Nothing waits for the disk: a process that dies loses nothing that it wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "_sync", lambda path: None)
        yield


@pytest.fixture(scope="session")
def demo_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus indexed with the default models."""
    from graphagg.rag import read_passages

    corpus = Path(__file__).parents[1] / "graphagg" / "rag" / "demo" / "passages.jsonl"
    directory = tmp_path_factory.mktemp("demo") / "idx"
    PassageIndex.build(read_passages(corpus), directory).close()
    return directory


@pytest.fixture(scope="session")
def two_wiki() -> Path:
    folder = DATA / "2wikimultihopqa"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set GRAPHAGG_DATA to the folder of the data sets")
    return folder
