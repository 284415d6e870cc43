"""The tab Map: from areas to a theme, a name and a passage; by pointer, keyboard and link."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Page
from tests.web.sites import EVIL, PASSAGES

pytestmark = pytest.mark.web


def test_it_zooms_from_an_area_to_a_theme_to_a_passage(page: Page) -> None:
    page.open("#/themes")
    page.wait("#areas .area")
    assert "5 passages" in page.wait_text("#map-lead", "passages")
    assert not page.all("#map-crumbs a") and not page.all("#theme-panel h2")
    first = page.texts(".area-label")[0]
    page.click("#areas .area a")
    assert page.wait_text("#theme-title", first) == first
    assert page.fragment.startswith("/themes?theme=")
    assert page.texts("#map-crumbs a")[0] == "The whole map"
    page.click("#theme-listed summary")
    text = page.wait_text("#theme-listed details[open] p", " ")
    assert any(text.split("\n")[0] in passage.text for passage in PASSAGES)
    page.click("#map-crumbs a")
    page.wait_gone("#theme-title")
    page.driver.back()
    page.wait_text("#theme-title", first)


def test_a_question_lights_up_where_its_passages_lie(page: Page) -> None:
    page.open("#/themes")
    page.wait("#areas .area")
    page.type("#light-question", "Where did Hugh flee?", Keys.ENTER)
    page.wait("#areas .area.lit")
    assert "q=Where" in page.fragment
    assert page.texts("#theme-passages-title") == ["Passages of the question"]
    page.click("#areas .area.lit a")
    page.wait("#theme-listed .lit")
    page.open("#/themes")
    page.wait("#areas .area")
    assert not page.all("#areas .lit, #areas .away")


def test_a_name_leads_to_its_passages_and_its_community(page: Page) -> None:
    page.open("#/themes?theme=1&name=hugh")
    page.wait("#name-body a")
    assert page.texts("#name-body .actions a") == ["Its passages", "Its community"]
    page.click("#name-body .actions a")
    page.wait("#hits-about")
    assert page.fragment.startswith("/passages?q=hugh")


def test_it_is_used_by_keyboard_alone(page: Page) -> None:
    page.open("#/themes")
    page.wait("#areas .area")
    for _ in range(30):
        page.press(Keys.TAB)
        if page.js("return document.activeElement.matches('#areas a')"):
            break
    label = page.js("return document.activeElement.querySelector('.area-label').textContent")
    page.press(Keys.ENTER)
    assert page.wait_text("#theme-title", label)
    assert page.js("return document.activeElement.id") == "theme-title"


def test_markup_in_a_corpus_is_text_and_an_unknown_theme_is_said(page: Page) -> None:
    page.open("#/themes")
    page.wait("#areas .area")
    page.type("#light-question", "wrote", Keys.ENTER)
    page.wait_text("#theme-listed .listed-title", EVIL)
    assert not page.js("return window.harmed")
    page.refused = {"404"}
    page.open("#/themes?theme=99")
    page.wait_text("#map-notice .bad", "99")
    page.click("#map-notice button")
    page.wait("#areas .area")


def test_filters_and_time_leave_a_part_of_the_map(page: Page) -> None:
    page.open("#/themes")
    assert "5 passages" in page.wait_text("#map-lead", "passages")
    assert "837 \u2013 855" in page.wait_text("#map-time-title", "855")
    page.fill("#map-from", "850")
    page.wait_text("#map-lead", "2 passages")
    assert "filter=" in page.fragment
    page.fill("#map-until", "852")
    page.wait_text("#map-lead", "1 passage ")
    link = page.fragment
    page.click("#map-any-time")
    page.wait_text("#map-lead", "5 passages")
    page.open(f"#{link}")
    page.wait_text("#map-lead", "1 passage ")
    assert page.js("return document.getElementById('map-until').value") == "852"
    assert not page.all("#map-filters li")  # time is shown where it is set
    page.click("#map-any-time")
    page.wait_text("#map-lead", "5 passages")


def test_a_filter_that_leaves_nothing_says_so(page: Page) -> None:
    page.open('#/themes?theme=1&filter=["kind","eq","nobody"]')
    page.refused = {"404"}
    page.wait_text("#map-notice .bad", "Theme '1'")
    page.click("#map-notice button")
    page.wait_text("#map-notice", "No passage passes the filters")
    page.click("#map-notice button")
    assert "5 passages" in page.wait_text("#map-lead", "5 passages")
    assert not page.all("#map-filters li")


def test_a_condition_narrows_map_question_and_names(page: Page) -> None:
    page.open("#/themes?q=Where did Hugh flee?&name=hugh")
    page.wait("#areas .area.lit")
    page.wait("#name-body a")
    page.click("#map-filters > button")
    page.choose("#map-filters li select:first-child", "kind")
    page.fill("#map-filters li .value", "count")
    page.wait_text("#map-lead", "1 passage ")
    page.wait_gone("#name-body a")
    page.wait("#areas .area.lit")
    page.open(f"#{page.fragment}&name=hugh")
    page.click("#name-body .actions a")
    page.wait("#hits-about")
    page.options()
    assert "filter=" in page.fragment and len(page.all("#filter-rows li")) == 1
