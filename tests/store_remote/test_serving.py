"""A service over indices on a store moves to what is published there."""

from __future__ import annotations

import pytest

from graphagg.communities import CommunityIndex
from graphagg.serve import reload
from graphagg.serve.service import Service, Sources
from tests.store_remote.proxy import faulty
from tests.store_remote.server import Server

pytestmark = pytest.mark.store


def test_a_service_moves_on_and_survives_a_store_that_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_EVERY", 0.0)
    with faulty(server) as (proxied, faults):
        place = proxied.at("served")
        with CommunityIndex.build([("a", "b"), ("b", "c")], place) as index:
            service = Service(Sources(communities=place))
            try:
                served = service.communities
                first = served.version
                service.refresh()
                assert served.version == first
                index.add([("c", "a")])
                faults.refuse = lambda *_: ("AccessDenied", 403)
                service.refresh()
                assert served.version == first
                assert service.problems == {"communities": "AccessRefused"}
                faults.refuse = lambda *_: None
                service.refresh()
                assert served.version == index.manifest.data != first
                assert not service.problems
            finally:
                service.close()
