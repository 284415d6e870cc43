"""Whatever moment a build dies at, the old or the new index opens, verifies and answers."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg import store
from graphagg.rag import Passage, PassageIndex
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

OLD, NEW = CORPUS, [*CORPUS, Passage("p6", "Byron wrote in Greece.", "Byron")]
QUESTION = "What did Ada write on the Engine?"


def build(directory: Path, corpus: list[Passage]) -> PassageIndex:
    return PassageIndex.build(
        corpus, directory, encoder=FakeEncoder(), extractor=FakeExtractor(), force=True
    )


def check_intact(directory: Path, expected: dict[int, list[str]]) -> int:
    """The index opens, verifies and answers as one of the two; returns its size."""
    with PassageIndex.open(
        directory, verify=True, encoder=FakeEncoder(), extractor=FakeExtractor()
    ) as index:
        assert [hit.passage.id for hit in index.retrieve(QUESTION)] == expected[len(index)]
        return len(index)


def answers(directory: Path) -> dict[int, list[str]]:
    return {
        len(corpus): [h.passage.id for h in build(directory / str(n), corpus).retrieve(QUESTION)]
        for n, corpus in enumerate((OLD, NEW))
    }


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(step: int, directory: Path) -> None:
    """Build, and exit before (even step) or after (odd step) the (step // 2)-th change to disk."""
    count = 0

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal count
            if count == step:
                os._exit(9)
            result = change(*arguments, **named)
            if count + 1 == step:
                os._exit(9)
            count += 2
            return result

        return call

    for name in ("_write", "_sync", "_rename", "_replace"):
        setattr(store, name, counted(getattr(store, name)))
    store.ArtifactWriter.array = counted(store.ArtifactWriter.array)  # type: ignore[method-assign]
    build(directory, NEW)


def test_exit_before_and_after_every_change_to_the_disk(tmp_path: Path) -> None:
    expected = answers(tmp_path / "expected")
    directory = tmp_path / "idx"
    seen = []
    for step in range(1000):
        build(directory, OLD).close()
        status = in_child(lambda step=step: die_at(step, directory))
        assert status in (0, 9)
        seen.append(check_intact(directory, expected))
        if status == 0:
            break
    assert status == 0 and step > 100  # every step was reached, and the last run finished
    assert seen == sorted(seen) and {*seen} == {len(OLD), len(NEW)}  # one moment parts old and new
    build(directory, OLD).close()
    data = store.read_manifest(directory).data
    assert {p.name for p in directory.iterdir()} == {"manifest.json", ".lock", data}


def test_sigkill_at_random_moments(tmp_path: Path) -> None:
    expected = answers(tmp_path / "expected")
    directory = tmp_path / "idx"
    rng = random.Random(0)

    def forever() -> None:
        while True:
            build(directory, NEW).close()
            build(directory, OLD).close()

    start = time.perf_counter()
    build(directory, OLD).close()
    once = time.perf_counter() - start
    for _ in range(20):
        child = os.fork()
        if child == 0:
            forever()
        time.sleep(rng.uniform(0.2, 6) * once)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        check_intact(directory, expected)
    build(directory, NEW).close()
    data = store.read_manifest(directory).data
    assert {p.name for p in directory.iterdir()} == {"manifest.json", ".lock", data}


def test_a_full_disk_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path / "idx", OLD).close()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        build(tmp_path / "idx", NEW)
    monkeypatch.undo()
    with PassageIndex.open(tmp_path / "idx", verify=True) as index:
        assert len(index) == len(OLD)
    assert len(list((tmp_path / "idx").iterdir())) == 3


def test_a_failed_first_build_leaves_nothing(tmp_path: Path) -> None:
    class Broken(FakeExtractor):
        def annotate(self, texts: object) -> object:  # type: ignore[override]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PassageIndex.build(CORPUS, tmp_path / "x", encoder=FakeEncoder(), extractor=Broken())
    assert not (tmp_path / "x").exists()
