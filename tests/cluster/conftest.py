"""One cluster for all tests of this folder; it is started by the first that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import marked
from tests.cluster.standalone import Cluster, standalone


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standalone(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
    assert not marked(cluster.token), "something that the cluster started is left"


@pytest.fixture
def cluster(started: Cluster) -> Iterator[Cluster]:
    """The cluster with all workers free, and nothing of the test left on it afterwards."""
    started.ensure()
    first = len(started.running)
    yield started
    for running in started.running[first:]:
        running.kill()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where the fault of a test says that it struck."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder
