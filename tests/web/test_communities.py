"""What a person does in the view of communities, and what must then be there."""

from __future__ import annotations

import csv
import struct
from itertools import pairwise

import networkx as nx
import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Page
from tests.web.sites import EVIL, characters

pytestmark = [pytest.mark.web, pytest.mark.slow]


def test_type_ahead_lists_vertices_and_makes_seeds_of_them(page: Page):
    page.open()
    assert "77" in page.text("#communities-lead") or "78" in page.text("#communities-lead")
    page.type("#seed-input", "Val")
    page.wait_text("#seed-input-list li", "Valjean")
    page.type("#seed-input", Keys.ARROW_DOWN, Keys.ENTER)
    page.wait_for_picture()
    assert page.seeds == ["Valjean"]
    page.type("#seed-input", "Jav")
    page.wait_text("#seed-input-list li", "Javert").strip()
    page.click("#seed-input-list li")
    page.until(lambda: page.seeds == ["Valjean", "Javert"])
    page.wait_for_picture()
    assert page.seeds[0] not in page.members and len(page.members) == 50
    assert "shared with Valjean" in page.text("#members .reason")


def test_the_list_closes_with_escape_and_says_when_nothing_begins_like_this(page: Page):
    page.open()
    page.type("#seed-input", "Nobody")
    assert "No vertex begins with “Nobody”" in page.wait_text(".options-note", "Nobody")
    page.type("#seed-input", Keys.ESCAPE)
    page.wait_gone(".options-box")
    assert page.wait("#seed-input").get_attribute("value") == "Nobody"


def test_an_empty_page_offers_well_linked_vertices(page: Page):
    page.open()
    page.wait_text("#community-notice button", "Valjean")
    page.click("#community-notice button")
    page.wait_for_picture()
    assert page.seeds == ["Valjean"]


def test_method_and_size_change_the_answer_and_undo_and_redo_go_through_it(page: Page):
    page.community("Valjean")
    page.fill("#size", "7")
    page.until(lambda: len(page.members) == 7)
    page.choose("#method", "jaccard")
    page.until(lambda: "method=jaccard" in page.fragment)
    page.wait_for_picture()
    page.click("#undo")
    page.until(lambda: "method" not in page.fragment)
    assert page.wait("#method").get_attribute("value") == "fused"
    page.click("#undo")
    page.until(lambda: len(page.members) == 50)
    assert not page.wait("#undo").is_enabled()
    page.wait_for_picture()
    page.press("y", control=True)
    page.until(lambda: len(page.members) == 7)
    assert page.wait("#redo").is_enabled()


def test_a_size_beyond_the_limit_becomes_the_limit(page: Page):
    page.community("Valjean", more="&size=5")
    page.fill("#size", "100000")
    page.until(lambda: "size=1000" in page.fragment)
    assert "Between 1 and 1000" in page.text("#toast")


def test_a_link_reproduces_the_view(page: Page):
    page.community("Valjean", "Marius", more="&method=minhash&size=9")
    shown = page.seeds, page.members, page.texts("#members .score"), page.texts("#legend li")
    page.click("#copy-link")
    page.wait_text("#toast", "Link copied")
    link = page.js("return navigator.clipboard.readText()")
    assert link == page.driver.current_url
    page.open(link.removeprefix(f"{page.url}/"))
    page.wait_for_picture()
    again = page.seeds, page.members, page.texts("#members .score"), page.texts("#legend li")
    assert again == shown and len(page.members) == 9
    assert page.wait("#method").get_attribute("value") == "minhash"


def test_the_browsers_back_button_goes_to_what_was_shown_before(page: Page):
    page.community("Valjean", more="&size=5")
    page.click("#members .add")
    page.until(lambda: len(page.seeds) == 2)
    page.driver.back()
    page.until(lambda: page.seeds == ["Valjean"])
    page.wait_for_picture()


def test_a_vertex_of_the_picture_opens_its_card_and_becomes_a_seed(page: Page):
    page.community("Valjean", more="&size=20")
    vertex = page.members[3]
    page.tap_vertex(vertex)
    page.until(lambda: page.text("#card-title") == vertex)
    assert "Place 4" in page.text("#card")
    page.wait_text("#card .neighbors h3", "neighbor")
    known = set(characters().neighbors(vertex))
    assert set(page.texts("#card .neighbors:nth-of-type(3) .open .id")) <= known
    page.click("#card .primary")
    page.until(lambda: page.seeds == ["Valjean", vertex])
    page.wait_for_picture()
    page.tap_vertex("Valjean")
    page.wait_text("#card button", "Remove seed")
    page.click("#card .actions button")
    page.until(lambda: page.seeds == [vertex])
    page.wait_for_picture()


def test_neighbors_of_neighbors_can_be_walked_and_one_can_start_afresh(page: Page):
    page.community("Valjean", more="&size=20")
    page.click("#members .open")
    page.click("#card .neighbors .open")
    first = page.members[0]
    page.until(lambda: page.text("#card-title") != first)
    here = page.text("#card-title")
    assert here in characters().neighbors(first)
    page.wait_text("#card .actions button", "Start from here")
    page.all("#card .actions button")[1].click()
    page.until(lambda: page.seeds == [here])
    page.wait_for_picture()


def test_the_card_shows_what_is_similar_by_embedding(page: Page):
    page.community("Valjean", more="&size=20")
    page.click("#members .open")
    page.wait_text("#card h3", "Similar by embedding")
    assert len(page.all("#card .neighbors:last-child li")) == 8


def test_the_legend_counts_every_vertex_and_shows_a_group_alone(page: Page):
    page.community("Valjean", more="&size=40")
    counts = [int(text) for text in page.texts("#legend button .quiet")]
    assert sum(counts) == 41 and counts == sorted(counts, reverse=True)
    page.click("#legend button")
    faded = "return document.getElementById('graph')._cyreg.cy.nodes('.faded').length"
    page.until(lambda: page.js(faded) == 41 - counts[0])
    page.click("#legend button")
    page.until(lambda: page.js(faded) == 0)


def test_colors_of_groups_differ_also_for_people_who_see_fewer(page: Page):
    page.community("Valjean", more="&size=40")
    marks = page.js(
        "return [...document.querySelectorAll('#legend svg')]"
        ".filter((s) => s.firstChild.hasAttribute('fill'))"  # the kinds of ties have none
        ".map((s) => [s.firstChild.getAttribute('fill'),"
        "s.firstChild.tagName + s.firstChild.getAttribute('d')])"
    )
    assert len(marks) >= 3
    assert len({color for color, _ in marks}) == len(marks)
    assert all(shape != other for (_, shape), (_, other) in pairwise(marks))


def test_members_structure_and_picture_arrive_as_files(page: Page):
    page.community("Valjean", more="&size=60")
    for kind in ("csv", "graphml", "png"):
        page.click(f"#save-{kind}")
    with page.saved(".csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == page.members and EVIL in page.members
    assert [row["rank"] for row in rows] == [str(i + 1) for i in range(60)]
    assert all(row["sub_community"].isdigit() and row["reason"] for row in rows)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)

    graph = nx.read_graphml(page.saved(".graphml"))
    assert set(graph) == {"Valjean", *page.members} and EVIL in graph
    assert graph.nodes["Valjean"]["seed"] is True
    assert all(0 < weight <= 1 for _, _, weight in graph.edges(data="weight"))
    joined = characters()
    assert {graph.edges[pair]["in_graph"] for pair in graph.edges} == {True, False}
    assert all(graph.edges[pair]["in_graph"] == joined.has_edge(*pair) for pair in graph.edges)
    groups = [community for _, community in graph.nodes(data="community")]
    most = max(groups.count(group) for group in set(groups))
    assert most == int(page.texts("#legend button .quiet")[0])

    content = page.saved(".png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and min(struct.unpack(">II", content[16:24])) > 200


def test_chips_go_with_a_click_and_with_backspace(page: Page):
    page.community("Valjean", "Javert", "Marius", more="&size=5")
    page.click("#chips li:nth-child(2) button")
    page.until(lambda: page.seeds == ["Valjean", "Marius"])
    page.wait_for_picture()
    page.type("#seed-input", Keys.BACKSPACE)
    page.until(lambda: page.seeds == ["Valjean"])
    page.wait_for_picture()
    page.type("#seed-input", Keys.BACKSPACE)
    page.wait_text("#community-notice", "No seed yet")


def test_a_pasted_column_is_one_seed_a_line(page: Page):
    page.open()
    page.js(
        "const data = new DataTransfer(); data.setData('text', arguments[0]);"
        "document.getElementById('seed-input').dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))",
        "Valjean\nMarius\r\nMmeThenardier\n",
    )
    page.until(lambda: page.seeds == ["Valjean", "Marius", "MmeThenardier"])
    page.wait_for_picture()
