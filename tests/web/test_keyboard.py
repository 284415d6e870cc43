"""Everything is reached and done without a mouse, and one always sees where one is."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Page

pytestmark = [pytest.mark.web, pytest.mark.slow]


def tab_to(page: Page, selector: str, *, most: int = 60) -> None:
    """Press Tab until an element has the focus; every stop on the way must be visible."""
    for _ in range(most):
        page.press(Keys.TAB)
        here = page.js(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "const near = e.closest('.combo') ?? e, t = getComputedStyle(near);"
            "const ring = (x) => x.outlineStyle !== 'none' && x.outlineWidth !== '0px';"
            "const seen = [s, t].some(ring);"
            "return [e.matches(arguments[0]), seen, e.outerHTML.slice(0, 120)]",
            selector,
        )
        assert here[1], f"no ring around {here[2]}"
        if here[0]:
            return
    raise AssertionError(f"{selector} was not reached in {most} steps")


def test_the_whole_of_communities_by_keyboard(page: Page):
    page.open()
    tab_to(page, "#skip", most=1)
    page.press(Keys.ENTER)
    page.until(lambda: page.focused.get_attribute("id") == "main")
    tab_to(page, "#seed-input", most=2)
    page.press("Val")
    page.wait_text("#seed-input-list li", "Valjean")
    page.press(Keys.ARROW_DOWN)
    active = page.wait("#seed-input").get_attribute("aria-activedescendant")
    assert page.wait(f"#{active}").get_attribute("aria-selected") == "true"
    page.press(Keys.ENTER)
    page.wait_for_picture()
    assert page.focused.get_attribute("id") == "seed-input"

    tab_to(page, "#members .open")
    page.press(Keys.ENTER)
    page.until(lambda: page.focused.get_attribute("id") == "card-title")
    page.press(Keys.ESCAPE)
    page.wait_gone("#card")
    assert "open" in page.focused.get_attribute("class")

    tab_to(page, "#members .add", most=1)
    second = page.members[0]
    page.press(Keys.ENTER)
    page.until(lambda: page.seeds == ["Valjean", second])
    page.wait_for_picture()
    assert page.focused.get_attribute("id") == "members-title"

    tab_to(page, "#graph", most=110)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    third = page.members[0]
    page.wait_text("#live", f"{third}, place 1")
    page.press("+", "-", "0", Keys.ENTER)
    page.until(lambda: page.text("#card-title") == third)
    tab_to(page, "#card .primary", most=3)
    page.press(Keys.ENTER)
    page.until(lambda: page.seeds == ["Valjean", second, third])
    page.wait_for_picture()
    page.press("z", control=True)
    page.until(lambda: page.seeds == ["Valjean", second])
    page.press("z", control=True, shift=True)
    page.until(lambda: page.seeds == ["Valjean", second, third])
    page.wait_for_picture()


def test_the_whole_of_passages_by_keyboard(page: Page):
    page.open()
    tab_to(page, "#views [data-view=passages]", most=3)
    page.press(Keys.ENTER)
    page.wait("#question")
    tab_to(page, "#question")
    page.press("Where did the mother of Lothair die?", Keys.ENTER)
    page.wait("#hits-about")
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    page.until(lambda: page.focused.get_attribute("id") == "hit-2")
    page.press("/")
    page.until(lambda: page.focused.get_attribute("id") == "question")
    tab_to(page, "#map-panel summary")
    page.press(Keys.ENTER)
    tab_to(page, "#map .found")
    title = page.focused.find_element("class name", "hop-text").text
    page.press(Keys.ENTER)
    page.until(lambda: page.focused.tag_name == "h2" and page.focused.text == title)
    tab_to(page, "#hits .why > summary", most=3)
    page.press(Keys.ENTER)
    tab_to(page, "#hits .parts > summary", most=2)
    page.press(Keys.ENTER)
    page.wait("#hits details[open] .part-name")


def test_every_control_has_a_name(page: Page):
    for address, there in (
        ("#/communities?seed=Valjean&size=5", "#legend button"),
        ("#/passages?q=Where+did+Lothair+die", "#hits-about"),
        ("#/similar?vertex=Valjean", "#similar-list li"),
    ):
        page.open(address)
        page.wait(there)
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = ("button", "link", "textbox", "searchbox", "combobox", "spinbutton", "listbox")
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in roles
        ]
        assert len(named) > 8
        assert [role for role, name in named if not name] == []
