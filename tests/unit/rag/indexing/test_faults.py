"""Whatever moment a change dies at, the old or the new index opens, verifies and answers."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.errors import WriteFailed
from graphagg.rag import Passage, PassageIndex
from graphagg.store import ArtifactWriter, writing
from graphagg.store.manifest import read_manifest
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

BYRON = Passage("p6", "Byron wrote in Greece. His daughter is Ada.", "Byron")
QUESTION = "What did Ada write on the Engine?"
Answers = list[tuple[str, float]]


def build(directory: Path, corpus: list[Passage]) -> PassageIndex:
    return PassageIndex.build(
        corpus, directory, encoder=FakeEncoder(), extractor=FakeExtractor(), force=True
    )


def opened(directory: Path) -> PassageIndex:
    return PassageIndex.open(
        directory, verify=True, encoder=FakeEncoder(), extractor=FakeExtractor()
    )


ACTIONS: dict[str, Callable[[Path], object]] = {
    "build": lambda directory: build(directory, [*CORPUS, BYRON]),
    "add": lambda directory: opened(directory).add([BYRON]),
    "delete": lambda directory: opened(directory).delete(["p1", "p2"]),
    "compact": lambda directory: opened(directory).compact(),
}


def prepared(directory: Path) -> Path:
    """An index of two segments, one passage of it deleted."""
    with build(directory, CORPUS) as index:
        index.add([Passage("gone", "Nobody knows Charles."), Passage("p0", "Charles is Babbage.")])
        index.delete(["gone"])
        assert index.manifest.counts["segments"] == 2
    return directory


def answers_now(directory: Path) -> tuple[str, Answers]:
    """The version that opens and verifies, and its answers."""
    with opened(directory) as index:
        return index.manifest.data, [(h.passage.id, h.score) for h in index.retrieve(QUESTION)]


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        gc.disable()  # FAISS cannot free in a fork what other tests left behind
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def counted(at: Callable[[int], None]) -> None:
    """Call `at` before and after every change to the disk, with the number of the moment."""
    moment = 0

    def wrapped(change: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal moment
            at(moment)
            result = change(*arguments, **named)
            at(moment + 1)
            moment += 2
            return result

        return call

    for name in ("_write", "sync", "_rename", "_replace"):
        setattr(writing, name, wrapped(getattr(writing, name)))
    for name in ("array", "adopt"):
        setattr(ArtifactWriter, name, wrapped(getattr(ArtifactWriter, name)))


def moments_of(action: Callable[[Path], object], directory: Path, log: Path) -> int:
    """How many moments an action has."""

    def work() -> None:
        counted(lambda moment: log.write_text(str(moment + 1)) and None)
        action(directory)

    assert in_child(work) == 0
    return int(log.read_text())


def die_at(wanted: int, action: Callable[[Path], object], directory: Path) -> None:
    def at(moment: int) -> None:
        if moment == wanted:
            os._exit(9)

    counted(at)
    action(directory)


@pytest.mark.parametrize("name", ACTIONS)
def test_exit_before_and_after_changes_to_the_disk(name: str, tmp_path: Path) -> None:
    action, directory = ACTIONS[name], tmp_path / "idx"
    pristine = prepared(tmp_path / "pristine")
    old = answers_now(pristine)
    shutil.copytree(pristine, directory)
    moments = moments_of(action, directory, tmp_path / "moments")
    new = answers_now(directory)
    assert new[0] != old[0] and (name == "compact") == (new[1] == old[1])
    shutil.rmtree(directory)
    shutil.copytree(pristine, directory)
    publishing = moments - 16  # from here on: all files are there, and are made current
    late = [*range(publishing, moments)]
    if name != "add":  # all actions publish in the same way
        late = late[-6:]
    early = random.Random(0).sample(range(publishing), 2)
    seen = []
    for moment in [*sorted(early), *late]:
        assert in_child(lambda at=moment: die_at(at, action, directory)) == 9
        seen.append(answers_now(directory))
        if seen[-1] == new:
            shutil.rmtree(directory)
            shutil.copytree(pristine, directory)
    switch = seen.index(new)
    assert seen == [old] * switch + [new] * (len(seen) - switch)  # one moment parts the two
    assert 2 < switch < len(seen) - 1
    action(directory)
    data = read_manifest(directory).data
    assert {p.name for p in directory.iterdir()} == {"manifest.json", ".lock", data}


def test_sigkill_at_random_moments(tmp_path: Path) -> None:
    directory, rng = tmp_path / "idx", random.Random(0)
    expected = {
        len(corpus): answers_now(build(tmp_path / str(n), corpus).snapshot.artifact.directory)[1]
        for n, corpus in enumerate((CORPUS, [*CORPUS, BYRON]))
    }

    def forever() -> None:
        with opened(directory) as index:
            while True:
                index.add([BYRON], replace=True)
                index.delete([BYRON.id])
                index.compact()

    build(directory, CORPUS).close()
    start = time.perf_counter()
    with opened(directory) as index:
        index.add([BYRON])
        index.compact()
    once = time.perf_counter() - start
    for _ in range(4):
        child = os.fork()
        if child == 0:
            gc.disable()
            forever()
        time.sleep(rng.uniform(0.2, 4) * once)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        size = read_manifest(directory).counts["passages"]
        assert answers_now(directory)[1] == expected[size]
    build(directory, CORPUS).close()
    data = read_manifest(directory).data
    assert {p.name for p in directory.iterdir()} == {"manifest.json", ".lock", data}


def test_an_unconfirmed_version_is_said_to_be_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "idx"
    build(directory, CORPUS).close()
    replaced, sync, replace = [], writing.sync, writing._replace

    def note(source: Path, target: Path) -> None:
        replace(source, target)
        replaced.append(target)

    def fails_after_it(path: Path) -> None:
        if replaced:
            raise OSError(5, "Input/output error")
        sync(path)

    monkeypatch.setattr(writing, "_replace", note)
    monkeypatch.setattr(writing, "sync", fails_after_it)
    with pytest.raises(WriteFailed, match="new version is current"):
        build(directory, [*CORPUS, BYRON])
    monkeypatch.undo()
    with PassageIndex.open(directory, verify=True) as index:
        assert len(index) == len(CORPUS) + 1


def test_a_closed_index_is_freed_at_once(tmp_path: Path) -> None:
    index = build(tmp_path / "idx", CORPUS)
    for mode in ("linearrag", "multihop"):
        assert index.retrieve("Where was Ada Lovelace born?", k=2, mode=mode)
    corpus = weakref.ref(index.snapshot.corpus)
    gc.disable()
    try:
        index.close()
        del index
        assert corpus() is None
    finally:
        gc.enable()
