"""Where a passage stands, shown and linked; and Enter, which takes the one completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from selenium.webdriver.common.keys import Keys

from graphagg.rag import Passage, PassageIndex
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.serve.live import patient, serving
from tests.web.browser import DESKTOP, PHONE, Page

pytestmark = [pytest.mark.web, pytest.mark.slow]

BOOK = {"path": "books/annals.pdf", "folder": ["books"], "suffix": ".pdf"}
PASSAGES = [
    Passage(
        "annals.pdf#3", "The annals name Hugh among the counts.", "Annals",
        {**BOOK, "page": 7, "heading": ["Part I", "Counts"], "kind": "book"}, "annals.pdf", 3,
    ),
    Passage("annals.pdf#4", "Hugh fled to Italy.", "Annals", {**BOOK, "page": 8}, "annals.pdf", 4),
    Passage(
        "web", "The abbey of Erstein has a page of its own.", "Abbey",
        {"path": "abbey.html", "url": "https://example.org/abbey", "page": 2},
    ),
    Passage("script", "Hugh is not in Erstein.", "Script", {"path": "x", "url": "javascript:no"}),
    Passage("copy", "Hugh is not in Erstein.", "Copy", {}),
    Passage("plain", "Ermengarde died at Erstein.", "Plain"),
]  # fmt: skip
QUESTION = "Where is Hugh, and is he in Erstein?"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    where = tmp_path_factory.mktemp("places") / "i"
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build(PASSAGES, where, **models).close()  # type: ignore[arg-type]
    with serving(Service(Sources(passages=where, **models), patient())) as live:  # type: ignore[arg-type]
        yield live.url


@pytest.fixture
def asked(visit: Callable[[str], Page], url: str) -> Page:
    page = visit(url)
    page.open("#/passages?k=9")
    page.ask(QUESTION)
    return page


def of(passage: str, inside: str = ".place") -> str:
    return f"[data-passage='{passage}'] {inside}"


def test_file_page_and_heading_are_shown_once(asked: Page) -> None:
    assert asked.texts(of("annals.pdf#3", ".place > *")) == [
        "books/annals.pdf", "page 7", "Part I",
    ]  # fmt: skip
    assert asked.texts(of("annals.pdf#3", "h2")) == ["AnnalsCounts"]
    asked.explain()
    assert asked.texts(of("annals.pdf#3", ".metadata dt")) == ["Kind"]
    assert asked.all(of("plain")) == [] and asked.all(of("web", ".metadata dt"))


def test_a_place_on_the_web_is_linked_and_no_script(asked: Page) -> None:
    (link,) = asked.all(of("web", ".place a"))
    assert link.get_attribute("href") == "https://example.org/abbey#page=2"
    assert link.get_attribute("rel") == "noreferrer"
    hrefs = asked.js("return [...document.querySelectorAll('#hits a')].map((a) => a.href)")
    assert not any(href.startswith("javascript") for href in hrefs)


def test_a_file_leads_to_its_passages_and_back(asked: Page) -> None:
    asked.click(of("annals.pdf#3", ".place a"))
    asked.until(lambda: len(asked.texts("#hits h2")) == 2)
    assert '["path","eq","books/annals.pdf"]' in unquote(asked.fragment)
    assert asked.all(of("annals.pdf#3", ".place a")) == []
    asked.driver.back()
    asked.until(lambda: len(asked.texts("#hits h2")) == 5)


def test_equal_texts_are_shown_once(asked: Page) -> None:
    shown = [each for each in ("script", "copy") if asked.all(f"[data-passage='{each}']")]
    (first,) = shown
    asked.explain()
    other = {"script": "copy", "copy": "script"}[first]
    assert asked.texts(of(first, ".copies")) == [f"The same text: {other}"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_places_fit_the_screen(asked: Page, size: tuple[int, int]) -> None:
    asked.look(size)
    assert asked.js(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def test_enter_takes_the_one_completion(page: Page) -> None:
    page.open()
    page.type("#seed-input", "Valj", Keys.ENTER)  # before the list is there
    page.wait_for_picture()
    assert page.seeds == ["Valjean"]
    page.type("#seed-input", "Jav")
    page.wait_text("#seed-input-list li", "Javert")
    page.type("#seed-input", Keys.ENTER)
    page.until(lambda: page.seeds == ["Valjean", "Javert"])


def test_enter_takes_what_was_typed_where_several_begin_like_it(page: Page) -> None:
    page.open()
    page.refused.add("404")
    page.type("#seed-input", "M", Keys.ENTER)
    page.wait_text("#community-notice", "M")
    assert page.seeds == ["M"]


def test_an_exact_name_comes_before_longer_ones(page: Page) -> None:
    page.open()
    page.type("#seed-input", "Count", Keys.ENTER)  # there is a CountessDeLo
    page.wait_for_picture()
    assert page.seeds == ["Count"]
