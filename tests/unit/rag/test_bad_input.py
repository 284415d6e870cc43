"""Whatever is asked or done badly is named, and changes nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.errors import (
    ArtifactBusy,
    DuplicateId,
    EmptyCorpus,
    GraphAggError,
    InvalidFilter,
    InvalidParameter,
    InvalidPassage,
    InvalidQuestion,
    InvalidVectors,
    UnknownPassage,
    UnsupportedFormat,
    WriteFailed,
)
from graphagg.execution import arrays
from graphagg.nearest import search
from graphagg.progress import Progress, silent
from graphagg.rag import LinearRAGConfig, MultihopConfig, Passage, PassageIndex
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.indexing import change as change_module
from graphagg.store import ArtifactWriter, writing
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor, PoolingEncoder

QUESTION = "What did Ada write on the Engine?"
NEW = Passage("p6", "Byron wrote in Greece.", "Byron", {"kind": "poet"})


def opened(directory: Path) -> PassageIndex:
    return PassageIndex.open(
        directory, encoder=FakeEncoder(), extractor=FakeExtractor(), verify=True
    )


@pytest.fixture
def index(tmp_path: Path) -> PassageIndex:
    return PassageIndex.build(
        CORPUS, tmp_path / "idx", encoder=FakeEncoder(), extractor=FakeExtractor()
    )


def refused(index: PassageIndex, error: type[GraphAggError], message: str, change: Any) -> None:
    """The change is refused by name, and the index on the disk is the one that was there."""
    before, answers = index.manifest.data, index.retrieve(QUESTION)
    with pytest.raises(error, match=message):
        change()
    assert index.manifest.data == before and index.retrieve(QUESTION) == answers
    with opened(index.directory) as again:
        assert again.manifest.data == before and again.retrieve(QUESTION) == answers
    folder = index.directory
    assert {p.name for p in folder.iterdir()} == {"manifest.json", ".lock", before}


class BrokenEncoder(FakeEncoder):
    """Its vectors pass through `change`."""

    change: Callable[[np.ndarray], np.ndarray] = staticmethod(np.asarray)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> np.ndarray:
        return self.change(super().encode(texts, progress))


class BrokenPoolingEncoder(BrokenEncoder, PoolingEncoder):
    """Sentences come with their passages, and words with their question."""

    gives_words = True

    def encode_with_words(self, questions: Sequence[str], words: Sequence[Any]) -> list[Any]:
        return [
            (self.encode([text])[0], self.encode([text[a:b] for a, b in spans.tolist()]))
            for text, spans in zip(questions, words, strict=True)
        ]


@pytest.mark.parametrize("kind", [BrokenEncoder, BrokenPoolingEncoder])
@pytest.mark.parametrize(
    "change", [lambda rows: rows * np.nan, lambda rows: rows / 0.0, lambda rows: rows[:, :5]],
    ids=["nan", "inf", "short"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_vectors_that_an_encoder_may_not_return(
    kind: type[BrokenEncoder], change: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    encoder, models = kind(), {"extractor": FakeExtractor()}
    index = PassageIndex.build(CORPUS, tmp_path / "idx", encoder=encoder, **models)
    before, message = index.manifest.data, "encoder 'fake': it returned .*; expected"
    encoder.change = change
    for mode in set(MODES) - {"bm25"}:
        with pytest.raises(InvalidVectors, match=message):
            index.retrieve(QUESTION, mode=mode)
    for call in (index.add, lambda new: PassageIndex.build(new, tmp_path / "b", encoder=encoder)):
        with pytest.raises(InvalidVectors, match=message):
            call([NEW])
    with opened(index.directory) as again:
        assert again.manifest.data == before and not (tmp_path / "b").exists()


# --- changes -------------------------------------------------------------------------------------


def test_adding_an_id_that_is_there(index: PassageIndex) -> None:
    both = [NEW, Passage("p1", "Ada again.")]
    refused(
        index,
        DuplicateId,
        r"passage 'p1' is already in the index \(1 of 2 are\); nothing was added.*replace=True",
        lambda: index.add(both),
    )
    index.add(both, replace=True)
    assert [p.id for p in index] == ["p2", "p3", "p4", "p5", "p6", "p1"]
    assert index["p1"].text == "Ada again."


def test_deleting_or_updating_what_is_not_there(index: PassageIndex) -> None:
    refused(
        index,
        UnknownPassage,
        r"2 of 3 ids are not in the index \('x', 'y'\); nothing was deleted",
        lambda: index.delete(["x", "p1", "y"]),
    )
    many = [f"x{n}" for n in range(9)]
    refused(index, UnknownPassage, r"9 of 9 .*'x4', \.\.\.\)", lambda: index.delete(many))
    refused(
        index,
        UnknownPassage,
        r"1 of 2 ids are not in the index \('p6'\); nothing was changed",
        lambda: index.update([Passage("p1", "Ada again."), NEW]),
    )
    data = index.manifest.data
    assert index.delete(["x", "y"], ignore_missing=True).is_empty and index.delete([]).is_empty
    assert index.manifest.data == data
    assert index.delete(["x", "p1", "p1"], ignore_missing=True).removed == 1 and "p1" not in index
    assert index.delete("p2").removed == 1 and "p2" not in index


def test_an_update_takes_ids_of_passages_not_of_documents(index: PassageIndex) -> None:
    chunks = [Passage(f"report/{n}", f"Part {n}.", "", {}, "report", n) for n in range(3)]
    index.add(chunks)
    changed = Passage("report", "Ada's report.")
    refused(index, UnknownPassage, r"\('report'\)", lambda: index.update([changed]))
    index.add([changed])
    index.update([changed])
    assert all(chunk.id in index for chunk in chunks)
    report = index.delete(["report"])
    assert report.details["passages_removed"] == 4  # a document goes with all its chunks


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"id": "bad"}, InvalidPassage, "passage 1: passage 'bad' has text missing"),
        ({"id": 5.0, "text": "x"}, InvalidPassage, "passage 1: id is float 5"),
        ({"id": "bad", "text": " \n"}, InvalidPassage, "passage 1: passage 'bad' has text"),
        ({"id": "p6", "text": "twice"}, DuplicateId, "passage 1: id 'p6' was used before"),
        ({"id": "bad", "text": "\ud800"}, InvalidPassage, "passage 1: .*lone surrogate"),
        ({"id": "bad", "text": "x", "position": -1}, InvalidPassage, "passage 1: position"),
        (
            {"id": "bad", "text": "x", "when": object()},
            InvalidPassage,
            "metadata of passage 'bad' is <object",
        ),
        ({"id": "bad", "text": "x", "k": "\ud800"}, InvalidPassage, "lone surrogate|not JSON"),
    ],
)
def test_a_batch_with_one_bad_row(
    index: PassageIndex, row: dict[str, Any], error: type[GraphAggError], message: str
) -> None:
    batch = [NEW, row, Passage("p7", "Fine.")]
    refused(index, error, message, lambda: index.add(batch))
    refused(index, error, message, lambda: index.add(batch, replace=True))


def test_nothing_given_and_nothing_left(index: PassageIndex) -> None:
    for change in (index.add, index.update):
        refused(index, EmptyCorpus, "holds no passages", lambda change=change: change([]))
    everything = [p.id for p in CORPUS]
    refused(index, EmptyCorpus, "no passage would be left", lambda: index.delete(everything))
    index.delete(everything[1:])
    assert [hit.passage.id for hit in index.retrieve(QUESTION)] == ["p1"]
    refused(index, EmptyCorpus, "no passage would be left", lambda: index.delete(["p1"]))


# --- writers and disks ---------------------------------------------------------------------------


def test_of_two_writers_at_once_none_loses(index: PassageIndex) -> None:
    directory = index.directory
    busy = []

    def write(name: str) -> None:
        with opened(directory) as mine:
            for n in range(5):
                while True:
                    try:
                        mine.add([Passage(f"{name}{n}", f"{name} saw Ada {n} times.")])
                        break
                    except ArtifactBusy:
                        busy.append(name)

    writers = [threading.Thread(target=write, args=[name]) for name in ("Byron", "Charles")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    index.reopen()
    added = {f"{name}{n}" for name in ("Byron", "Charles") for n in range(5)}
    assert {p.id for p in index} == {p.id for p in CORPUS} | added
    assert busy  # they did meet


def full_from(number: int, real: Callable[..., object]) -> Callable[..., object]:
    """The disk is full from the call of this number on."""
    calls = count()

    def call(*arguments: object, **named: object) -> object:
        if next(calls) >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("place", "number"),
    [
        *[("array", 10), ("adopt", 17), ("sync", 0), ("sync", 17), ("preallocate", 0)],
        *[("write_range", 9), ("_write", 0), ("_rename", 0), ("_replace", 0)],
    ],
)
def test_a_disk_that_fills_while_publishing(
    index: PassageIndex, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    owner: Any = ArtifactWriter if place in ("array", "adopt") else writing
    owner = arrays if place in ("preallocate", "write_range") else owner
    index.add([Passage("p0", "Charles is Babbage.")])
    changes: dict[str, Callable[[], object]] = {
        "add": lambda: index.add([NEW]),
        "delete": lambda: index.delete(["p2"]),
        "compact": index.compact,
    }
    for name, change in changes.items():
        if place == "adopt" and name == "compact":
            continue  # it takes nothing over
        with monkeypatch.context() as patch:
            patch.setattr(owner, place, full_from(number, getattr(owner, place)))
            message = r"No space left on device\); the existing index, if any, is unchanged. Make"
            refused(index, WriteFailed, message, change)
    for change in changes.values():
        change()
    assert "p6" in index and "p2" not in index


def test_a_faiss_index_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FLAT", 20)
    corpus = [Passage(f"n{n}", f"Ada saw {n} engines.") for n in range(30)]
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    index = PassageIndex.build(corpus, tmp_path / "idx", **models)
    write = change_module.index_windows

    def on_a_small_disk(*arguments: Any) -> None:
        """The kernel lets a file grow to three hundred bytes."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
        try:
            write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    monkeypatch.setattr(change_module, "index_windows", on_a_small_disk)
    index.add([NEW])  # a segment of its own: the index of the others stays as it is
    refused(index, WriteFailed, "the existing index, if any, is unchanged", index.compact)


def test_an_index_of_a_newer_format_is_left_alone_by_a_build_that_fails(
    index: PassageIndex,
) -> None:
    directory, data = index.directory, index.manifest.data
    index.close()
    path = directory / "manifest.json"
    newer = path.read_text().replace('"format_version": 1', '"format_version": 99')
    path.write_text(newer)

    class Broken(FakeExtractor):
        def annotate(self, texts: object) -> Any:  # type: ignore[override]
            raise KeyboardInterrupt

    models = {"encoder": FakeEncoder(), "extractor": Broken()}
    with pytest.raises(KeyboardInterrupt):
        PassageIndex.build([NEW], directory, **models)
    assert path.read_text() == newer and len(list((directory / data).iterdir())) > 50


# --- opening -------------------------------------------------------------------------------------


def edit_manifest(directory: Path, **parameters: object) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["parameters"] |= parameters
    path.write_text(json.dumps(manifest))


def test_an_index_of_an_older_revision(index: PassageIndex, call: Any) -> None:
    """A promise of `docs/compatibility.md`: named everywhere, and built again over the old one."""
    directory = index.directory
    edit_manifest(directory, revision=1)
    message = r"revision 1, expected \d+; build the index again"
    for work in (lambda: opened(directory), lambda: index.add([NEW]), index.reopen):
        with pytest.raises(UnsupportedFormat, match=message):
            work()
    assert re.search(message, call("rag", "search", directory, QUESTION).error)
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    with PassageIndex.build(CORPUS, directory, **models) as again:
        assert len(again) == 5 and opened(directory).manifest == again.manifest


# --- questions -----------------------------------------------------------------------------------


def test_filters_on_what_there_is_not(index: PassageIndex) -> None:
    index.add([Passage("y", "Ada.", "", {"year": 1843, "when": "1843-09-01", "tags": ["x"]})])
    keys = r"The keys are 'kind' \(string\), 'tags' \(list of strings\), 'when' \(date\), 'year'"
    wrong = {
        rf"unknown key 'sort'. {keys} \(number\)": {"sort": "city"},
        rf"unknown key 'kin'; did you mean 'kind'\? {keys}": {"not": {"kin": "city"}},
        "key 'kind' is of type string: 'eq' needs a string": {"kind": 5},
        "key 'year' is of type number: 'gte' needs a finite number": {"year": {"gte": "1843"}},
        "key 'when' is of type date: 'lt' needs an ISO 8601 date": {"when": {"lt": "soon"}},
        "operator 'gt' does not apply to key 'tags'": {"tags": {"gt": "x"}},
        "filter 'city': a str, expected a mapping": "city",
    }
    for mode in MODES:
        for message, filter in wrong.items():
            with pytest.raises(InvalidFilter, match=message):
                index.retrieve(QUESTION, mode=mode, filter=filter)  # type: ignore[arg-type]
            with pytest.raises(InvalidFilter, match=message):
                index.explain(QUESTION, "p1", mode=mode, filter=filter)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_a_question_that_is_none_is_explained_by_no_mode(index: PassageIndex, mode: Mode) -> None:
    for question in ("", " ", 5, "why? " * 3000):
        with pytest.raises(InvalidQuestion):
            index.explain(question, "p1", mode=mode)  # type: ignore[arg-type]


def test_settings_of_another_mode(index: PassageIndex) -> None:
    message = "config is a LinearRAGConfig, 'multihop' needs a MultihopConfig"
    with pytest.raises(InvalidParameter, match=message):
        index.retrieve(QUESTION, config=LinearRAGConfig())
    message = "config is a MultihopConfig, 'linearrag' needs a LinearRAGConfig"
    with pytest.raises(InvalidParameter, match=message):
        index.retrieve(QUESTION, mode="linearrag", config=MultihopConfig())
    with pytest.raises(InvalidParameter, match="mode is 'worst', expected one of"):
        index.retrieve(QUESTION, mode="worst")  # type: ignore[arg-type]
    for name in ("pool", "beam", "second_beam"):
        with pytest.raises(
            InvalidParameter, match=f"{name} is -1, expected an integer of at least"
        ):
            MultihopConfig(**{name: -1})
    with pytest.raises(InvalidParameter, match=r"part is 'x', expected one of .*third-hop"):
        MultihopConfig().without("x")


def test_ids_of_no_passage(index: PassageIndex) -> None:
    for name in ("absent", "", "\ud800"):
        assert name not in index
        with pytest.raises(UnknownPassage, match="is not in the index"):
            index[name]
        refused(index, UnknownPassage, "1 of 1 ids", lambda name=name: index.delete([name]))
        assert index.retrieve(QUESTION, include=[name]) == []
    with pytest.raises(InvalidParameter, match=r"ids is \[5\], expected a list of ids"):
        index.delete([5])  # type: ignore[list-item]


@pytest.mark.parametrize("mode", MODES)
def test_a_question_that_is_not_unicode_text(index: PassageIndex, mode: Mode) -> None:
    with pytest.raises(InvalidQuestion, match="character 4 is a lone surrogate"):
        index.retrieve("Ada \ud800?", mode=mode)
