"""Readable on a phone and in the dark: no sideways scrolling, enough contrast for every text."""

from __future__ import annotations

import pytest

from tests.web.browser import DESKTOP, PHONE, Page

pytestmark = pytest.mark.web

VIEWS = {
    "empty": ("#/communities", "#community-notice button"),
    "community": ("#/communities?seed=Valjean&seed=Marius", "#legend button"),
    "unknown": ("#/communities?seed=Nobody", "#community-notice .bad"),
    "ask": ("#/passages", "#passage-notice .hop"),
    "passages": ("#/passages?q=Where+did+the+mother+of+Lothair+die", "#hits-about"),
    "similar": ("#/similar?vertex=Valjean", "#similar-list li"),
}

# Every text that is shown, against what lies behind it; W3C's formula (WCAG 2.2, contrast ratio).
CONTRAST = """
const parse = (c) => { const v = c.match(/[\\d.]+/g).map(Number); return [...v.slice(0, 3), v[3] ?? 1]; };
const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b; };
const behind = (e) => { const layers = [];
  for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); layers.push(c); if (c[3] === 1) break; }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]); };
const poor = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const tip = e.matches('input') && (e.value || e.placeholder);
  if (!own && !tip || !e.checkVisibility() || e.matches(':disabled, .skip, .toast, .hidden, option, #graph *')) continue;
  const s = getComputedStyle(e), size = parseFloat(s.fontSize), back = behind(e);
  const fore = over(parse(s.color), back);
  const [hi, lo] = [light(fore), light(back)].sort((a, b) => b - a);
  const ratio = (hi + .05) / (lo + .05), large = size >= 24 || size >= 18.66 && s.fontWeight >= 700;
  if (ratio < (large ? 3 : 4.5)) poor.push([ratio.toFixed(2), e.outerHTML.slice(0, 90)]);
}
return poor;
"""


def look(page: Page, view: str, size: tuple[int, int], scheme: str = "light") -> None:
    address, there = VIEWS[view]
    page.look(size, scheme)
    page.refused = {"404"} if view == "unknown" else set()
    page.open(address)
    page.wait(there)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(page: Page, scheme: str):
    for view in VIEWS:
        look(page, view, DESKTOP, scheme)
        if view == "community":
            page.click("#members .open")
            page.wait("#card .neighbours li")
        if view == "passages":
            page.click("#hits summary")
        assert page.js(CONTRAST) == [], view
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
    page.wait("#card .neighbours li")
    left, top, width = page.js(
        "const r = document.getElementById('card').getBoundingClientRect();"
        "return [r.left, r.top, r.width]"
    )
    assert left == 0 and width == PHONE[0] and top >= PHONE[1] * 0.25
