"""What a person does in the view of passages, and what must then be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.serve.live import patient, serving
from tests.web.browser import Page
from tests.web.sites import EVIL, PASSAGES

pytestmark = pytest.mark.web

QUESTION = "Where did the mother of Lothair die?"


def ask(page: Page, more: str = "") -> None:
    page.open(f"#/passages{more}")
    page.ask(QUESTION)


def test_a_question_brings_ranked_passages_with_their_entities_marked(page: Page):
    page.open()
    page.click("#views [data-view=passages]")
    assert page.all("#passages-title") and not page.all("#options, #passage-result")
    page.ask(QUESTION)
    assert len(page.all("#hits > li")) == 5
    page.explain()
    scores = [float(text.split()[1][:-1]) for text in page.texts("#hits .parts > summary")]
    assert scores == sorted(scores, reverse=True)
    assert "Lothair" in page.texts("#hits mark.on-path")
    texts = dict(zip(page.texts("#hits h2"), page.texts("#hits .text"), strict=True))
    assert texts == {passage.title: passage.text for passage in PASSAGES}


def test_marks_stand_where_the_service_says_also_after_characters_of_two_units(page: Page):
    ask(page)
    marks = page.js(
        "return [...document.querySelectorAll('[data-passage=hugh] mark')]"
        ".map((mark) => mark.textContent)"
    )
    assert set(marks) <= {"Hugh", "Italy", "Tours"}, "names that lead somewhere, whole ones"
    assert "😀" in page.text("[data-passage=hugh] .text")


def test_the_hop_path_leads_from_the_question_over_sentences_to_the_passage(page: Page):
    ask(page)
    chains = page.js(
        "return [...document.querySelectorAll('#hits > li')].map((hit) => ["
        "hit.querySelector('h2').textContent,"
        "[...hit.querySelectorAll('.hop')].map((hop) => [hop.classList[1],"
        "hop.querySelector('.hop-text').textContent])])"
    )
    for title, steps in chains:
        assert steps[0][0] == "question" and steps[-1] == ["passage", title]
    kinds = {kind for _, steps in chains for kind, _ in steps}
    assert kinds == {"question", "question_entity", "sentence", "entity", "passage"}


def test_passages_on_a_path_have_titles_also_where_they_are_no_hits(page: Page):
    ask(page, "?k=3")
    hits = page.texts("#hits h2")
    page.explain()
    on_paths = page.texts(".hop.passage .hop-text")
    assert set(on_paths) <= {passage.title for passage in PASSAGES} and set(hits) <= set(on_paths)


def test_all_paths_are_drawn_as_one_graph_whose_nodes_lead_to_the_passages(page: Page):
    ask(page)
    titles = page.texts("#hits h2")
    page.unfold("#map-panel")
    assert sorted(page.texts("#map .found .hop-text")) == sorted(titles)
    assert len(page.all("#map .question")) == 1
    ties = page.js("return document.querySelectorAll('#map path').length")
    assert ties >= len(page.texts("#map .map-node")) - 1
    boxes = page.js(
        "return [...document.querySelectorAll('.map-node')].map((n) => n.getBoundingClientRect())"
        ".map((r) => [r.left, r.top, r.right, r.bottom])"
    )
    for i, (left, top, right, bottom) in enumerate(boxes):
        for x1, y1, x2, y2 in boxes[:i]:
            assert x1 >= right or x2 <= left or y1 >= bottom or y2 <= top, "two nodes overlap"
    last = page.all("#map .found")[-1]
    title = last.find_element("class name", "hop-text").text
    last.click()
    page.until(lambda: page.focused.text == title)


def test_the_score_opens_into_its_parts_which_add_up(page: Page):
    ask(page)
    page.explain()
    page.click("#hits > li:nth-child(2) .parts > summary")
    parts = [float(text) for text in page.texts("#hits > li:nth-child(2) .parts .score")]
    total = float(page.texts("#hits > li:nth-child(2) .parts > summary")[0].split()[1][:-1])
    assert sum(parts) == pytest.approx(total, abs=0.02)
    names = page.texts("#hits > li:nth-child(2) .part-name")
    assert len(names) == len(parts) and all(" " in name for name in names)


def test_filters_by_text_number_date_truth_and_list(page: Page):
    ask(page)
    cases = [
        ("kind", "eq", "queen", ["Ermengarde"]),
        ("kind", "in", "count, abbey", ["Erstein", "Hugh"]),
        ("year", "gte", "851", ["Ermengarde", "Lothair"]),
        ("born", "gte", "0830-01-01", ["Lothair"]),
        ("crowned", "eq", "true", ["Ermengarde", "Lothair"]),
        ("tags", "eq", "franks", ["Ermengarde", "Lothair"]),
        ("year", "absent", None, [f"Mallory {EVIL}"]),
    ]
    page.options()
    page.click("#add-filter")
    for key, operator, value, titles in cases:
        page.choose("#filter-rows select:first-child", key)
        page.choose("#filter-rows select:nth-child(2)", operator)
        if value in ("true", "false"):
            page.choose("#filter-rows .value", value)
        elif value is not None:
            page.fill("#filter-rows .value", value)
        page.until(
            lambda titles=titles: sorted(page.texts("#hits h2")) == titles, f"{key} {operator}"
        )
    page.click("#filter-rows .add")
    page.until(lambda: len(page.texts("#hits h2")) == 5)


def test_a_filter_that_nothing_passes_and_one_that_is_no_number_say_so(page: Page):
    ask(page)
    page.options()
    page.click("#add-filter")
    page.choose("#filter-rows select:first-child", "year")
    page.choose("#filter-rows select:nth-child(2)", "gte")
    page.fill("#filter-rows .value", "soon")
    page.wait_text("#passage-notice", "“Year” is a number, and “soon” is none.")
    page.fill("#filter-rows .value", "1900")
    page.wait_text("#passage-notice", "No passage passes the filters")
    page.click("#passage-notice button")
    page.until(lambda: len(page.texts("#hits h2")) == 5)
    assert page.all("#filter-rows li") == []


def test_a_link_reproduces_question_mode_number_and_filters(page: Page):
    ask(page)
    page.options()
    page.click("#add-filter")
    page.choose("#filter-rows select:first-child", "kind")
    page.choose("#filter-rows select:nth-child(2)", "ne")
    page.fill("#filter-rows .value", "abbey")
    page.until(lambda: "Erstein" not in page.texts("#hits h2"))
    page.choose("#mode", "bm25")
    page.fill("#top-k", "3")
    page.until(lambda: "k=3" in page.fragment and len(page.texts("#hits h2")) <= 3)
    titles = page.texts("#hits h2")
    page.open("#" + page.fragment)
    page.wait("#hits-about")
    assert page.texts("#hits h2") == titles
    assert page.texts("#options-toggle") == ["Options (1)"]
    page.options()
    assert page.wait("#question").get_attribute("value") == QUESTION
    assert page.wait("#mode").get_attribute("value") == "bm25"
    assert page.wait("#filter-rows .value").get_attribute("value") == "abbey"


@pytest.fixture
def dated(visit: Callable[[str], Page], tmp_path: Path) -> Iterator[Page]:
    """The page of passages of which two have a date."""
    whens = {"hugh": "2023-05-01", "erstein": "2025-05-01"}
    rows = [
        replace(
            each, metadata={**each.metadata, "when": whens[each.id]} if each.id in whens else {}
        )
        for each in PASSAGES
    ]
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build(rows, tmp_path, **models).close()
    with serving(Service(Sources(tmp_path, **models), patient())) as live:
        yield visit(live.url)


def test_a_moment_hides_what_is_later_and_newer_passages_gain(dated: Page):
    page = dated
    ask(page)
    assert "Erstein" in page.texts("#hits h2")
    page.options()
    page.type("#as-of", "06012024")  # month, day, year
    page.until(lambda: "Erstein" not in page.texts("#hits h2"))
    page.choose("#recency", "1")
    page.until(lambda: "as_of=2024-06-01&recency=1" in page.fragment)

    def explained() -> bool:  # opened again where new hits have replaced the earlier ones
        page.explain()
        return any("recency" in text for text in page.texts("#hits .parts"))

    page.until(explained)
    titles = page.texts("#hits h2")
    assert "Hugh" in titles and page.texts("#options-toggle") == ["Options (2)"]
    page.open("#" + page.fragment)
    page.wait("#hits-about")
    assert page.texts("#hits h2") == titles
    page.options()
    values = [page.wait(field).get_attribute("value") for field in ("#as-of", "#recency")]
    assert values == ["2024-06-01", "1"]
    page.refused.add("400")
    page.open(f"#/passages?q={QUESTION}&as_of=soon")
    page.wait_text("#passage-notice", "as_of is 'soon'")


def test_without_dates_there_is_no_moment_to_choose(visit: Callable[[str], Page], tmp_path: Path):
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build([Passage("a", "Hugh fled.", "", {"year": 837})], tmp_path, **models).close()
    with serving(Service(Sources(tmp_path, **models), patient())) as live:
        page = visit(live.url)
        page.open("#/passages")
        page.options()
        assert page.all("#add-filter") and not page.all("#as-of, #recency")


@pytest.mark.parametrize("mode", ["multihop", "linearrag", "dense", "bm25"])
def test_every_mode_explains_itself(page: Page, mode: str):
    ask(page, f"?mode={mode}")
    steps = page.js("return document.querySelectorAll('#hits .hop.question').length")
    assert steps == len(page.texts("#hits h2")) > 0
    page.unfold("#map-panel")
    assert page.texts("#map .found")


def test_an_empty_question_is_not_asked(page: Page):
    page.open("#/passages")
    page.click("#question-form .primary")
    assert "Type a question first" in page.wait_text("#toast", "Type")
    assert page.focused.get_attribute("id") == "question"


def test_similar_vertices_by_embedding(page: Page):
    page.open()
    page.click("#views [data-view=similar]")
    page.type("#similar-input", "Valjean")
    page.click("#similar-form .primary")
    page.until(lambda: len(page.all("#similar-list li")) == 10)
    scores = [float(text) for text in page.texts("#similar-list .score")]
    assert scores == sorted(scores, reverse=True)
    near = page.texts("#similar-list .id")[0]
    page.click("#similar-list .open")
    page.until(lambda: f"vertex={near}" in page.fragment)
    page.until(lambda: page.texts("#similar-list .id")[:1] != [near])
    assert page.wait("#similar-input").get_attribute("value") == near
