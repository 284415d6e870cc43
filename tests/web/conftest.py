from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import patient, serving
from tests.web import sites
from tests.web.browser import CHROMIUM, DRIVER, Page, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebDriver, Path]]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not on the PATH")
    folder = tmp_path_factory.mktemp("browser")
    with chromium(folder) as driver:
        yield driver, folder / "downloads"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return sites.small(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="session")
def small_url(small: Sources) -> Iterator[str]:
    with serving(Service(small, patient())) as live:
        yield live.url


@pytest.fixture(scope="session")
def real_url() -> Iterator[str]:
    for path in (sites.DBLP, sites.CORPUS):
        if not path.is_file():
            pytest.skip(f"{path} is absent; set GRAPHAGG_DATA to the folder of the data sets")
    with serving(Service(sites.real(), ServiceLimits(answer_seconds=300))) as live:
        yield live.url


@pytest.fixture
def visit(browser: tuple[WebDriver, Path]) -> Iterator[Callable[[str], Page]]:
    """A page of a service; at the end its console is empty, and it asked nobody else."""
    driver, downloads = browser
    pages: list[Page] = []

    def visit(url: str) -> Page:
        page = Page(driver, url, downloads)
        page.look()
        pages.append(page)
        return page

    yield visit
    for page in pages:
        assert page.console() == []
        assert page.foreign() == []
        assert page.js("return window.harmed") is None
    driver.get("about:blank")
    for path in downloads.iterdir():
        path.unlink()


@pytest.fixture
def page(visit: Callable[[str], Page], small_url: str) -> Page:
    """The page over the small indices."""
    return visit(small_url)
