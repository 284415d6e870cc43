from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from graphagg.communities import CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.rag import PassageIndex
from graphagg.serve.http.security import Access
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service, Sources
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.communities.graphs import planted
from tests.unit.serve.live import Live, patient, serving

logging.raiseExceptions = False  # a command under test logs to a stream that ends with its test


@pytest.fixture(scope="session")
def indices(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """A small index of each kind; the models are stand-ins."""
    root = tmp_path_factory.mktemp("served")
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build(CORPUS, root / "passages", **models).close()
    edges, _ = planted(blocks=4, size=12)
    CommunityIndex.build(np.array(edges), root / "communities").close()
    config = EmbeddingConfig(dim=8)
    NodeEmbedding.build(np.array(edges), root / "embedding", config=config).close()
    return Sources(root / "passages", root / "communities", root / "embedding", **models)


@pytest.fixture
def start() -> Iterator[Callable[..., Live]]:
    """Start services on loopback; all end with the test."""
    open_services = []

    def start(
        sources: Sources,
        limits: ServiceLimits | None = None,
        access: Access | None = None,
        **options: float,
    ) -> Live:
        running = serving(Service(sources, patient(limits)), access, **options)
        open_services.append(running)
        return running.__enter__()

    yield start
    for running in reversed(open_services):
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def live(indices: Sources) -> Iterator[Live]:
    """A service of all three kinds that many tests ask."""
    with serving(Service(indices, patient())) as running:
        yield running


@pytest.fixture(scope="module")
def passages(indices: Sources) -> PassageIndex:
    """The passage index of `indices`, opened by the library."""
    assert indices.passages
    return PassageIndex.open(indices.passages, encoder=indices.encoder, extractor=indices.extractor)
