"""The page over 317,080 vertices and 6,119 passages: com_dblp and 2WikiMultihopQA."""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import DESKTOP, PHONE, Page
from tests.web.test_looks import CONTRAST

pytestmark = [pytest.mark.web, pytest.mark.slow]

PICTURES = Path(__file__).parents[2] / "build" / "web" / "pictures"
QUESTION = "When did Lothair II's mother die?"
ASKED = "#/passages?q=When+did+Lothair+II%27s+mother+die%3F"


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


def test_exploring_dblp_with_clicks_undo_and_a_link(page: Page):
    page.community("33043", more="&size=30")
    vertex = page.members[5]
    page.tap_vertex(vertex)
    page.until(lambda: page.text("#card-title") == vertex)
    page.wait("#card .neighbors li")
    page.click("#card .primary")
    page.until(lambda: page.seeds == ["33043", vertex])
    page.wait_for_picture()
    shown, fragment = page.members, page.fragment
    page.click("#undo")
    page.until(lambda: page.seeds == ["33043"])
    page.wait_for_picture()
    page.click("#redo")
    page.until(lambda: page.seeds == ["33043", vertex])
    page.wait_for_picture()
    assert (page.members, page.fragment) == (shown, fragment)
    page.open(f"#{fragment}")
    page.wait_for_picture()
    assert page.members == shown


def test_downloads_of_a_dblp_community(page: Page):
    page.community("33043", "2")
    for kind in ("csv", "graphml", "png"):
        page.click(f"#save-{kind}")
        page.saved(f".{kind}")
    with page.saved(".csv").open(newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == page.members
    graph = nx.read_graphml(page.saved(".graphml"))
    assert set(graph) == {"33043", "2", *page.members} and graph.number_of_edges() > 100
    width, height = struct.unpack(">II", page.saved(".png").read_bytes()[16:24])
    assert min(width, height) > 300


def test_an_unknown_vertex_of_dblp(page: Page):
    page.refused = {"404"}
    page.open("#/communities?seed=nosuch")
    page.wait_text("#community-notice", "not in this graph")


@pytest.mark.parametrize("mode", ["multihop", "linearrag", "dense", "bm25"])
def test_a_question_to_2wiki_in_every_mode(page: Page, mode: str):
    page.open(f"#/passages?mode={mode}&k=8")
    page.ask(QUESTION)
    page.unfold("#map-panel")
    assert len(page.texts("#hits h2")) == 8 == len(page.all("#map .found"))
    for i in range(8):
        parts = page.js(
            "return [...document.querySelectorAll('#hits > li')[arguments[0]]"
            ".querySelectorAll('.parts .score')].map((e) => Number(e.textContent))", i
        )  # fmt: skip
        score = float(page.texts("#hits header .score")[i])
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


def test_a_link_to_a_question(page: Page):
    page.open(ASKED)
    page.wait("#hits-about")
    titles = page.texts("#hits h2")
    page.click("#copy-question-link")
    page.wait_text("#toast", "Link copied")
    link = page.js("return navigator.clipboard.readText()")
    page.open(link.removeprefix(f"{page.url}/"))
    page.wait("#hits-about")
    assert page.texts("#hits h2") == titles


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pictures_of_each_view(page: Page, size: tuple[int, int], scheme: str):
    """They lie in build/web/pictures, to be looked at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.refused = {"404"}
    views = {
        "communities-empty": ("#/communities", "#community-notice button", None),
        "communities": ("#/communities?seed=33043&seed=2", "#legend button", None),
        "card": ("#/communities?seed=33043&seed=2", "#legend button", "#members .open"),
        "unknown": ("#/communities?seed=nosuch", "#community-notice .bad", None),
        "passages-empty": ("#/passages", "#passage-notice .hop", None),
        "passages": (ASKED, "#hits-about", "#hits summary"),
    }
    for name, (address, there, act) in views.items():
        page.look(size, scheme)
        page.open(address)
        page.wait(there)
        if act:
            page.click(act)
        if name == "card":
            page.wait("#card .neighbors li")
        assert page.js(CONTRAST) == [], name
        assert page.js("return document.documentElement.scrollWidth") <= size[0], name
        height = page.js("return document.documentElement.scrollHeight")
        if name != "card":
            page.look((size[0], min(height, 2400)), scheme)
        picture = PICTURES / f"{name}-{size[0]}-{scheme}.png"
        assert page.driver.save_screenshot(str(picture)) and picture.stat().st_size > 5_000
