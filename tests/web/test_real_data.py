"""The page over the 317,080 vertices of com_dblp.

What does not depend on size is tested on small data, by the other files here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Page

pytestmark = [pytest.mark.web, pytest.mark.slow]


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


@pytest.mark.parametrize("size", [300, 900])
def test_large_communities_are_drawn_and_stay_usable(page: Page, size: int):
    page.community("38868", more=f"&size={size}")
    drawn = page.js("return document.getElementById('graph')._cyreg.cy.nodes().length")
    assert drawn == len(page.members) + 1 > size / 2
    page.click("#zoom-in")
    page.click("#members .open")
    page.wait("#card .neighbors li")
