"""The local cache: it spares what is open, and says why it takes something not."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from pathlib import Path

import pytest

from graphagg.errors import ArtifactBusy, WriteFailed
from graphagg.store import open_artifact
from graphagg.store.addresses import address
from graphagg.store.remote import cache as caching
from graphagg.store.remote.cache import cache_folder, cached_folder
from graphagg.store.remote.pushing import push
from graphagg.store.writing import PULLED, write_folder
from tests.store_remote.versions import FILES, read_number, write_version
from tests.unit.store.remote.flawed import Flaws


def urls(tmp_path: Path, many: int) -> list[str]:
    made = [f"memory://bucket/i{number}" for number in range(many)]
    for number, url in enumerate(made):
        push(write_version(tmp_path / "a", number), url)
    return made


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("GRAPHAGG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "graphagg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "graphagg"
    places = [
        address("s3://b/i"),
        address("s3://b/j"),
        address("s3://b/i", endpoint="http://other"),
    ]
    assert len({cached_folder(place) for place in places}) == 3


def test_a_warm_cache_asks_for_the_pointer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [url] = urls(tmp_path, 1)
    read_number(url)
    flaws = Flaws(monkeypatch)
    read_number(url)
    assert [name for name, _ in flaws.asked] == ["get_tagged"]


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [url] = urls(tmp_path, 1)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "file"))
    with pytest.raises(WriteFailed, match=r"set GRAPHAGG_CACHE to another folder"):
        open_artifact(url)


def test_a_full_disk_is_named_and_what_came_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [url] = urls(tmp_path, 1)
    flaws, real = Flaws(monkeypatch), os.replace

    def full(source: Path, target: Path) -> None:
        if len(flaws.fetched()) > 5:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("graphagg.store.remote.pulling.os.replace", full)
    with pytest.raises(WriteFailed, match=r"No space left.*Downloaded files are kept"):
        open_artifact(url)
    monkeypatch.undo()
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))
    again = Flaws(monkeypatch)
    assert read_number(url) == 0
    assert len(again.fetched()) < FILES


def test_a_cache_that_is_only_read_opens_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [url] = urls(tmp_path, 1)
    read_number(url)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    for name in ("pathlib.Path.touch", "pathlib.Path.mkdir", "os.replace", "os.rename"):
        monkeypatch.setattr(name, refuse)
    assert read_number(url) == 0


def test_threads_share_one_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [url] = urls(tmp_path, 1)
    flaws, numbers = Flaws(monkeypatch), []
    threads = [threading.Thread(target=lambda: numbers.append(read_number(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [0] * 4
    assert len(flaws.fetched()) == FILES


def test_downloads_go_while_no_other_pull_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [url] = urls(tmp_path, 1)
    remove, removed = shutil.rmtree, []

    def removing(folder: Path, *rest: object, **options: object) -> None:
        if Path(folder).name == PULLED:
            with pytest.raises(ArtifactBusy), write_folder(Path(folder).parent):
                pass
            removed.append(folder)
        remove(folder, *rest, **options)

    monkeypatch.setattr(shutil, "rmtree", removing)
    assert read_number(url) == 0 and len(removed) == 1


def test_another_process_waits_for_the_one_that_writes(tmp_path: Path) -> None:
    [url] = urls(tmp_path, 1)
    root = cached_folder(address(url))
    context = multiprocessing.get_context("fork")  # the child has the store of this process
    holding, release = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(root, holding, release))
    child.start()
    assert holding.wait(60)
    numbers: list[int] = []
    reader = threading.Thread(target=lambda: numbers.append(read_number(url)))
    reader.start()
    reader.join(4 * caching._WAIT)
    assert reader.is_alive() and not numbers
    release.set()
    reader.join(60)
    child.join(60)
    assert numbers == [0]


def _hold(root: Path, holding: object, release: object) -> None:
    from graphagg.store.writing import write_folder

    with write_folder(root):
        holding.set()  # type: ignore[attr-defined]
        release.wait(60)  # type: ignore[attr-defined]
