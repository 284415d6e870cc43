"""A published version is met without losing a request; a broken one changes nothing."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityIndex
from graphagg.errors import GraphAggError
from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.reload import ReloadingIndex
from graphagg.serve.service import Sources
from graphagg.store.manifest import Manifest
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.communities.graphs import planted
from tests.unit.serve.live import SECONDS, HeldEncoder, until


class Opened:
    """What is served: a version that may be closed once, by the last who needs it."""

    def __init__(self, version: str) -> None:
        self.manifest = Manifest("test", data=version)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def publish(directory: Path, version: int) -> None:
    path = directory / "manifest.json"
    (directory / "new").write_text(json.dumps({"data": f"v-{version}"}) + " " * version)
    (directory / "new").replace(path)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(["lease", "end", "publish", "refresh"]), max_size=30))
def test_a_version_is_closed_once_when_its_last_lease_ends(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    directory = tmp_path_factory.mktemp("served")
    publish(directory, 0)
    made: list[Opened] = []

    def open_index(where: Path) -> Opened:
        made.append(Opened(json.loads((where / "manifest.json").read_text())["data"]))
        return made[-1]

    served, leases, published = ReloadingIndex(directory, open_index), [], 0
    for step in steps:
        if step == "publish":
            published += 1
            publish(directory, published)
        if step == "refresh":
            moved = served.version != f"v-{published}"
            assert served.refresh() is moved and served.version == f"v-{published}"
        if step == "lease":
            lease = served._lease()
            leases.append((lease, lease.__enter__()))
            assert leases[-1][1].manifest.data == served.version
        if step == "end" and leases:
            leases.pop(0)[0].__exit__(None, None, None)
        needed = {id(opened) for _, opened in leases} | {id(made[-1])}
        assert [opened.closed for opened in made] == [int(id(o) not in needed) for o in made]
    served.close()
    while leases:
        leases.pop()[0].__exit__(None, None, None)
    assert all(opened.closed == 1 for opened in made)


def test_a_version_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    publish(tmp_path, 0)
    broken = threading.Event()

    def open_index(where: Path) -> Opened:
        if broken.is_set():
            raise GraphAggError("broken")
        return Opened(json.loads((where / "manifest.json").read_text())["data"])

    served = ReloadingIndex(tmp_path, open_index)
    publish(tmp_path, 1)
    broken.set()
    for _ in range(2):
        with pytest.raises(GraphAggError, match="broken"):
            served.refresh()
    assert served.version == "v-0"
    broken.clear()
    assert served.refresh() and served.version == "v-1"
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(GraphAggError, match="open index is still served"):
        served.refresh()


def wait_for(running, kind: str, version: str) -> None:
    until(lambda: running.json("/v1/info")[kind]["version"] == version)


def test_publishing_loses_no_request(start, tmp_path: Path) -> None:
    edges, _ = planted(blocks=4, size=12)
    directory = tmp_path / "communities"
    first = CommunityIndex.build(np.array(edges), directory).manifest.data
    running = start(Sources(communities=directory))
    end, answers = threading.Event(), []

    def ask(number: int) -> None:
        while not end.is_set():
            answer = running.post("/v1/communities/query", {"seeds": [number], "k": 5})
            answers.append(answer.status_code)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        for extra in range(2):
            with CommunityIndex.open(directory) as index:
                index.add([(100 + extra, 0), (100 + extra, 1)])
                version = index.manifest.data
            wait_for(running, "communities", version)
            assert running.json("/v1/communities/vertices?prefix=10")["vertices"]
        end.set()
        for each in asking:
            each.result(SECONDS)
    assert set(answers) == {200} and version != first
    assert f'version="{version}"}} 1.0' in running.get("/metrics").text
    assert f'version="{first}"' not in running.get("/metrics").text
    assert running.json("/v1/communities/query", {"seeds": [101]})["members"]


def test_a_question_under_way_keeps_its_version(start, tmp_path: Path) -> None:
    encoder, extractor = HeldEncoder(), FakeExtractor()
    directory = tmp_path / "passages"
    PassageIndex.build(CORPUS, directory, encoder=FakeEncoder(), extractor=extractor).close()
    sources = Sources(passages=directory, encoder=encoder, extractor=extractor)
    # The question comes twice, and is encoded twice.
    running = start(sources, ServiceLimits())
    question = {"question": "Who wrote a letter to Babbage?", "k": 10}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(running.post, "/v1/passages/search", question)
        assert encoder.entered.wait(SECONDS)
        with PassageIndex.open(directory, encoder=FakeEncoder(), extractor=extractor) as index:
            index.add([Passage("p6", "Menabrea wrote a letter to Babbage.", "Menabrea")])
            version = index.manifest.data
        wait_for(running, "passages", version)
        encoder.gate.set()
        before = asked.result(SECONDS).json()
    after = running.json("/v1/passages/search", question)
    assert "p6" not in [hit["id"] for hit in before["hits"]]
    assert after["hits"][0]["id"] == "p6"
    assert len(encoder.calls) == 2  # the new version was given the encoder that was there
