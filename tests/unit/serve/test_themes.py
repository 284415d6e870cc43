"""The map and likeness over HTTP are those of the library."""

from __future__ import annotations

import pytest

from graphagg.rag import PassageIndex
from graphagg.rag.corpus.themes import ThemeMap
from graphagg.serve.models.themes import SimilarAnswer, ThemeAnswer, ThemeDistribution, ThemesAnswer
from tests.unit.serve.live import Live


@pytest.fixture(scope="module")
def made(passages: PassageIndex) -> ThemeMap:
    return passages.map()


def test_themes_are_those_of_the_map(live: Live, made: ThemeMap, passages: PassageIndex) -> None:
    answer = live.json("/v1/passages/themes", {})
    ThemesAnswer.model_validate(answer)
    assert answer["themes"] == made.to_json()["themes"] and answer["passages"] == len(passages)
    assert sum(theme["passages"] for theme in answer["themes"]) == len(passages)


def test_a_theme_lists_its_passages(live: Live, made: ThemeMap) -> None:
    answer = live.json("/v1/passages/theme", {"theme": "1"})
    ThemeAnswer.model_validate(answer)
    assert [each["id"] for each in answer["listed"]] == made.passages_of("1")
    assert answer["theme"]["words"] == list(made["1"].words)


def test_a_question_lights_up_the_themes_of_its_passages(
    live: Live, made: ThemeMap, passages: PassageIndex
) -> None:
    answer = live.json(
        "/v1/passages/theme-distribution", {"question": "On which river lies London?"}
    )
    ThemeDistribution.model_validate(answer)
    hits = passages.retrieve("On which river lies London?", 20)
    assert [each["id"] for each in answer["passages"]] == [hit.passage.id for hit in hits]
    for each in answer["passages"]:
        assert each["theme"] == made.theme_of_passage(each["id"]).id
        assert answer["themes"][each["theme"]]


def test_likes_are_those_of_the_library(live: Live, passages: PassageIndex) -> None:
    first = next(iter(passages)).id
    answer = live.json("/v1/passages/similar", {"passage": first})
    SimilarAnswer.model_validate(answer)
    assert answer["items"] == passages.similar_passages(first).to_json()["items"]
    key = passages.graph().entities[0]
    answer = live.json("/v1/passages/similar", {"entity": key, "k": 3})
    assert answer["items"] == passages.similar_entities(key, 3).to_json()["items"]


def test_what_is_not_there_is_named(live: Live) -> None:
    assert live.error(404, "/v1/passages/theme", {"theme": "99"}) == "UnknownTheme"
    assert live.error(404, "/v1/passages/similar", {"passage": "99"}) == "UnknownPassage"
    assert live.error(404, "/v1/passages/similar", {"entity": "Zeus"}) == "UnknownEntity"
    assert live.error(400, "/v1/passages/similar", {}) == "InvalidParameter"
    assert live.error(400, "/v1/passages/themes", {"filter": {"x": 1}}) == "InvalidFilter"
