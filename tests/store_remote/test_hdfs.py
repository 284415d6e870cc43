"""HDFS: pointers are numbered, and its rename lets one publisher alone have a number."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphagg.store import verify_at as verify
from graphagg.store.addresses import Address, address
from graphagg.store.remote import pushing
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import sha256_of
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from tests.store_remote.hdfs import missing, serving_hdfs
from tests.store_remote.versions import FILES, check_two_publishers, read_number, write_version

pytestmark = pytest.mark.store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    if (why := missing()) is not None:
        pytest.skip(why)
    with serving_hdfs(tmp_path_factory.mktemp("hdfs")) as served:
        yield address(f"webhdfs://{served}/indices", user="root")


def test_push_pull_list(root: Address, tmp_path: Path) -> None:
    place = root / "idx"
    for number in range(4):
        sent = push(write_version(tmp_path / "a", number), place)
        assert (sent.sent, sent.removed) == (FILES - bool(number), 0), "they are younger than that"
        assert pull(place, tmp_path / "here").fetched == sent.sent
        assert read_number(place) == number
    verify(place)
    assert push(tmp_path / "a", place).changed is False


def test_of_two_publishers_one_wins(root: Address, tmp_path: Path) -> None:
    check_two_publishers(root / "two", tmp_path)


def test_a_number_goes_to_one_of_many(root: Address) -> None:
    for number in range(10):
        name, together = f"manifests/{number:012d}.json", threading.Barrier(8)
        created: list[bool] = []

        def create(writer: int, name: str, together: threading.Barrier, into: list[bool]) -> None:
            store = Store(root / "race")
            together.wait(60)
            into.append(store.create(name, b"writer %d" % writer))

        threads = [
            threading.Thread(target=create, args=(writer, name, together, created))
            for writer in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(created) == [False] * 7 + [True]
    assert len(Store(root / "race").listed()) == 10, "no drafts are left"


def test_what_no_version_names_goes(
    root: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_MARGIN", 0.0)
    store = Store(root / "clean")
    for number in range(4):
        push(write_version(tmp_path / "a", number), store.address)
    objects = [name for name in store.listed() if sha256_of(name)]
    assert FILES < len(objects) <= 2 * FILES - 1 + (FILES - 1), "of the last two, or three"
    verify(store.address)
