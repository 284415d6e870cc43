"""One process at a time holds a lease; that of a process that is gone is taken over, by one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from graphagg.errors import ArtifactBusy, JobFailed
from graphagg.spark.storage import Lease
from graphagg.store.remote.files import Store
from tests.spark.stores import store_in

PATIENCE = 0.5


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store(store_in(tmp_path / "store"))


def killed(store: Store) -> Lease:
    """The lease of a process that says no more that it is there."""
    lease = Lease(store, 1e6)
    lease.take()
    return lease


def test_a_second_process_is_refused(store: Store) -> None:
    first = Lease(store, PATIENCE)
    first.take()
    with pytest.raises(ArtifactBusy, match="another process runs this job"):
        Lease(store, 20 * PATIENCE).take()  # sees the first one say that it is there
    first.check()
    first.release()
    assert store.listed() == {}
    second = Lease(store, PATIENCE)
    second.take()
    second.release()


def test_one_alone_takes_over(store: Store) -> None:
    """Of several that find the lease of a killed process at the same time."""
    gone = killed(store)
    ends: list[str] = []
    all_found_it = threading.Barrier(4)

    class Finding(Lease):
        waited = False

        def _read(self) -> bytes | None:
            said = super()._read()
            if not self.waited:
                self.waited = True
                all_found_it.wait()
            return said

    leases = [Finding(store, PATIENCE) for _ in range(4)]

    def take(lease: Lease) -> None:
        try:
            lease.take()
            ends.append("taken")
        except ArtifactBusy:
            ends.append("busy")

    threads = [threading.Thread(target=take, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["busy", "busy", "busy", "taken"]
    for lease in leases:
        lease.release()
    gone.release()


def test_who_slept_too_long_finds_it(store: Store) -> None:
    sleeper = Lease(store, PATIENCE)
    sleeper.take()
    store.write("lease", b"another 0")
    sleeper._beating.join(60)  # type: ignore[union-attr]  # it ends when it sees that
    with pytest.raises(JobFailed, match="taken this job over"):
        sleeper.check()
    sleeper.release()
    assert store.read("lease") == b"another 0", "it is not the sleeper's any more"
