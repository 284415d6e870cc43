"""What goes wrong on a real server: each is a named error, or is tried again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from graphagg.communities import CommunityIndex
from graphagg.errors import (
    AccessRefused,
    ClockOff,
    NoCredentials,
    NoSuchBucket,
    NotAnArtifact,
    NotWritable,
    StoreUnreachable,
)
from graphagg.store import manifest_at, open_artifact
from graphagg.store import verify_at as verify
from graphagg.store.addresses import Address, address
from graphagg.store.remote import pointers
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import current_or_none
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from tests.store_remote.proxy import faulty
from tests.store_remote.server import Server
from tests.store_remote.versions import FILES, check_two_publishers, read_number, write_version

pytestmark = pytest.mark.store
ROOT = Path(__file__).parents[2]


@pytest.fixture
def pushed(server: Server, tmp_path: Path) -> Address:
    place = server.at(tmp_path.name)
    push(write_version(tmp_path / "a", 1), place)
    return place


def test_push_and_pull(pushed: Address, tmp_path: Path) -> None:
    brought = pull(pushed, tmp_path / "here")
    assert brought.fetched == FILES
    assert pull(pushed, tmp_path / "here").fetched_bytes == 0
    push(write_version(tmp_path / "a", 2), pushed)
    assert pull(pushed, tmp_path / "here").fetched == FILES - 1
    assert read_number(pushed) == 2


def test_a_large_object_goes_in_parts(server: Server, tmp_path: Path) -> None:
    place = server.at("large")
    sent = push(write_version(tmp_path / "a", 1, size=2_500_000), place)
    assert sent.sent_bytes > FILES * 20_000_000, "more than two pieces each"
    assert pull(place, tmp_path / "here").fetched_bytes == sent.sent_bytes
    verify(place)


def test_an_index_is_built_changed_and_asked(server: Server) -> None:
    place = server.at("built")
    with CommunityIndex.build([("a", "b"), ("b", "c")], place) as index:
        index.add([("c", "a")])
        with CommunityIndex.open(place) as other:
            assert other.query(["a"], k=2).members == index.query(["a"], k=2).members


def test_two_publishers(server: Server, tmp_path: Path) -> None:
    check_two_publishers(server.at("two"), tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"access_key_id": None, "secret_access_key": None}, NoCredentials, "AWS_ACCESS_KEY_ID"),
        ({"secret_access_key": "wrong"}, AccessRefused, "denied access"),
        ({"access_key_id": "nobody"}, AccessRefused, "denied access"),
        ({"endpoint": "http://127.0.0.1:9"}, StoreUnreachable, "6 times"),
    ],
)
def test_credentials_and_addresses(
    change: dict[str, str], error: type[Exception], message: str, pushed: Address, tmp_path: Path
) -> None:
    place = address(pushed, **change)
    for use in (manifest_at, open_artifact, verify, lambda url: push(tmp_path / "a", url)):
        with pytest.raises(error, match=message):
            use(place)


def test_a_wrong_bucket_and_a_wrong_path(server: Server, pushed: Address, tmp_path: Path) -> None:
    wrong = address("s3://no-such-bucket/idx", **server.options)
    for use in (manifest_at, lambda url: push(tmp_path / "a", url)):
        with pytest.raises(NoSuchBucket, match="no-such-bucket"):
            use(wrong)
    with pytest.raises(NotAnArtifact, match="contains no index"):
        manifest_at(server.at("nothing-here"))


def test_a_clock_that_is_off(pushed: Address, server: Server) -> None:
    with faulty(server) as (proxied, faults):
        faults.refuse = lambda *_: ("RequestTimeTooSkewed", 403)
        with pytest.raises(ClockOff, match="clock is wrong"):
            manifest_at(proxied.at(pushed.path))


def test_an_answer_of_the_pointer_that_is_lost(server: Server, tmp_path: Path) -> None:
    with faulty(server) as (proxied, faults):
        place = proxied.at("lost")
        push(write_version(tmp_path / "a", 1), place)
        lost = iter([True])
        faults.cut = lambda _, method, path: (
            method == "PUT" and path.endswith("/lost/manifest.json") and next(lost, False)
        )
        push(write_version(tmp_path / "a", 2), place)
        assert next(lost, None) is None
        assert read_number(place) == 2


def test_answers_that_come_late(server: Server, tmp_path: Path) -> None:
    with faulty(server) as (proxied, faults):
        late = {number: threading.Event() for number in range(5, 200, 10)}
        faults.hold = lambda number, *_: number in late and late[number].wait(20)
        place = proxied.at("late", client_options={"timeout": timedelta(seconds=0.3)})
        push(write_version(tmp_path / "a", 1), place)
        assert read_number(place) == 1
        for event in late.values():
            event.set()


def test_downloads_that_are_cut(server: Server, tmp_path: Path) -> None:
    place = server.at("cut")
    push(write_version(tmp_path / "a", 1, size=20_000), place)
    with faulty(server) as (proxied, faults):
        faults.cut = lambda number, method, path: "/objects/" in path and number % 3 == 0
        pull(proxied.at("cut"), tmp_path / "here")
    with open_artifact(tmp_path / "here", verify=True):
        pass


def test_a_bucket_that_refuses_a_put(pushed: Address, server: Server, tmp_path: Path) -> None:
    with faulty(server) as (proxied, faults):
        faults.refuse = lambda _, method, path: ("AccessDenied", 403) if method == "PUT" else None
        place = proxied.at(pushed.path)
        with pytest.raises(AccessRefused, match="denied access"):
            push(write_version(tmp_path / "b", 2), place)
        assert read_number(place) == 1


def test_a_server_that_forgets_conditions(server: Server, tmp_path: Path) -> None:
    """As one that answers to If-None-Match as if it were not there."""
    pointers._PROBED.clear()
    write_version(tmp_path / "a", 1)
    with faulty(server) as (proxied, faults):
        faults.refuse = lambda _, method, path: (
            ("", 200) if method == "PUT" and ".probe-" in path else None
        )
        with pytest.raises(NotWritable, match="ignores If-None-Match or If-Match"):
            push(tmp_path / "a", proxied.at("forgetful"))
        assert current_or_none(Store(server.at("forgetful"))) == (None, None)


# --- processes and disks --------------------------------------------------------------------------

OPEN = (
    "import sys; from tests.store_remote.versions import read_number; "
    "print(read_number(sys.argv[1]))"
)


def opening(server: Server, url: str, cache: Path, *before: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **server.environment, "GRAPHAGG_CACHE": str(cache)}
    return subprocess.Popen(
        [*before, sys.executable, "-c", OPEN, url], env=environment, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _mounting(command: str) -> Callable[[], bool]:
    def works() -> bool:
        tried = ["unshare", "--mount", "sh", "-c", f"{command} /mnt"]
        return (
            shutil.which("unshare") is not None
            and not subprocess.run(tried, capture_output=True, check=False).returncode
        )

    return works


@pytest.mark.skipif(
    not _mounting("mount -t tmpfs -o size=64k tmpfs")(), reason="this user mounts nothing"
)
def test_a_full_and_a_read_only_disk(pushed: Address, server: Server, tmp_path: Path) -> None:
    full, held = tmp_path / "full", tmp_path / "held"
    full.mkdir()
    process = opening(server, str(pushed), full, *_in(full, "mount -t tmpfs -o size=16k tmpfs"))
    _, said = process.communicate(timeout=1200)
    assert process.returncode and "WriteFailed" in said and "GRAPHAGG_CACHE" in said, said
    assert opening(server, str(pushed), held).communicate(timeout=1200)[0] == "1\n"
    read_only = _in(held, "mount --bind -o ro", str(held))
    process = opening(server, str(pushed), held, *read_only)
    assert process.communicate(timeout=1200)[0] == "1\n", "what is there is opened"
    push(write_version(tmp_path / "a", 2), pushed)
    process = opening(server, str(pushed), held, *read_only)
    _, said = process.communicate(timeout=1200)
    assert process.returncode and "WriteFailed" in said and "Read-only" in said, said


def _in(folder: Path, mount: str, source: str = "") -> list[str]:
    """Run what follows where a folder is mounted in another way."""
    return ["unshare", "--mount", "sh", "-c", f'{mount} {source} {folder} && exec "$@"', "sh"]
