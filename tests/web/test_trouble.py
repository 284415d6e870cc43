"""What goes wrong is said in words for people, with a way on; nothing that is shown can harm."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from graphagg.serve.http.security import Access
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import serving
from tests.web.browser import Page
from tests.web.sites import EVIL

pytestmark = [pytest.mark.web, pytest.mark.slow]

TOKEN = "a-token-that-is-long-enough"


def test_an_unknown_vertex_is_named_and_undo_goes_back(page: Page):
    page.refused = {"404"}
    page.community("Valjean", more="&size=5")
    page.type("#seed-input", "Nobody", Keys.ENTER)
    page.wait_text("#community-notice", "not in this graph")
    assert "Nobody" in page.text("#community-notice")
    page.click("#community-notice button")
    page.wait_for_picture()
    assert page.seeds == ["Valjean"] and page.all("#community-notice .notice") == []


def test_more_seeds_than_the_service_takes_are_left_out_and_it_says_so(page: Page):
    page.community("Valjean", more="&size=5")
    page.refused = {"404"}
    page.js(
        "const data = new DataTransfer(); data.setData('text', arguments[0]);"
        "document.getElementById('seed-input').dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))",
        "\n".join(f"v{i}" for i in range(150)),
    )
    page.wait_text("#toast", "100 seeds at most")
    page.until(lambda: len(page.seeds) == 100)
    page.wait("#community-notice .bad")


def test_a_link_with_too_much_or_nonsense_is_answered_in_words(page: Page):
    page.refused = {"422"}
    page.open("#/communities?" + "&".join(f"seed=v{i}" for i in range(101)))
    page.wait_text("#community-notice", "at most 100")
    page.open("#/communities?seed=Valjean&method=magic")
    page.wait_text("#community-notice", "Method: input should be")
    page.open("#/nowhere?seed=1")
    page.wait("#seed-input")
    page.open("#/passages?filter=%5Bbroken&k=-4&q=")
    page.wait("#question")


def test_names_that_are_markup_are_shown_as_they_are(page: Page):
    page.community(quote(EVIL), more="&size=30")
    assert page.seeds == [EVIL]
    page.tap_vertex(EVIL)
    page.until(lambda: page.text("#card-title") == EVIL)
    page.open("#/communities")
    page.type("#seed-input", "<img")
    page.wait_text("#seed-input-list li", EVIL)
    page.open("#/similar?vertex=" + quote(EVIL))
    page.wait("#similar-list li")
    page.open("#/passages")
    page.ask(f"Who wrote {EVIL} about Mallory?")
    assert f"Mallory {EVIL}" in page.texts("#hits h2")
    assert any(EVIL in text for text in page.texts("#hits .text"))
    page.explain()
    assert EVIL in page.texts(".metadata dd")
    assert page.js("return document.querySelectorAll('img:not([src^=static])').length") == 0


def test_the_policy_forbids_scripts_and_styles_in_the_page(page: Page):
    page.open()
    page.js(
        "const script = document.createElement('script'); script.textContent = 'window.harmed = 1';"
        "document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend',"
        " '<img src=data:, onerror=\"window.harmed = 1\">')"
    )
    assert page.js("return window.harmed") is None
    blocked = page.console()
    assert blocked and all("Content Security Policy" in line for line in blocked)


def test_a_token_is_asked_for_sent_and_kept_in_this_tab_only(
    visit: Callable[[str], Page], small: Sources
):
    with serving(Service(small), Access(token=TOKEN)) as live:
        page = visit(live.url)
        page.refused = {"401"}
        page.open("#/communities?seed=Valjean&size=5", ready="#token")
        page.type("#token", "wrong", Keys.ENTER)
        page.wait_text("#token-about", "did not accept")
        page.click("#token-cancel")
        page.wait_text("#boot", "A token is needed")
        page.click("#boot button")
        page.type("#token", TOKEN, Keys.ENTER)
        page.wait_for_picture()
        assert page.seeds == ["Valjean"]
        page.driver.refresh()
        page.wait_for_picture()
        kept = page.js("return [localStorage.length, document.cookie, sessionStorage.length]")
        assert kept == [0, "", 1] and TOKEN not in page.driver.current_url
        page.js("sessionStorage.clear()")


def test_a_service_that_is_gone_is_waited_for(visit: Callable[[str], Page], small: Sources):
    with ExitStack() as first:
        live = first.enter_context(serving(Service(small)))
        page = visit(live.url)
        page.community("Valjean", more="&size=5")
    page.refused = {"gone"}
    page.click("#members .add")
    page.wait_text("#community-notice", "does not answer")
    seeds = page.seeds
    assert len(seeds) == 2
    with serving(Service(small), port=live.port):
        page.click("#community-notice button")
        page.wait_for_picture()
        assert page.seeds == seeds


@pytest.mark.parametrize("kind", ["passages", "communities", "embedding"])
def test_only_what_the_service_has_is_shown(
    visit: Callable[[str], Page], small: Sources, kind: str
):
    absent = {other: None for other in ("passages", "communities", "embedding") if other != kind}
    with serving(Service(replace(small, **absent))) as live:
        page = visit(live.url)
        view = "similar" if kind == "embedding" else kind
        page.open("#/passages?q=Who" if kind == "communities" else "#/communities?seed=Valjean")
        page.wait(f"#{view} h1")
        views = ["Passages", "Map"] if kind == "passages" else []  # one view needs no list
        assert page.texts("#views a") == views
        assert len(page.texts("main > section")) == 1
        if kind == "communities":
            page.community("Valjean", more="&size=5")
            page.click("#members .open")
            page.wait("#card .neighbors li")
            assert "Similar by embedding" not in page.text("#card")
