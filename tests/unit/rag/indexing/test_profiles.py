"""Profiles: what an index is built for, and what it takes to ask it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import ModelMismatch
from graphagg.nearest import search
from graphagg.nearest.vectors import decode
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.config.profile import CODE_WEIGHTS, WEIGHTS
from graphagg.rag.models.static.encoder import StaticEncoder
from graphagg.rag.question.request import Selection
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.rag.corpora import QUESTIONS, SENTENCES, TITLES

HEAVY = (
    "torch", "sentence_transformers", "transformers", "spacy", "faiss", "bm25s", "numba", "pyarrow",
    "numpy.ma", "sqlite3", "graphagg.rag.indexing.build", "graphagg.rag.documents.reading.kinds",
    "graphagg.rag.corpus.themes", "graphagg.rag.modes.linearrag",
)  # fmt: skip


def fast(passages: list[Passage], place: Path) -> PassageIndex:
    return PassageIndex.build(passages, place, profile="fast", language="en", chunking=None)


def some(count: int, seed: int) -> list[Passage]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        text = " ".join(rng.choice(SENTENCES, size=3))
        title = str(rng.choice(TITLES))
        made.append(Passage(f"p{number}", text, title, {"even": number % 2 == 0}))
    return made


@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 99))
def test_a_change_of_a_fast_index_equals_a_rebuild_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    place, corpus = tmp_path_factory.mktemp("fast"), some(14, seed)
    with fast(corpus[:9], place / "a") as index, fast(corpus[2:], place / "b") as rebuilt:
        index.delete(["p0", "p1"])
        index.add(corpus[9:])
        for question in QUESTIONS:
            for mode in ("multihop", "dense", "bm25", "rrf"):
                found = index.retrieve(question, 5, mode=mode)  # type: ignore[arg-type]
                assert found == rebuilt.retrieve(question, 5, mode=mode)  # type: ignore[arg-type]
        index.compact()
        assert index.manifest == rebuilt.manifest


def _weights(index: PassageIndex, *ids: str) -> MultihopConfig:
    return index.snapshot.multihop_config(index.snapshot.view_of(Selection(include=ids or None)))


def test_a_corpus_of_code_has_weights_of_its_own(tmp_path: Path) -> None:
    code = [Passage(f"c{i}", f"def f{i}(x):\n    return g(x)[{i}]") for i in range(9)]
    prose = some(12, 0)
    with fast(code, tmp_path / "idx") as index:
        assert _weights(index) == CODE_WEIGHTS["fast"]
        index.add(prose)
        assert _weights(index) == WEIGHTS["fast"] == _weights(index, "absent")
        assert _weights(index, *(passage.id for passage in code)) == CODE_WEIGHTS["fast"]
        index.delete([passage.id for passage in prose])
        assert _weights(index) == CODE_WEIGHTS["fast"]


def test_the_manifest_names_the_profile_and_its_models(tmp_path: Path) -> None:
    with fast(some(6, 0), tmp_path / "idx") as index:
        assert index.config.profile == "fast" == index.manifest.parameters["profile"]
        view = index.snapshot.view(None)
        assert index.snapshot.multihop_config(view) == WEIGHTS["fast"]
        packaged = StaticEncoder()
        assert index.manifest.models["encoder"] == packaged.spec.to_json()
        assert index.manifest.models["extractor"]["name"] == "rule:en"
        assert index.models.encoder().spec == packaged.spec
        built = index.manifest
    with fast(some(6, 0), tmp_path / "idx") as index:
        assert index.manifest == built
    PassageIndex.build(
        some(6, 0),
        tmp_path / "idx",
        chunking=None,
        encoder=FakeEncoder(),
        extractor=FakeExtractor(),
    ).close()
    with PassageIndex.open(tmp_path / "idx", encoder=FakeEncoder()) as index:
        assert index.config.profile == "standard"
        with pytest.raises(ModelMismatch):
            PassageIndex.open(tmp_path / "idx", encoder=packaged)


def test_vectors_are_stored_in_8_bits(tmp_path: Path) -> None:
    corpus, models = some(9, 3), {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    with PassageIndex.build(corpus, tmp_path / "s", **models) as index:  # type: ignore[arg-type]
        rows = index.snapshot.corpus.windows.matrices[0]
        assert rows.dtype == np.uint8
        vectors = FakeEncoder().encode([p.full_text for p in corpus])
        np.testing.assert_allclose(decode(rows), vectors, atol=1 / 50)


@pytest.mark.parametrize("limit", [search.SMALL, 4])
def test_asking_loads_no_heavy_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(search, "SMALL", limit)
    with fast(some(12, 0), tmp_path / "idx") as index:
        is_searched = index.snapshot.corpus.segments[0].search is not None
        assert is_searched is (limit == 4)
    code = (
        "import sys\nfrom graphagg.cli.main import main\n"
        "from graphagg.nearest import search\n"
        f"search.SMALL = {limit}\n"
        "try:\n    main()\nfinally:\n"
        f"    print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    for more in ((), ("--explain",), ("--mode", "rrf", "--json"))[: 1 if limit == 4 else 3]:
        answer = subprocess.run(
            [sys.executable, "-c", code, "rag", "search", tmp_path / "idx", QUESTIONS[0], *more],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "York" in answer.stdout
        assert set(answer.stderr.split()) <= ({"faiss"} if limit == 4 else set())


def test_where_tokenizers_is_missing(tmp_path: Path) -> None:
    fast(some(3, 0), tmp_path / "idx").close()
    code = (
        "import sys\nsys.modules['tokenizers'] = None\nfrom graphagg.rag import PassageIndex\n"
        f"PassageIndex.open({str(tmp_path / 'idx')!r}).retrieve('Who read?')"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingExtra" in failed.stderr and '[search]"' in failed.stderr


def test_with_the_extra_fast_alone_the_profile_is_fast_and_said(tmp_path: Path) -> None:
    others = "faiss scipy sentence_transformers sklearn spacy threadpoolctl torch".split()
    code = (
        f"import sys\nsys.modules |= dict.fromkeys({others!r})\n"
        "from graphagg.cli.main import main\nmain()"
    )
    source = tmp_path / "docs"
    source.mkdir()
    (source / "ada.md").write_text("# Ada\n\nAda read the New York Times.", encoding="utf-8")
    for asked, said in (
        (["index", source, "--out", tmp_path / "idx"], "profile: fast"),
        (["search", tmp_path / "idx", "Who read the Times?"], "ada.md"),
    ):
        answer = subprocess.run(
            [sys.executable, "-c", code, "rag", *asked], capture_output=True, text=True
        )
        assert answer.returncode == 0 and said in answer.stdout + answer.stderr, answer.stderr
