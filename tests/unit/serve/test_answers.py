"""Answers over HTTP are those of the library."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from graphagg import __version__
from graphagg.communities import CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.rag import PassageIndex
from graphagg.serve.models.about import Info
from graphagg.serve.models.graphs import (
    CommunityAnswer,
    NearestAnswer,
    NeighborList,
    StructureAnswer,
    VertexList,
)
from graphagg.serve.models.passages import SearchAnswer
from graphagg.serve.models.values import shown_id
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import Live

QUESTIONS = ["Who read the notes that Ada wrote?", "On which river lies London?", "the sea"]
MODES = ["multihop", "linearrag", "dense", "bm25"]


@pytest.mark.parametrize("mode", MODES)
def test_a_search_gives_what_the_library_gives(
    live: Live, passages: PassageIndex, mode: str
) -> None:
    """The page has words for each part of a score."""
    script = files("graphagg.serve") / "page" / "js" / "passages" / "parts.js"
    known = re.findall(r'^  (\w+): "', script.read_text(encoding="utf-8"), re.MULTILINE)
    for question in QUESTIONS:
        body = {"question": question, "k": 4, "mode": mode}
        answer = live.json("/v1/passages/search", body)
        SearchAnswer.model_validate(answer)
        hits = passages.retrieve(question, 4, mode=mode)  # type: ignore[arg-type]
        expected = [hit.to_json() for hit in hits]
        assert hits and answer["hits"] == expected
        assert {name for hit in hits for name in hit.components} <= set(known)


def test_a_filter_leaves_what_it_lets_through(live: Live) -> None:
    body = {"question": "Who lived in London?", "filter": {"kind": "city"}}
    assert [hit["id"] for hit in live.json("/v1/passages/search", body)["hits"]] == ["p3"]
    wrong = body | {"filter": {"year": {"gte": 2000}}}
    assert live.error(400, "/v1/passages/search", wrong) == "InvalidFilter"


def test_facets_are_of_all_passages_or_of_the_first_of_a_question(live: Live) -> None:
    everything = live.json("/v1/passages/facets", {})
    asked = {"question": "Who lived in London?", "filter": {"kind": "city"}}
    some = live.json("/v1/passages/facets", asked)
    hits = live.json("/v1/passages/search", asked | {"k": 100})["hits"]
    assert some["passages"] == len(hits) < everything["passages"]
    assert some["keys"]["kind"]["values"] == [{"value": "city", "passages": len(hits)}]


@pytest.mark.parametrize("method", ["fused", "minhash", "jaccard", "pagerank"])
def test_a_community_is_that_of_the_library(live: Live, indices: Sources, method: str) -> None:
    assert indices.communities
    with CommunityIndex.open(indices.communities) as index:
        expected = index.query([3, 5], 9, method=method).to_json()  # type: ignore[arg-type]
    answer = live.json("/v1/communities/query", {"seeds": ["3", 5], "k": 9, "method": method})
    CommunityAnswer.model_validate(answer)
    assert {key: answer[key] for key in expected} == expected


def test_the_nearest_vertices_are_those_of_the_library(live: Live, indices: Sources) -> None:
    assert indices.embedding
    with NodeEmbedding.open(indices.embedding) as index:
        expected = [vars(each) for each in index.neighbors(7, 5)]
    answer = live.json("/v1/embedding/neighbors", {"vertex": "7", "k": 5})
    NearestAnswer.model_validate(answer)
    assert answer["neighbors"] == expected


def test_a_structure_holds_seeds_members_and_their_similarities(
    live: Live, indices: Sources
) -> None:
    assert indices.communities
    with CommunityIndex.open(indices.communities) as index:
        community = index.query([3, 5], 12)
        drawn = community.structure()
    answer = live.json("/v1/communities/structure", {"seeds": [3, 5], "k": 12})
    StructureAnswer.model_validate(answer)
    assert [v["id"] for v in answer["vertices"]] == list(drawn.vertices)
    assert [v["seed"] for v in answer["vertices"]] == [True] * 2 + [False] * 12
    assert [v["community"] for v in answer["vertices"]] == drawn.labels.tolist()
    scores = {member.id: member.score for member in community.members}
    assert all(v["score"] == scores.get(v["id"]) for v in answer["vertices"])
    edges = [(e["source"], e["target"], e["weight"]) for e in answer["edges"]]
    assert edges == [tuple(edge) for edge in drawn.to_json()["edges"]]


def test_neighbors_are_those_of_the_graph(live: Live, indices: Sources) -> None:
    assert indices.communities
    with CommunityIndex.open(indices.communities) as index:
        adjacency = index.graph().adjacency
        expected = {int(index.vertices[i]) for i in adjacency.row(index.find(3)).tolist()}
    answer = live.json("/v1/communities/neighbors?vertex=3&limit=100")
    NeighborList.model_validate(answer)
    assert {each["id"] for each in answer["neighbors"]} == expected
    assert answer["degree"] == len(expected) and answer["more"] is False
    degrees = [each["degree"] for each in answer["neighbors"]]
    assert degrees == sorted(degrees, reverse=True)
    few = live.json("/v1/communities/neighbors?vertex=3&limit=2")
    assert few["neighbors"] == answer["neighbors"][:2] and few["more"] is True
    listed = live.json("/v1/communities/vertices?prefix=3&limit=100")
    VertexList.model_validate(listed)
    assert listed["vertices"][0] == {"id": 3, "degree": len(expected)}


def test_info_says_what_there_is(live: Live, indices: Sources) -> None:
    info = live.json("/v1/info")
    Info.model_validate(info)
    assert info["version"] == __version__
    assert info["passages"]["counts"]["passages"] == 5
    assert info["passages"]["metadata"] == {"kind": "string"}
    assert info["communities"]["kind"] == "undirected" and info["embedding"]["dimension"] == 8


@pytest.mark.parametrize("kind", ["passages", "communities", "embedding"])
def test_a_service_of_one_kind_shows_only_that(start, indices: Sources, kind: str) -> None:
    asked = {
        "passages": ("/v1/passages/search", {"question": "Who is Ada?"}),
        "communities": ("/v1/communities/query", {"seeds": [3]}),
        "embedding": ("/v1/embedding/neighbors", {"vertex": 3}),
    }
    models = {"encoder": indices.encoder, "extractor": indices.extractor}
    running = start(Sources(**{kind: getattr(indices, kind)}, **models))
    info = running.json("/v1/info")
    for other, (path, body) in asked.items():
        if other == kind:
            assert running.json(path, body) and info[other]
        else:
            assert running.error(404, path, body) == "NoSuchIndex"
            assert info[other] is None


@pytest.mark.parametrize("vertex", [999, "999", "x", "", 2**63, 2**70, "9" * 500, "\x00", "٣"])
def test_what_is_not_in_the_graph(live: Live, vertex: int | str) -> None:
    assert live.error(404, "/v1/communities/query", {"seeds": [3, vertex]}) == "UnknownVertex"
    assert live.error(404, "/v1/communities/structure", {"seeds": [vertex]}) == "UnknownVertex"
    assert live.error(404, "/v1/embedding/neighbors", {"vertex": vertex}) == "UnknownVertex"
    found = live.get("/v1/communities/neighbors", params={"vertex": str(vertex)})
    assert found.status_code == 404
    listed = live.get("/v1/communities/vertices", params={"prefix": str(vertex)}).json()
    assert bool(listed["vertices"]) is (vertex == "")


def test_ids_that_javascript_would_round_go_as_text() -> None:
    assert shown_id(2**53 - 1) == 2**53 - 1 and shown_id(2**53) == str(2**53)
    assert shown_id("7") == "7"


def test_metrics_count_by_route(start, indices: Sources) -> None:
    running = start(indices)
    for vertex in (3, 4, 999):
        running.post("/v1/communities/query", {"seeds": [vertex]})
    for question in QUESTIONS:
        running.post("/v1/passages/search", {"question": question})
    text = running.get("/metrics").text
    route = 'method="POST",route="/v1/communities/query"'
    assert f'graphagg_requests_total{{{route},status="200"}} 2.0' in text
    assert f'graphagg_requests_total{{{route},status="404"}} 1.0' in text
    assert "process_resident_memory_bytes" in text
    version = running.json("/v1/info")["communities"]["version"]
    assert f'graphagg_index_info{{kind="communities",version="{version}"}} 1.0' in text


def test_a_service_needs_an_index() -> None:
    with pytest.raises(Exception, match="no index to serve"):
        Service(Sources())
