"""Vectors on disk: the same as computed ones, whatever happened to the file or to its writer."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.progress import Progress, silent
from graphagg.rag import Passage, PassageIndex, VectorCache
from graphagg.rag.models import vector_cache
from graphagg.rag.models.encoding.pooling import PassageVectors
from graphagg.rag.models.vector_cache import CachedEncoder
from tests.fakes import CORPUS, CountingEncoder, FakeEncoder, FakeExtractor, PoolingEncoder

ROOT = Path(__file__).parents[4]


TEXTS = st.lists(
    st.lists(st.sampled_from(["Ada", "Bob", "Cy", "Di", ""]), max_size=3).map(" ".join)
)


@given(first=TEXTS, second=TEXTS)
def test_cached_vectors_are_computed_ones(first: list[str], second: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_cache, "PIECE", 2)
        with tempfile.TemporaryDirectory() as folder:
            inner = CountingEncoder()
            encoder = CachedEncoder(inner, VectorCache(folder))
            for texts in (first, second):
                found = encoder.encode(texts)
                np.testing.assert_array_equal(found, FakeEncoder().encode(texts))
            assert sorted(inner.encoded) == sorted({*first, *second})  # each once


class CountingPassages(PoolingEncoder):
    """Remembers which passages it embedded."""

    def __init__(self) -> None:
        super().__init__(window=2)
        self.encoded: list[tuple[str, int]] = []

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[np.ndarray], progress: Progress = silent
    ) -> list[PassageVectors]:
        self.encoded += zip(texts, map(len, sentences), strict=True)
        return super().encode_passages(texts, sentences, progress)


SPANS = st.sampled_from([[(0, 3)], [(0, 3), (4, 7)], [(0, 7)]])


@given(first=TEXTS, second=TEXTS, data=st.data())
def test_cached_passages_are_computed_ones(
    first: list[str], second: list[str], data: st.DataObject
) -> None:
    """By text and by where the sentences are; a text alone is something else."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(vector_cache, "PIECE", 2)
        inner, asked = CountingPassages(), set[tuple[str, bytes]]()
        encoder = CachedEncoder(inner, VectorCache(folder))
        for texts in (first, second):
            spans = [np.array(data.draw(SPANS), np.int32) for _ in texts]
            found = encoder.encode_passages(texts, spans)
            wanted = PoolingEncoder(window=2).encode_passages(texts, spans)
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(one.windows, other.windows)
                np.testing.assert_array_equal(one.sentences, other.sentences)
            asked |= {(text, s.tobytes()) for text, s in zip(texts, spans, strict=True)}
            np.testing.assert_array_equal(encoder.encode(texts), FakeEncoder().encode(texts))
        assert len(inner.encoded) == len(asked)  # each once


def test_models_do_not_share_vectors(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    encoders = CountingEncoder("one"), CountingEncoder("other"), CountingEncoder("one", dimension=8)
    for encoder in encoders:
        found = CachedEncoder(encoder, cache).encode(["Ada"])
        np.testing.assert_array_equal(found, encoder.encode(["Ada"]))
        assert encoder.encoded == ["Ada", "Ada"]  # by the cache, and by this test


def test_the_file_stays_below_its_bound_and_the_oldest_go(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, largest=200_000)
    rng = np.random.default_rng(0)
    keys = [bytes([n // 256, n % 256]) * 16 for n in range(1000)]
    for start in range(0, 1000, 50):
        cache.put(keys[start : start + 50], rng.random((50, 100), np.float32))
        assert cache.path.stat().st_size < 250_000
    there = np.array([entry is not None for entry in cache.get(keys, 100)])
    assert there[-50:].all() and 100 < there.sum() < 500
    assert not there[:400].any()


def test_a_flipped_byte_is_computed_again(tmp_path: Path) -> None:
    cache, inner = VectorCache(tmp_path), CountingEncoder()
    encoder = CachedEncoder(inner, cache)
    expected = encoder.encode(["Ada met Byron"])
    content = cache.path.read_bytes()
    stored = expected.astype("<f4").tobytes()
    assert content.count(stored) == 1
    cache.path.write_bytes(content.replace(stored, stored[:-1] + bytes([stored[-1] ^ 1])))
    np.testing.assert_array_equal(encoder.encode(["Ada met Byron"]), expected)
    assert len(inner.encoded) == 2
    np.testing.assert_array_equal(encoder.encode(["Ada met Byron"]), expected)
    assert len(inner.encoded) == 2  # it was mended


def test_a_damaged_file_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, inner = VectorCache(tmp_path), CountingEncoder()
    cache.path.write_bytes(b"no database at all" * 100)
    encoder = CachedEncoder(inner, cache)
    for _ in range(2):
        encoder.encode(["Ada"])
    assert inner.encoded == ["Ada"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "the cache begins anew" in record.message


def test_a_folder_that_cannot_be_made_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    encoder = CachedEncoder(inner := CountingEncoder(), VectorCache(tmp_path / "file" / "below"))
    for _ in range(2):
        np.testing.assert_array_equal(encoder.encode(["Ada"]), FakeEncoder().encode(["Ada"]))
    assert inner.encoded == ["Ada", "Ada"]
    (record,) = caplog.records  # said once
    assert "neither kept nor reused" in record.message


def test_a_rebuild_with_other_passages_encodes_what_is_new(tmp_path: Path) -> None:
    cache, extractor = VectorCache(tmp_path / "cache"), FakeExtractor()
    new = Passage("p9", "Byron wrote in Greece.", "Byron")
    encoders = CountingEncoder(), CountingEncoder()
    for number, corpus in enumerate((CORPUS, [new, *CORPUS])):
        versions = []
        for encoder, folder, kept in (
            (encoders[number], "cached", cache), (FakeEncoder(), "plain", None),
        ):  # fmt: skip
            directory = tmp_path / f"{folder}{number}"
            with PassageIndex.build(
                corpus, directory, encoder=encoder, extractor=extractor, cache=kept
            ) as index:
                versions.append(index.manifest.data)
        assert versions[0] == versions[1]  # the same bytes
    assert encoders[1].encoded and not {*encoders[0].encoded} & {*encoders[1].encoded}


_BUILD = """
import sys
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from graphagg.progress import silent
from graphagg.rag import PassageIndex, VectorCache
from graphagg.rag.models import vector_cache

vector_cache.PIECE = 2
stop_at = int(sys.argv[2])

class Encoder(FakeEncoder):
    count = 0

    def encode(self, texts, progress=silent):
        if Encoder.count >= stop_at:
            print("waiting", flush=True)
            sys.stdin.read()
        Encoder.count += len(texts)
        return super().encode(texts, progress)

PassageIndex.build(
    CORPUS, sys.argv[1] + "/idx", encoder=Encoder(), extractor=FakeExtractor(),
    cache=VectorCache(sys.argv[1] + "/cache"),
)
print(Encoder.count, flush=True)
"""


def _started(folder: Path, stop_at: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _BUILD, str(folder), str(stop_at)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def data_of(folder: Path) -> object:
    with PassageIndex.open(folder / "idx", verify=True) as index:
        return index.manifest.data


def test_a_killed_build_goes_on_with_what_was_encoded(tmp_path: Path) -> None:
    endless = 10**9
    with _started(tmp_path / "whole", endless) as whole:
        total = int(whole.communicate(timeout=600)[0])
    assert whole.returncode == 0
    with _started(tmp_path / "killed", 7) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "waiting\n"
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=600)
    assert killed.returncode == -signal.SIGKILL
    with _started(tmp_path / "killed", endless) as again:
        left = int(again.communicate(timeout=600)[0])
    assert total - left in (7, 8)  # pieces of two, and a last one of one at the end of a stage
    assert data_of(tmp_path / "whole") == data_of(tmp_path / "killed")


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    endless = 10**9
    (tmp_path / "cache").mkdir()
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "cache").symlink_to(tmp_path / "cache")
    running = [_started(folder, endless) for folder in folders]
    for process in running:
        with process:
            process.communicate(timeout=600)
        assert process.returncode == 0
    assert data_of(folders[0]) == data_of(folders[1])
