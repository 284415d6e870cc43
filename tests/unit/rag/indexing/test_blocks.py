"""A build in blocks of any size, killed or not, gives the bytes of a build in one block."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import DuplicateId, WriteFailed
from graphagg.execution import arrays as arrays_module
from graphagg.execution.blocks import Blocks
from graphagg.rag import ChunkConfig, Passage, PassageIndex
from graphagg.rag.config.limits import BuildLimits
from graphagg.rag.indexing import build as build_module
from graphagg.rag.indexing import engine
from graphagg.rag.indexing.arrays import SEGMENT_STAGE
from graphagg.rag.indexing.engine import TableStages
from graphagg.rag.models.chunking import chunk_documents
from graphagg.rag.models.extractor import Annotation
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile
from tests.fakes import FakeExtractor
from tests.unit.rag.corpora import ENCODER, POOLING, SENTENCES, TITLES, build, corpora

CORPUS = [
    Passage(f"p{i}", " ".join(SENTENCES[(i + k) % len(SENTENCES)] for k in range(1 + i % 3)),
            TITLES[i % len(TITLES)], {"n": i % 4, "tags": ["x", "y"][: i % 3]})
    for i in range(14)
]  # fmt: skip
TINY = BuildLimits(passages=3, characters=10_000, entries=5)


def files(index: PassageIndex) -> dict[str, Any]:
    return dict(index.manifest.files)


@settings(max_examples=max(settings().max_examples // 4, 1))
@given(
    corpora("abcdefghij"),
    st.builds(BuildLimits, st.integers(1, 4), st.integers(1, 400), st.integers(1, 40)),
    st.sampled_from([None, "auto"]),
    st.sampled_from([ENCODER, POOLING]),
)
def test_blocks_change_no_byte(
    tmp_path_factory: pytest.TempPathFactory,
    corpus: list[Passage],
    limits: BuildLimits,
    language: str | None,
    encoder: Any,
) -> None:
    folder = tmp_path_factory.mktemp("i")
    options = {"language": language, "encoder": encoder}
    with (
        build(corpus, folder / "one", **options) as one,
        build(iter(corpus), folder / "many", limits=limits, **options) as many,
        build(corpus[:1], folder / "changed", **options) as changed,
    ):
        assert many.manifest == one.manifest
        assert not (folder / "many.work").exists()
        # A change finds names and counts words in its own way.
        if len(corpus) > 1:
            changed.add(corpus[1:])
        changed.compact()
        assert files(changed) == files(one)


def test_a_block_ends_by_passages_or_by_characters(tmp_path: Path) -> None:
    seen: list[int] = []

    class Counting(FakeExtractor):
        def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
            seen.append(len(texts))
            return super().annotate(texts)

    corpus = [Passage(f"p{i}", "x" * size) for i, size in enumerate((5, 5, 30, 5, 5, 5, 5))]
    limits = BuildLimits(passages=3, characters=20)
    build(corpus, tmp_path / "i", limits=limits, extractor=Counting()).close()
    assert seen == [2, 1, 3, 1]


class Stop(Exception):
    """Stands for whatever ends a build."""


class Failing(FakeExtractor):
    """Annotates so many texts in all, then fails."""

    def __init__(self, most: int) -> None:
        super().__init__("en", names=("中国人民", "人民", "中国", "中", "国", "美"))
        self.left, self.read = most, 0

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        for note in super().annotate(texts):
            if not self.left:
                raise Stop
            self.left -= 1
            self.read += 1
            yield note


def test_a_build_that_was_stopped_goes_on(tmp_path: Path) -> None:
    corpus = [replace(p, title="") for p in CORPUS]  # one text each
    wanted = build(corpus, tmp_path / "wanted", extractor=Failing(1000)).manifest
    for most in (1, 7, 13):
        place = tmp_path / f"{most}"
        with pytest.raises(Stop) as stopped:
            build(corpus, place, limits=TINY, extractor=Failing(most))
        said = f"{most // 3 * 3} of {len(corpus)} passages are finished; the same build resumes"
        assert stopped.value.__notes__ == [said] and not place.exists()
        again = Failing(1000)
        with build(corpus, place, limits=TINY, extractor=again) as index:
            assert index.manifest == wanted
        assert again.read == len(corpus) - most // 3 * 3
        assert not (tmp_path / f"{most}.work").exists()


def test_a_build_that_was_stopped_after_its_blocks_finds_no_name_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = build(CORPUS, tmp_path / "wanted").manifest

    def stop(*_: Any) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(TableStages, "write_gazetteer", stop)
        with pytest.raises(Stop):
            build(CORPUS, tmp_path / "i", limits=TINY)
    files = {f.name.partition(".")[0] for f in (tmp_path / "i.work").glob("blocks/*/*")}
    assert files == {SEGMENT_STAGE, "mentions", "keys"}
    monkeypatch.setattr(engine, "mentions_of_block", stop)
    with build(CORPUS, tmp_path / "i", limits=TINY, extractor=Failing(0)) as index:
        assert index.manifest == wanted


def test_a_machine_that_was_started_again_takes_no_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are not synced: a crash may have lost some."""
    wanted = build(CORPUS, tmp_path / "wanted").manifest
    with pytest.raises(Stop):
        build(CORPUS, tmp_path / "i", limits=TINY, extractor=Failing(12))
    monkeypatch.setattr(build_module, "_BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("another")
    again = Failing(1000)
    with build(CORPUS, tmp_path / "i", limits=TINY, extractor=again) as index:
        assert index.manifest.counts == wanted.counts
    assert again.read == sum(len(p.parts) for p in CORPUS)


def test_other_passages_and_models_take_nothing_of_what_was_left(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        build(CORPUS, tmp_path / "i", limits=TINY, extractor=Failing(12))
    other = [replace(p, text=p.text + " More.") for p in CORPUS]
    for corpus, options in ((other, {}), (CORPUS, {"encoder": POOLING})):
        wanted = build(corpus, tmp_path / "w", force=True, **options)
        with build(corpus, tmp_path / "i", limits=TINY, force=True, **options) as index:
            assert index.manifest == wanted.manifest


@pytest.mark.parametrize("error", [Stop("no more"), OSError(errno.EIO, "the input is gone")])
def test_an_iterator_that_fails_leaves_the_index_that_was_there(
    tmp_path: Path, error: Exception
) -> None:
    def passages() -> Iterator[Passage]:
        yield from CORPUS[:9]
        raise error

    for there in (False, True):
        place = tmp_path / f"{there}"
        before = build(CORPUS[:2], place).manifest if there else None
        with pytest.raises(type(error)) as caught:
            build(passages(), place, limits=TINY)
        assert caught.value is error
        assert sorted(p.name for p in tmp_path.glob("*.work")) == []
        if before is None:
            assert not place.exists()
        else:
            with PassageIndex.open(place, verify=True) as index:
                assert index.manifest == before
            assert {p.name for p in place.iterdir()} == {before.data, "manifest.json", ".lock"}


def test_a_disk_that_fills_leaves_the_index_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = build(CORPUS, tmp_path / "wanted").manifest
    before = build(CORPUS[:2], tmp_path / "i").manifest
    left = 0

    def full(*args: Any, **options: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def guarded(write: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            full()
            return write(*args, **options)

        return call

    for owner, name in (
        (GrowingFile, "append"),
        (arrays_module, "write_range"),
        (ArtifactWriter, "array"),
        (Blocks, "save"),
    ):
        monkeypatch.setattr(owner, name, guarded(getattr(owner, name)))
    failed = 0
    for room in (0, 8, 40, 75, 100, 130, 160, 200, 10_000):
        left = room
        try:
            build(CORPUS, tmp_path / "i", limits=TINY, force=True).close()
        except WriteFailed as error:
            assert "No space left on device" in str(error)
            failed += 1
            with PassageIndex.open(tmp_path / "i", verify=True) as index:
                assert index.manifest == before
    assert failed >= 6
    with PassageIndex.open(tmp_path / "i", verify=True) as index:
        assert index.manifest == wanted


NAMES = st.sampled_from(["a", "b", "a#0", "a#1", "b#1", "a#0#0"])


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from(["x", "x y", "x y z"])), min_size=1, max_size=6))
def test_names_that_are_used_twice_are_refused_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, documents: list[tuple[str, str]]
) -> None:
    chunking = ChunkConfig(1, 0)
    passages = [Passage(name, text) for name, text in documents]
    place = tmp_path_factory.mktemp("i") / "idx"
    try:
        corpus = list(chunk_documents(passages, chunking))
    except DuplicateId as error:
        with pytest.raises(DuplicateId) as caught:
            build(passages, place, chunking=chunking)
        assert str(caught.value) == str(error)
        assert not place.exists()
        return
    with build(passages, place, chunking=chunking) as index:
        assert list(index) == corpus
        assert [index[p.id] for p in corpus] == corpus
