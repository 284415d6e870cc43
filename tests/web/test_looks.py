"""Readable on a phone and in the dark: no sideways scrolling, no serious fault by axe-core."""

from __future__ import annotations

import pytest

from tests.web.browser import DESKTOP, PHONE, Page

pytestmark = [pytest.mark.web, pytest.mark.slow]

VIEWS = {
    "empty": ("#/communities", "#community-notice button"),
    "community": ("#/communities?seed=Valjean&seed=Marius", "#legend button"),
    "unknown": ("#/communities?seed=Nobody", "#community-notice .bad"),
    "ask": ("#/passages", "#question"),
    "passages": ("#/passages?q=Where+did+the+mother+of+Lothair+die", "#hits-about"),
    "map": ("#/themes", "#areas .area"),
    "theme": ("#/themes?theme=1&name=hugh&q=Where+did+Hugh+flee", "#name-body a"),
    "similar": ("#/similar?vertex=Valjean", "#similar-list li"),
}


def look(page: Page, view: str, size: tuple[int, int], scheme: str = "light") -> None:
    address, there = VIEWS[view]
    page.look(size, scheme)
    page.refused = {"404"} if view == "unknown" else set()
    page.open(address)
    page.wait(there)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault(page: Page, scheme: str):
    for view in VIEWS:
        look(page, view, DESKTOP, scheme)
        if view == "community":
            page.click("#members .open")
            page.wait("#card .neighbors li")
        if view == "passages":
            page.explain()
            page.click("#hits .parts > summary")
        assert page.faults() == [], view
        page.console()


def test_dark_is_dark_and_light_is_light_and_the_picture_follows(page: Page):
    look(page, "community", DESKTOP, "light")
    ground = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    label = "return document.getElementById('graph')._cyreg.cy.nodes()[0].style('color')"
    assert min(page.js(ground)) > 200
    before = page.js(label)
    page.look(DESKTOP, "dark")
    page.until(lambda: max(page.js(ground)) < 60)
    page.until(lambda: page.js(label) != before)


def test_a_phone_scrolls_one_way_and_no_control_is_cut_off(page: Page):
    for view in VIEWS:
        look(page, view, PHONE)
        width = page.js("return document.documentElement.scrollWidth")
        assert width <= PHONE[0], view
        cut = page.js(
            "return [...document.querySelectorAll('button, input, select, a, h1, h2, .id')]"
            ".filter((e) => e.checkVisibility() && !e.closest('.map-scroll, .skip, .options-box'))"
            ".filter((e) => { const r = e.getBoundingClientRect();"
            "return r.width && (r.left < 0 || r.right > innerWidth); })"
            ".filter((e) => !e.matches('.skip')).map((e) => e.outerHTML.slice(0, 90))"
        )
        assert cut == [], view
        page.console()


def test_the_card_on_a_phone_leaves_the_page_in_sight(page: Page):
    look(page, "community", PHONE)
    page.js("document.querySelector('#members .open').scrollIntoView()")
    page.click("#members .open")
    page.wait("#card .neighbors li")
    left, top, width = page.js(
        "const r = document.getElementById('card').getBoundingClientRect();"
        "return [r.left, r.top, r.width]"
    )
    assert left == 0 and width == PHONE[0] and top >= PHONE[1] * 0.25
