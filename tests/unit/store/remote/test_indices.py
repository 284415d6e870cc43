"""Indices on a store: what is pushed is what is pulled, and nothing goes twice."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityIndex
from graphagg.errors import (
    ArtifactBusy,
    CorruptArtifact,
    NoSuchBucket,
    NotAnArtifact,
    StoreError,
    WriteFailed,
)
from graphagg.serve import reload
from graphagg.serve.reload import ReloadingIndex
from graphagg.store import manifest_at, open_artifact
from graphagg.store import verify_at as verify
from graphagg.store.addresses import address
from graphagg.store.manifest import MANIFEST_NAME, manifest_of
from graphagg.store.remote import pulling, pushing
from graphagg.store.remote.cache import build_folder
from graphagg.store.remote.clients import ObjectClient
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import Published, current, sha256_of
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from graphagg.store.writing import PULLED, write_folder
from tests.store_remote.versions import (
    FILES,
    KIND,
    check_two_publishers,
    number_of,
    read_number,
    write_version,
)
from tests.unit.store.remote.flawed import Flaws, fail_every

URL = "memory://bucket/idx"


def content(folder: Path) -> dict[str, bytes]:
    with open_artifact(folder) as artifact:
        return {name: artifact.path(name).read_bytes() for name in artifact.manifest.files}


@settings(max_examples=8)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_any_order_of_versions_arrives(numbers: list[int]) -> None:
    with TemporaryDirectory() as folder:
        root, url, before = Path(folder), f"memory://bucket/{folder[-8:]}", None
        for number in numbers:
            local = write_version(root / "local", number)
            sent = push(local, url)
            assert sent.changed == (number != before)
            assert sent.sent == (0 if number == before else FILES if before is None else FILES - 1)
            brought = pull(url, root / "here")
            assert (brought.fetched, brought.fetched_bytes) == (sent.sent, sent.sent_bytes)
            assert content(root / "here") == content(local)
            verify(url)
            assert (root / "here" / "manifest.json").read_bytes() == (
                local / "manifest.json"
            ).read_bytes()
            before = number


def test_of_two_publishers_one_wins(tmp_path: Path) -> None:
    check_two_publishers(address(URL), tmp_path)


def test_what_no_version_names_goes_and_the_one_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_MARGIN", -1e9)  # however young
    store, named = Store(address(URL)), []
    for number in range(4):
        push(write_version(tmp_path / "a", number), URL)
        named.append({name for _, name in current(store)[0].files()})
        objects = {name for name in store.listed() if sha256_of(name)}
        assert objects == set().union(*named[-2:])


def test_what_another_publisher_sends_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(write_version(tmp_path / "a", 0), URL)
    monkeypatch.setattr(Published, "to_bytes", lambda _: _stop())
    with pytest.raises(KeyboardInterrupt):  # killed before its pointer
        push(write_version(tmp_path / "b", 1), URL)
    monkeypatch.undo()
    left = set(Store(address(URL)).listed("objects"))
    assert len(left) == 2 * FILES - 1
    push(write_version(tmp_path / "c", 2), URL)
    assert left <= set(Store(address(URL)).listed("objects")), "they are younger than a minute"


def _stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("cut", [False, True])
def test_every_tenth_request_fails_or_each_is_cut_once(
    cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PIECE", 500)
    flaws = Flaws(monkeypatch)
    flaws.cut = cut
    if not cut:
        flaws.before = fail_every(10, lambda: ConnectionResetError("reset by the test"))
    for number in range(4):
        push(write_version(tmp_path / "a", number), URL)
        pull(URL, tmp_path / "here")
        assert content(tmp_path / "here") == content(tmp_path / "a")
    assert read_number(URL) == 3


def test_a_store_that_lists_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flaws = Flaws(monkeypatch)
    listed = ObjectClient.find

    def late(fs: ObjectClient, path: str, **more: Any) -> Any:
        found = listed(fs, path, **more)
        return {name: info for name, info in found.items() if "/objects/" not in name}

    monkeypatch.setattr(ObjectClient, "find", late)
    for number in range(3):
        push(write_version(tmp_path / "a", number), URL)
        assert read_number(URL) == number
    assert flaws.asked


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [(10**15, WriteFailed, "GiB are free"), (10_000, CorruptArtifact, "shorter than")],
)
def test_sizes_of_a_manifest_are_compared(
    size: int, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PIECE", 500)
    push(write_version(tmp_path / "a", 1), URL)
    alter(lambda pointer: pointer["files"]["part3.npy"].update(bytes=size), renamed=True)
    with pytest.raises(error, match=message):
        pull(URL, tmp_path / "here")
    assert not (tmp_path / "here" / MANIFEST_NAME).exists()


def alter(change: Callable[[Any], object], *, renamed: bool) -> None:
    """Change the pointer; `renamed` also makes the name of the version fit its digest."""
    store = Store(address(URL))
    pointer = json.loads(store.read(MANIFEST_NAME))
    change(pointer)
    if renamed:
        pointer["data"] = f"v-{manifest_of(pointer, URL).digest()}"
    store.write(MANIFEST_NAME, json.dumps(pointer).encode())


@pytest.mark.parametrize(
    ("change", "renamed", "error"),
    [
        (lambda each: each.update(data="v-1111111111111111"), False, CorruptArtifact),
        (lambda each: each["models"].update(encoder={"name": "x", "sha256": ""}), False,
         CorruptArtifact),
        (lambda each: each.update(kind="other"), True, NotAnArtifact),
        (lambda each: each["files"]["part3.npy"].update(bytes=10_000), True, CorruptArtifact),
    ],
    ids=["data", "models", "kind", "size"],
)  # fmt: skip
def test_a_pull_that_is_refused_leaves_the_index_as_it_was(
    change: Callable[[Any], object], renamed: bool, error: type[Exception], tmp_path: Path
) -> None:
    local, here = tmp_path / "local", tmp_path / "here"
    for number in (1, 4):
        push(write_version(local, number), URL)
        if number == 1:
            pull(URL, here)
    before = _tree(here)
    with write_folder(here), pytest.raises(ArtifactBusy):
        pull(URL, here)
    assert _tree(here) == before
    alter(change, renamed=renamed)
    with pytest.raises(error):
        pull(URL, here)
    assert _tree(here) == before


def test_a_full_disk_of_either_side_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, here = tmp_path / "local", tmp_path / "here"
    push(write_version(local, 1), URL)
    pull(URL, here)
    before = _tree(here)
    write_version(local, 2)
    with monkeypatch.context() as patch:
        flaws = Flaws(patch)
        flaws.before = lambda number, name, path: full() if number > 5 else None
        with pytest.raises(StoreError, match="No space left on device"):
            push(local, URL)
    assert read_number(URL) == 1
    push(local, URL)
    assert read_number(URL) == 2
    for place in ("remote.pulling.os.replace", "writing.os.link", "writing._rename",
                  "writing._replace"):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(f"graphagg.store.{place}", full)
            with pytest.raises(WriteFailed, match=r"No space left on device\); the existing index"):
                pull(URL, here)
        assert _tree(here) == before
    pull(URL, here)
    assert read_number(here) == 2


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _tree(folder: Path) -> dict[str, bytes]:
    """The content of all files, except the downloads that the next pull takes up."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(each): (folder / each).read_bytes() for each in files if PULLED not in each.parts}


def test_a_pull_takes_up_what_a_killed_one_left(tmp_path: Path) -> None:
    local, here = write_version(tmp_path / "local", 1), tmp_path / "here"
    push(local, URL)
    (here / PULLED).mkdir(parents=True)
    pull(URL, here)
    assert content(here) == content(local)


def test_a_store_that_stays_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    flaws = Flaws(monkeypatch)
    flaws.before = fail_every(1, lambda: TimeoutError("too slow"))
    with pytest.raises(StoreError, match="6 times in a row"):
        pull(URL, tmp_path / "here")
    assert len(flaws.asked) == 6


def test_a_pull_goes_on_where_it_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    monkeypatch.setattr(pulling, "PIECE", 500)
    flaws = Flaws(monkeypatch)

    def stop(number: int, name: str, path: str) -> None:
        if len(flaws.fetched()) == 9:
            raise KeyboardInterrupt

    flaws.before = stop
    with pytest.raises(KeyboardInterrupt):
        pull(URL, tmp_path / "here")
    first = len(flaws.fetched())
    flaws.before, flaws.asked = (lambda *_: None), []
    brought = pull(URL, tmp_path / "here")
    assert content(tmp_path / "here") == content(tmp_path / "a")
    pieces = sum(-(-path.stat().st_size // 500) for path in _files(tmp_path / "a"))
    assert pieces - first <= len(flaws.fetched()) < pieces
    assert brought.fetched_bytes < sum(path.stat().st_size for path in _files(tmp_path / "a"))
    assert not (tmp_path / "here" / ".pull").exists()


def _files(folder: Path) -> list[Path]:
    with open_artifact(folder) as artifact:
        return [artifact.path(name) for name in artifact.manifest.files]


def test_an_altered_object_is_named(tmp_path: Path) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    store = Store(address(URL))
    name = current(store)[0].objects["part3.npy"]
    store.write(name, store.read(name)[:-1] + b"x")
    for use in (verify, lambda url: pull(url, tmp_path / "here"), open_artifact):
        with pytest.raises(CorruptArtifact, match=f"{name}: .*sha256"):
            use(URL)
    assert not (tmp_path / "here" / "manifest.json").exists()
    store.remove([name])
    for use in (verify, lambda url: pull(url, tmp_path / "here"), open_artifact):
        with pytest.raises(CorruptArtifact, match=f"{name}: missing"):
            use(URL)


def _pulled(url: str, folder: Path) -> None:
    pull(url, folder)
    with open_artifact(folder) as artifact:
        assert number_of(artifact) == 3


def _verified(url: str, folder: Path) -> None:
    assert verify(url).parameters == {"number": 3}


def _opened(url: str, folder: Path) -> None:
    assert read_number(url) == 3


@pytest.mark.parametrize("use", [_pulled, _verified, _opened])
def test_a_manifest_that_changes_while_it_is_read(
    use: Callable[[str, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_MARGIN", -1e9)
    push(write_version(tmp_path / "a", 1), URL)
    flaws, later = Flaws(monkeypatch), iter((2, 3))

    def publish(number: int, name: str, path: str) -> None:
        if len(flaws.fetched()) == 3 and threading.current_thread() is threading.main_thread():
            flaws.before = lambda *_: None
            for number in later:  # two, for the version before is kept
                push(write_version(tmp_path / "a", number), URL)

    flaws.before = publish
    monkeypatch.setattr(pulling, "in_parallel", lambda work, items: [*map(work, items)])
    use(URL, tmp_path / "here")
    assert next(later, None) is None and manifest_at(URL).parameters == {"number": 3}


def test_what_is_altered_here_comes_again(tmp_path: Path) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    pull(URL, tmp_path / "here")
    path = next(path for path in _files(tmp_path / "here") if path.name == "same.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    push(write_version(tmp_path / "a", 2), URL)
    assert pull(URL, tmp_path / "here").fetched == FILES
    assert content(tmp_path / "here") == content(tmp_path / "a")


def test_an_index_is_built_changed_and_asked_on_a_store() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]
    CommunityIndex.build(edges[:3], URL).close()
    before = Store(address(URL)).listed()
    with CommunityIndex.build(edges[:3], URL) as index, CommunityIndex.open(URL) as reader:
        assert Store(address(URL)).listed() == before, "building what is there is no work"
        index.add(edges[3:])
        assert dict(manifest_at(URL).counts) == dict(index.manifest.counts)
        assert len(reader.vertices) == 3 and len(index.vertices) == 4
        reader.reopen()
        assert reader.query(["a"], k=3).members == index.query(["a"], k=3).members
        assert repr(reader).startswith("CommunityIndex('memory:///bucket/idx'")
    with CommunityIndex.open(URL) as again:
        assert len(again.vertices) == 4


def test_a_build_that_fails_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CommunityIndex.build([("a", "b")], URL).close()
    before = manifest_at(URL)
    flaws = Flaws(monkeypatch)

    def refuse(number: int, name: str, path: str) -> None:
        if name == "put":
            raise PermissionError("this bucket takes no puts")

    flaws.before = refuse
    with pytest.raises(StoreError, match=r"denied.*The new version is in .*graphagg push") as told:
        CommunityIndex.build([("a", "b"), ("b", "c")], URL)
    assert manifest_at(URL) == before
    flaws.before = lambda *_: None
    left = build_folder(address(URL))
    assert f"graphagg push {left} {address(URL)}" in str(told.value)
    assert push(left, URL).changed
    with CommunityIndex.open(URL) as index:
        assert len(index.vertices) == 3
    CommunityIndex.build([("a", "b")], URL).close()
    assert not list(left.glob("v-*")), "a build that was sent leaves nothing"


def test_a_put_into_no_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(number: int, name: str, path: str) -> None:
        if name == "put":
            raise FileNotFoundError("no such container")

    Flaws(monkeypatch).before = missing
    with pytest.raises(NoSuchBucket, match="no such container"):
        push(write_version(tmp_path / "a", 1), URL)


def test_info_reads_the_pointer_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    flaws = Flaws(monkeypatch)
    assert manifest_at(URL).kind == KIND
    assert not flaws.fetched()
    with pytest.raises(NotAnArtifact, match="kind 'numbered'"):
        open_artifact(URL, kind="passages")
    assert not flaws.fetched()
    verify(URL)
    assert not (tmp_path / "cache").exists(), "nothing is kept"


def test_a_service_notices_a_new_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(write_version(tmp_path / "a", 1), URL)
    slot = ReloadingIndex(address(URL), open_artifact)
    push(write_version(tmp_path / "a", 2), URL)
    assert slot.refresh() is False, "a store is not asked again within seconds"
    monkeypatch.setattr(reload, "_EVERY", 0.0)
    assert slot.refresh() is True
    with slot._lease() as artifact:
        assert number_of(artifact) == 2
    assert slot.refresh() is False
    slot.close()
