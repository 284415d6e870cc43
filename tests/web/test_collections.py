"""Collections on the page: made, filled, asked, narrowed, emptied; no serious fault by axe-core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import Passage, PassageIndex
from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.rag.documents.reading.files import thirty
from tests.unit.serve.live import patient, serving, until
from tests.web.browser import DESKTOP, PHONE, Page

pytestmark = [pytest.mark.web, pytest.mark.slow]

TEXTS = {
    "ada.md": "# Ada\n\nAda lived in London.\n\n## Notes\n\nShe wrote notes.",
    "london.md": "# London\n\nLondon lies on the Thames.",
    "code.md": "# Code\n\nSee the notes.\n\n```\nspec:\n- a\n```",
    # what no reader of files has cleaned
    "engine.txt": "The Engine was designed by **Babbage**. It `computes`.\n\n- one\n- two\n\n"
    "| year | bridge |\n|---|---|\n| 1209 | old |\n\n```\nrun --all <b>\n```\n\n"
    "See [the notes](https://x.example/n).",
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "upload"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "broken.pdf").write_bytes(b"no pdf")
    return sorted(folder.iterdir())


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    models: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    with serving(Service(Sources(root=tmp_path / "root", **models), patient())) as live:
        until(lambda: live.get("/readyz").status_code == 200)  # 503 is an error on the console
        yield live.url


@pytest.fixture
def filled(visit: Callable[[str], Page], url: str, files: list[Path]) -> Page:
    """The page over a collection that was made and filled by it."""
    page = visit(url)
    page.open(ready="#create-form")
    page.type("#new-name", "handbook")
    page.click("#create-form button[type=submit]")
    page.wait_text("#documents-lead", "is empty")
    page.wait("#upload-files").send_keys("\n".join(map(str, files)))
    page.click("#upload-form button[type=submit]")
    page.wait_text("#upload-result .done", "4 files read.")
    page.wait_text("#upload-result summary", "1 file could not be read")
    page.click(".ask-link")
    page.wait("#question")
    return page


def test_files_go_in_and_answers_come_first(filled: Page) -> None:
    page = filled
    page.ask("Where did Ada live?")
    page.wait("#hits .text")
    tops = page.js(
        "return ['#hits', '#map-panel']"
        ".map((each) => document.querySelector(each).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops) and not page.js("return document.getElementById('map-panel').open")
    text = " ".join(page.texts("#hits .text"))
    for mark in ("**", "##", "|", "```", "](", "`"):
        assert mark not in text
    assert {"Ada", "lived"} <= set(page.texts("#hits .word"))
    assert page.texts("#hits .text td") == ["1209", "old"]
    assert set(page.texts("#hits pre")) == {"run --all <b>", "spec:\n- a"}
    assert page.texts("#hits .text strong") == ["Babbage"] and "computes" in page.texts(
        "#hits .text code"
    )
    assert page.faults() == []


def test_a_damaged_collection_is_marked_in_the_list(
    visit: Callable[[str], Page], url: str, tmp_path: Path
) -> None:
    (tmp_path / "root" / "broken").mkdir(parents=True)
    (tmp_path / "root" / "broken" / "collection.json").write_text("{")
    page = visit(url)
    page.open()
    page.wait_text("#collection", "broken (damaged: CorruptArtifact)")
    requests = "performance.getEntriesByType('resource').map((each) => each.name)"
    listed = f"return {requests}.some((name) => name.includes('/documents?'))"
    page.until(lambda: page.js(listed))  # so that no request is open when the service ends


def test_a_folder_of_thirty_files(visit: Callable[[str], Page], url: str, tmp_path: Path) -> None:
    """Made, filled, asked, deleted from and asked again, on the page alone."""
    page = visit(url)
    page.open(ready="#create-form")
    page.type("#new-name", "handbook")
    page.click("#create-form button[type=submit]")
    page.wait_text("#documents-lead", "is empty")
    page.type("#upload-files", "\n".join(map(str, thirty(tmp_path / "documents"))))
    page.click("#upload-form button[type=submit]")
    read = page.wait_text("#upload-result .done", "files read")
    left_out = page.wait_text("#upload-result summary", "could not be read")
    assert int(read.split()[0]) + int(left_out.split()[0]) == 30
    assert not page.all("#documents-lead")
    documents = page.wait_text("#listing-title", "documents").split()[0]
    assert int(documents) >= int(read.split()[0]), "a file may hold several documents"
    page.wait("#views [data-view=passages]")
    page.wait("#views [data-view=themes]")
    assert page.faults() == []
    page.click(".ask-link")
    page.ask("What is the hotel limit in Aarhus?")
    assert page.texts("#hits h2")[0] == "Travel"
    page.click("#views [data-view=documents]")
    page.type("#listing-search", "travel")
    page.until(lambda: len(page.all("#document-list > li")) == 1)
    page.click("#document-list .danger")
    page.driver.switch_to.alert.accept()
    page.until(lambda: not page.all("#document-list > li"))
    page.click("#views [data-view=passages]")
    page.fill("#question", "")
    page.ask("Where is the hotel limit of Aarhus?")
    page.until(lambda: "Travel" not in page.texts("#hits h2"))
    page.wait("#hits .text")  # the last answer: no request is open when the service ends


def test_what_nothing_answers_is_said(visit: Callable[[str], Page], tmp_path: Path) -> None:
    models: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build([Passage("a", "Ada lived in London.")], tmp_path / "i", **models).close()
    with serving(Service(Sources(passages=tmp_path / "i", **models), patient())) as live:
        page = visit(live.url)
        page.open("#/passages?mode=bm25")
        page.ask("Where in Mongolia lived Ada?")
        page.wait_text(".weak", "No passage below names Mongolia.")
        page.fill("#question", "Ada lived in London.")
        page.click("#question-form .primary")
        page.wait_gone(".weak")
        page.driver.get("about:blank")  # so that no request is open when the service ends


def test_facets_narrow_and_pages_turn(filled: Page) -> None:
    page = filled
    page.ask("Who designed what in London?")
    page.until(lambda: page.texts("#facets .facet") == [".md3", ".txt1"])
    page.click("#facets li:nth-child(2) .facet")
    page.until(lambda: page.texts("#hits h2") == ["engine"])
    assert page.faults() == []
    page.click("#facets .facet[aria-pressed=true]")
    page.until(lambda: len(page.texts("#hits h2")) == 4)
    page.open(
        f"?{page.driver.current_url.partition('?')[2].partition('#')[0]}"
        "#/passages?q=Who+designed+what&k=3",
        ready="#pages",
    )
    first = page.texts("#hits h2")
    page.click("#pages button")
    page.wait_text("#pages", "Page 2")
    page.until(lambda: len(page.texts("#hits h2")) == 1)
    assert not set(page.texts("#hits h2")) & set(first) and page.texts("#hits .rank") == ["4"]


def test_documents_are_listed_found_sorted_and_deleted(filled: Page) -> None:
    page = filled
    page.click("#views [data-view=documents]")
    page.wait_text("#listing-title", "4 documents")
    names = page.texts("#document-list .name")
    assert [name.split()[0] for name in names] == ["ada.md", "code.md", "engine.txt", "london.md"]
    assert all("bytes" in facts and "passage" in facts for facts in page.texts(".facts"))
    page.choose("#listing-sort", "size")
    page.until(lambda: page.texts("#document-list .name")[0].startswith("engine.txt"))
    page.type("#listing-search", "ada")
    page.until(lambda: len(page.all("#document-list > li")) == 1)
    page.click("#document-list .danger")
    page.driver.switch_to.alert.accept()
    page.wait_text("#listing-title", "0 documents found")
    page.js("document.getElementById('listing-search').value = ''")
    page.choose("#listing-sort", "name")
    page.wait_text("#listing-title", "3 documents")
    assert page.faults() == []


def test_the_map_is_a_picture_with_a_list(filled: Page) -> None:
    page = filled
    page.open(
        f"?{page.driver.current_url.partition('?')[2].partition('#')[0]}#/themes",
        ready="#treemap svg",
    )
    cells = page.js("return document.querySelectorAll('#treemap .cell').length")
    assert cells == len(page.all("#areas > li")) > 0
    page.type("#light-question", "Where did Ada live?\n")
    page.wait("#treemap .lit")
    assert page.faults() == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_has_contrast(filled: Page, size: tuple[int, int], scheme: Any) -> None:
    page = filled
    page.look(size, scheme)
    page.ask("Where did Ada live?")
    page.wait("#hits .text")
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    assert page.faults() == []


def test_the_page_of_the_api_lists_every_address(visit: Callable[[str], Page], url: str) -> None:
    page = visit(url)
    page.open("docs", ready=".operation")
    paths = page.texts(".operation summary code")
    assert "/v1/collections/{name}/files" in paths and "/v1/info" in paths
    page.click(".operation:first-of-type summary")
    assert page.faults() == []
