from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.communities import CommunityIndex
from graphagg.graph import bundled_graph


@pytest.fixture(scope="session")
def les_miserables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shell") / "comm"
    CommunityIndex.build(bundled_graph("les_miserables"), directory).close()
    return directory
