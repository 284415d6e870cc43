from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphagg.cli.shell.communities import CommunityShell
from graphagg.communities import CommunityIndex
from graphagg.graph import bundled_graph


@pytest.fixture(scope="session")
def les_miserables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shell") / "comm"
    CommunityIndex.build(bundled_graph("les_miserables"), directory).close()
    return directory


@pytest.fixture(scope="session")
def shell(les_miserables: Path) -> Iterator[CommunityShell]:
    with CommunityIndex.open(les_miserables) as index:
        yield CommunityShell(index)
