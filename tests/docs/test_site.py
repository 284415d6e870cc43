"""The site builds without a warning, links lead somewhere, and llms.txt lists every page."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tests.docs.blocks import ROOT
from tests.unit.commands import leaves

SOURCES = ROOT / "docs" / "make" / "sources.py"


def sources(*arguments: object) -> None:
    """Run the script in this process, which has imported already what it imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SOURCES), *map(str, arguments)])
        patch.syspath_prepend(SOURCES.parent)
        runpy.run_path(str(SOURCES), run_name="__main__")


BUILT = pytest.mark.slow(reason="building takes 20 s; `make docs` does it and ends at a warning")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the site, as Markdown."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    sources(folder)
    return folder


@pytest.fixture(scope="module")
def site(pages: Path) -> Path:
    """The site, built as `make docs` builds it; a warning is an error."""
    folder = pages.parent
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("build/docs", f"{folder}/docs").replace(
        "build/site", f"{folder}/out"
    )
    (folder / "mkdocs.yml").write_text(settings.replace('paths: ["."]', f'paths: ["{ROOT}"]'))
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(folder / "mkdocs.yml")],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    sources(pages, "--finish", folder / "out")
    return folder / "out"


class Page(HTMLParser):
    """The links, sources and anchors of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def is_outside(link: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*:|//", link) is not None


@BUILT
def test_links_and_anchors_of_the_site_are_there(built: dict[Path, Page]) -> None:
    broken = []
    for path, page in built.items():
        for link in filter(lambda link: not is_outside(link), page.links + page.loaded):
            target, anchor = urldefrag(unquote(link))
            found = (path.parent / target).resolve() if target else path
            if not found.exists() or (
                anchor and found in built and anchor not in built[found].anchors
            ):
                broken.append(f"{path.name}: {link}")
    assert not broken


@BUILT
def test_pages_load_nothing_from_elsewhere(built: dict[Path, Page]) -> None:
    assert not [link for page in built.values() for link in page.loaded if is_outside(link)]


@BUILT
def test_llms_txt_lists_every_page(site: Path, built: dict[Path, Page]) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# graphagg\n\n> ")
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+\.md)\)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert {site / page for page in listed} == {path.with_suffix(".md") for path in built}
    for page in listed:
        assert ":::" not in (site / page).read_text(encoding="utf-8")


def test_llms_txt_links_to_pages(pages: Path) -> None:
    listed = re.findall(r"\]\(([^)]+)\)", (pages / "llms.txt").read_text(encoding="utf-8"))
    assert listed and not [page for page in listed if not (pages / page).is_file()]


def test_the_reference_names_every_command_and_option(pages: Path) -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (pages / "reference" / "cli").glob("*.md")
    )
    for path, command in leaves():
        assert f" graphagg {' '.join(path)}\n" in text
        for argument in command.assemble_argument_collection(parse_docstring=False):
            assert f"`{argument.name}" in text or not argument.show


@BUILT
def test_the_reference_names_everything_that_is_exported(site: Path) -> None:
    import graphagg.communities
    import graphagg.embedding
    import graphagg.nn
    import graphagg.rag
    import graphagg.store

    for module in (
        graphagg.rag, graphagg.communities, graphagg.embedding, graphagg.nn, graphagg.store,
    ):  # fmt: skip
        page = site / "reference" / "api" / f"{module.__name__.rpartition('.')[2]}.html"
        text = page.read_text(encoding="utf-8")
        for name in module.__all__:
            assert f'id="{module.__name__}.{name}"' in text, name


def test_links_of_the_repository_lead_to_files() -> None:
    """As they are seen where the repository is browsed: files, and headings of Markdown."""
    broken = []
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "skills").rglob("*.md")]
    for path in files:
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
            target, anchor = urldefrag(unquote("".join(link)))
            if is_outside("".join(link)):
                continue
            found = (path.parent / target).resolve() if target else path
            if not found.exists() or (anchor and anchor not in anchors(found)):
                broken.append(f"{path.relative_to(ROOT)}: {''.join(link)}")
    assert not broken


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
