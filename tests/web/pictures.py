"""Pictures of the page as it is, on bundled data: `make pictures`, or

    python -m tests.web.pictures build/pictures

Every view is taken on a desktop, in the dark and on a phone. Those that README and guides show are
copied to `docs/`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from graphagg.communities import CommunityIndex
from graphagg.graph.reading.sources import bundled_graph
from graphagg.rag import PassageIndex, read_passages
from graphagg.serve.service import Service, Sources
from tests.unit.rag.documents.reading.files import thirty
from tests.unit.serve.live import patient, serving
from tests.web.browser import PHONE, Page, chromium

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "graphagg" / "rag" / "demo" / "passages.jsonl"
WIDE = (1186, 900)
LOOKS: dict[str, tuple[tuple[int, int], Literal["light", "dark"]]] = {
    "desktop": (WIDE, "light"), "dark": (WIDE, "dark"), "phone": (PHONE, "light"),
}  # fmt: skip
SHOWN = {
    "answer-desktop": "explorer-passages", "map-lit-desktop": "explorer-map",
    "upload-desktop": "explorer-documents", "community-desktop": "explorer-communities",
}  # fmt: skip
"""Pictures that a page of the documentation shows, and their names there."""
RIVER = "q=On+which+river+was+Marie+Curie+born%3F"
VIEWS = {
    "answer": (f"?collection=demo#/passages?{RIVER}", "#hits-about"),
    "no-answer": ("?collection=demo#/passages?q=What+does+a+ticket+to+Mars+cost%3F", "#hits-about"),
    "map": ("?collection=demo#/themes", "#treemap svg"),
    "map-lit": (f"?collection=demo#/themes?{RIVER}", "#treemap .lit"),
    "facets": (
        "?collection=handbook#/passages?q=What+does+the+impeller+IM-22+cost%3F",
        "#hits-about",
    ),
}
"""Address and what is there when the view is complete."""


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        take(folder, Path(work))
    for name, shown in SHOWN.items():
        shutil.copy(folder / f"{name}.png", ROOT / "docs" / f"{shown}.png")


def take(folder: Path, work: Path) -> None:
    """Take all pictures into a folder."""
    passages, communities = work / "root" / "demo", work / "communities"
    PassageIndex.build(read_passages(DEMO), passages, profile="fast").close()
    CommunityIndex.build(bundled_graph("les_miserables"), communities).close()
    (work / "browser").mkdir()
    with chromium(work / "browser") as driver:
        with serving(Service(Sources(root=work / "root"), patient())) as live:
            page = Page(driver, live.url, work / "browser" / "downloads")
            live.post("/v1/collections", {"name": "handbook", "profile": "fast"})
            page.open("?collection=handbook#/documents", ready="#upload-files")
            files = thirty(work / "documents")
            page.type("#upload-files", "\n".join(map(str, files)))
            page.click("#upload-form button[type=submit]")
            page.wait("#upload-result .done")
            for look in LOOKS:
                page.look(*LOOKS[look])
                shoot(page, folder / f"upload-{look}.png")
            for name, (address, ready) in VIEWS.items():
                for look in LOOKS:
                    page.look(*LOOKS[look])
                    page.open(address, ready=ready)
                    shoot(page, folder / f"{name}-{look}.png")
        with serving(Service(Sources(communities=communities), patient())) as live:
            page = Page(driver, live.url, work / "browser" / "downloads")
            for look in LOOKS:
                page.look(*LOOKS[look])
                page.community("Enjolras", "Gavroche")
                shoot(page, folder / f"community-{look}.png")


def shoot(page: Page, path: Path) -> None:
    """Take the view that is open, from its top."""
    page.js("scrollTo(0, 0); document.activeElement.blur()")
    page.driver.execute_async_script(
        "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()))"
    )
    assert page.driver.save_screenshot(str(path))


if __name__ == "__main__":
    main()
