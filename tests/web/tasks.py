"""Clicks and screens scrolled that five tasks take on a desktop and on a phone, as a table:

    python -m tests.web.tasks

Typing counts neither; a screen is the height of the window. The steps fit older pages too: what is
not shown is reached by the first of some buttons that is.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from graphagg.rag import PassageIndex, read_passages
from graphagg.serve.service import Service, Sources
from tests.unit.rag.documents.reading.files import thirty
from tests.unit.serve.live import patient, serving
from tests.web.browser import DESKTOP, PHONE, Page, chromium
from tests.web.pictures import DEMO

FIRST = "#hits > li:first-child"
_BELOW = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
return Math.max(box.bottom - innerHeight, -box.top, 0) / innerHeight;"""


@dataclass
class Counted:
    """A page, and what was done on it."""

    page: Page
    clicks: int = 0
    screens: int = 0

    def see(self, selector: str, *ways: str) -> None:
        """Scroll until an element is in sight; the first way that is shown leads to it."""
        way = next((each for each in ways if self.page.all(each)), None)
        if not self.page.all(selector) and way is not None:
            self.click(way)
        self.page.wait(selector)
        screens = math.ceil(self.page.js(_BELOW, selector) - 0.1)  # a tenth is no loss
        if screens > 0:
            self.screens += screens
            self.page.js("document.querySelector(arguments[0]).scrollIntoView()", selector)

    def click(self, selector: str) -> None:
        self.see(selector)
        self.clicks += 1
        self.page.js("document.querySelector(arguments[0]).click()", selector)

    def ask(self, question: str) -> None:
        before = self.page.texts("#hits h2")
        self.click("#question")
        self.page.js("document.getElementById('question').select()")
        self.page.type("#question", question, Keys.ENTER)
        self.page.until(lambda: self.page.texts("#hits h2") not in (before, []))
        self.see(f"{FIRST} .text")


def steps(page: Page, collection: str, files: list[Path]) -> dict[str, tuple[int, int, str]]:
    """Clicks, screens and the first passage, by task."""
    taken, done = {}, Counted(page)

    def note(task: str) -> None:
        nonlocal done
        taken[task] = done.clicks, done.screens, (page.texts(f"{FIRST} h2") or [""])[0]
        done = Counted(page)

    page.open("?collection=demo#/passages", ready="#question")
    done.ask("Where was Marie Curie born?")
    note("find an answer")
    done.see(f"{FIRST} .path", f"{FIRST} .why > summary")
    note("see why")
    page.js("scrollTo(0, 0)")
    done.ask("On which river does the city lie?")
    note("follow up")
    page.open(f"?collection={collection}#/documents", ready="#upload-files")
    page.type("#upload-files", "\n".join(map(str, files)))
    done.clicks += 1
    done.click("#upload-form button[type=submit]")
    page.wait("#upload-result .done")
    done.click(".ask-link")
    page.wait("#question")
    done.ask("What is the hotel limit in Aarhus?")
    note("upload and ask")
    page.js("scrollTo(0, 0)")
    facet = "#facets .facet"
    done.see(facet, "#facets-toggle", "#facets > summary")
    done.click(facet)
    page.wait("#facets [aria-pressed=true]")
    done.see(f"{FIRST} .text")
    note("narrow down")
    return taken


def main() -> None:
    """Do the tasks twice."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        PassageIndex.build(read_passages(DEMO), work / "root" / "demo", profile="fast").close()
        (work / "browser").mkdir()
        files = thirty(work / "documents")
        with chromium(work / "browser") as driver:
            for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
                with serving(Service(Sources(root=work / "root"), patient())) as live:
                    live.post("/v1/collections", {"name": name, "profile": "fast"})
                    page = Page(driver, live.url, work / "browser" / "downloads")
                    page.look(size)
                    for task, counts in steps(page, name, files).items():
                        print(name, task, *counts, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
