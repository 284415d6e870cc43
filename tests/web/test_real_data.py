"""The page over 317,080 vertices and 6,119 passages: com_dblp and 2WikiMultihopQA.

What does not depend on size is tested on small data, by the other files here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Page

pytestmark = [pytest.mark.web, pytest.mark.slow]

QUESTION = "When did Lothair II's mother die?"


@pytest.fixture
def page(visit: Callable[[str], Page], real_url: str) -> Page:
    return visit(real_url)


def test_type_ahead_over_317080_vertices_shows_only_what_was_typed_last(page: Page):
    page.open()
    assert "317,080 vertices" in page.wait_text("#communities-lead", "317,080")
    for prefix in ("1", "33", "3304", "33043", "12", "330"):
        page.type("#seed-input", Keys.CONTROL, "a", Keys.NULL, prefix)
    page.until(lambda: page.texts("#seed-input-list .id"))
    page.until(lambda: all(v.startswith("330") for v in page.texts("#seed-input-list .id")))
    assert "keep typing" in page.text(".options-note")
    page.type("#seed-input", Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    second = page.texts("#seed-input-list .id")[1]
    page.type("#seed-input", Keys.ENTER)
    page.wait_for_picture()
    assert page.seeds == [second] and len(page.members) == 50


def test_every_method_ranks_members_and_says_why(page: Page):
    page.community("33043", "2", more="&size=12")
    for method in ("minhash", "jaccard", "agglomerative", "pagerank", "fused"):
        page.choose("#method", method)
        part = "" if method == "fused" else f"method={method}"
        page.until(lambda part=part: part in page.fragment)
        page.wait_for_picture()
        assert 0 < len(page.members) <= 12, method
        assert all(page.texts("#members .reason")), method
        lengths = page.js(
            "return [...document.querySelectorAll('#members .bar')]"
            ".map((b) => Number(b.style.getPropertyValue('--share')))"
        )
        assert max(lengths) == 1
        # The agglomerative order is that of joining, not of the score.
        assert method == "agglomerative" or lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("size", [300, 900])
def test_large_communities_are_drawn_and_stay_usable(page: Page, size: int):
    page.community("38868", more=f"&size={size}")
    drawn = page.js("return document.getElementById('graph')._cyreg.cy.nodes().length")
    assert drawn == len(page.members) + 1 > size / 2
    page.click("#zoom-in")
    page.click("#members .open")
    page.wait("#card .neighbors li")


@pytest.mark.parametrize("mode", ["multihop", "linearrag", "dense", "bm25"])
def test_a_question_to_2wiki_in_every_mode(page: Page, mode: str):
    page.open(f"#/passages?mode={mode}&k=8")
    page.ask(QUESTION)
    page.unfold("#map-panel")
    assert len(page.texts("#hits h2")) == 8 == len(page.all("#map .found"))
    page.explain()
    for i in range(8):
        parts = page.js(
            "return [...document.querySelectorAll('#hits > li')[arguments[0]]"
            ".querySelectorAll('.parts .score')].map((e) => Number(e.textContent))", i
        )  # fmt: skip
        score = float(page.texts("#hits .parts > summary")[i].split()[1][:-1])
        assert sum(parts) == pytest.approx(score, rel=0.02)


def test_the_hop_path_of_a_two_hop_question(page: Page):
    page.open("#/passages")
    page.ask(QUESTION)
    titles = page.texts("#hits h2")
    assert {"Lothair II", "Ermengarde of Tours"} <= set(titles)
    hit = f"#hits > li:nth-child({titles.index('Ermengarde of Tours') + 1})"
    steps = page.js(
        "return [...document.querySelector(arguments[0]).querySelectorAll('.hop')]"
        ".map((hop) => hop.classList[1])", hit
    )  # fmt: skip
    assert steps == ["question", "question_entity", "passage", "sentence", "entity", "passage"]
    assert "Ermengarde of Tours" in page.texts(f"{hit} mark.on-path")
    assert page.all("#filters") == []  # 2wiki has no metadata
    page.unfold("#map-panel")
    page.all("#map .found")[-1].click()
    page.until(lambda: page.focused.tag_name == "h2")
