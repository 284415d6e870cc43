"""Debian's Chromium, headless, and a page in it that says what it did behind the scenes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException as Stale
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 300  # after which a test gives up; none waits so long

DESKTOP, PHONE = (1280, 900), (390, 844)

_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic "
    "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
)
_SHOWN = "[...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())"
_OWN_SCHEMES = ("data", "blob", "about", "chrome")


@contextmanager
def chromium(folder: Path) -> Iterator[WebDriver]:
    """A browser with a profile of its own; what it downloads lies in `folder/downloads`."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS.split(), f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    downloads = folder / "downloads"
    downloads.mkdir()
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
    )
    driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    driver.get("about:blank")
    driver.get_log("performance")  # the browser's own start page
    try:
        yield driver
    finally:
        driver.quit()


@dataclass
class Page:
    """The explorer page in a browser.

    Attributes:
        driver: the browser.
        url: of the service, without a slash at its end.
        downloads: where files arrive.
        refused: statuses that the test expects the service to answer; the browser writes each of
            them to its console.
    """

    driver: WebDriver
    url: str
    downloads: Path
    refused: set[str] = field(default_factory=set)

    # --- going somewhere -------------------------------------------------------------------------

    def open(self, address: str = "", *, ready: str = "main > section") -> None:
        """Load the page afresh; `ready` must then be there."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/{address}")
        self.wait(ready)

    def community(self, *seeds: str, more: str = "") -> None:
        """Open a community and wait for its picture."""
        self.open("#/communities?" + "&".join(f"seed={seed}" for seed in seeds) + more)
        self.wait_for_picture()

    def ask(self, question: str) -> None:
        """Type a question and wait for the passages."""
        self.type("#question", question, Keys.ENTER)
        self.wait("#hits-about")

    def explain(self) -> None:
        """Open why each passage was found."""
        self.wait("#hits .why")
        self.js("for (const each of document.querySelectorAll('#hits .why')) each.open = true")

    def options(self) -> None:
        """Open the options of a question."""
        if not self.all("#options"):
            self.click("#options-toggle")

    def unfold(self, selector: str) -> None:
        """Open what is folded."""
        self.wait(selector)
        self.js("document.querySelector(arguments[0]).open = true", selector)

    def look(
        self, size: tuple[int, int] = DESKTOP, scheme: Literal["light", "dark"] = "light"
    ) -> None:
        """What the browser pretends to be."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    # --- finding and waiting ---------------------------------------------------------------------

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a selector that are shown."""
        found: list[WebElement] = self.js(f"return {_SHOWN};", selector)
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.js(f"return {_SHOWN}.map((e) => e.textContent.trim());", selector)
        return found

    def text(self, selector: str) -> str:
        return self.wait(selector).text

    def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """Wait for something; an element that is replaced meanwhile is looked for again."""
        waiting = WebDriverWait(self.driver, SECONDS, 0.05, ignored_exceptions=[Stale])
        return waiting.until(lambda _: holds(), what)

    def wait(self, selector: str) -> WebElement:
        """The first element of a selector, once it is shown."""
        script = f"return {_SHOWN}[0] ?? null;"
        found: WebElement = self.until(lambda: self.js(script, selector), selector)
        return found

    def wait_text(self, selector: str, part: str) -> str:
        """The text of an element, once it holds a part."""
        self.until(
            lambda: any(part in text for text in self.texts(selector)), f"{selector}: {part}"
        )
        return next(text for text in self.texts(selector) if part in text)

    def wait_gone(self, selector: str) -> None:
        self.until(lambda: not self.all(selector), f"no {selector}")

    def wait_for_picture(self) -> None:
        self.wait("#legend button")
        self.wait("#community-result[aria-busy=false]")

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    # --- doing -----------------------------------------------------------------------------------

    def click(self, selector: str) -> None:
        self.until(lambda: self.wait(selector).click() is None, selector)

    def type(self, selector: str, *keys: str) -> None:
        self.until(lambda: self.wait(selector).send_keys(*keys) is None, selector)

    def fill(self, selector: str, text: str) -> None:
        """Replace what a field holds."""
        self.type(selector, Keys.CONTROL, "a", Keys.NULL, text, Keys.TAB)

    def press(self, *keys: str, shift: bool = False, control: bool = False) -> None:
        """Press keys, wherever the focus is."""
        held = [key for key, on in ((Keys.SHIFT, shift), (Keys.CONTROL, control)) if on]
        actions = ActionChains(self.driver, duration=0)
        for key in held:
            actions.key_down(key)
        for key in keys:
            actions.send_keys(key)
        for key in held:
            actions.key_up(key)
        actions.perform()

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select."""
        Select(self.wait(selector)).select_by_value(value)

    def tap_vertex(self, vertex: str) -> None:
        """Click a vertex where it is drawn."""
        place = self.wait("#graph")
        x, y = self.js(
            "const {x, y} = arguments[0]._cyreg.cy.getElementById(arguments[1]).renderedPosition();"
            "return [x - arguments[0].clientWidth / 2, y - arguments[0].clientHeight / 2];",
            place, vertex,
        )  # fmt: skip
        self.js("arguments[0].scrollIntoView({block: 'center'})", place)
        ActionChains(self.driver, duration=0).move_to_element_with_offset(
            place, int(x), int(y)
        ).click().perform()

    def saved(self, suffix: str) -> Path:
        """The file that arrives."""

        def complete() -> Path | None:
            return next((p for p in self.downloads.glob(f"*{suffix}") if p.stat().st_size), None)

        found: Path = self.until(complete, suffix)
        return found

    # --- what it shows ---------------------------------------------------------------------------

    @property
    def fragment(self) -> str:
        return urlsplit(self.driver.current_url).fragment

    @property
    def seeds(self) -> list[str]:
        return self.texts("#chips .id")

    @property
    def members(self) -> list[str]:
        return self.texts("#members .id")

    @property
    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    # --- behind the scenes -----------------------------------------------------------------------

    def faults(self) -> list[Any]:
        """The serious findings of axe-core, with the elements."""
        script = resources.files("axe_core_python") / "axe.min.js"
        self.js(script.read_text(encoding="utf-8"))
        found: list[Any] = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, { resultTypes: ['violations'] }).then((r) => done(r.violations"
            ".filter((v) => ['serious', 'critical'].includes(v.impact))"
            ".map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 90))])))"
        )
        return found

    def console(self) -> list[str]:
        """What was written to the console, but for the refusals that the test expects."""
        lines = [entry["message"] for entry in self.driver.get_log("browser")]
        expected = [f"status of {status}" for status in self.refused - {"gone"}]
        if "gone" in self.refused:
            expected.append("net::ERR_CONNECTION_REFUSED")
        return [line for line in lines if not any(part in line for part in expected)]

    def foreign(self) -> list[str]:
        """Requests to anything but the service."""
        host = urlsplit(self.url).netloc
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                params = message["params"]
                url = urlsplit(params.get("url") or params["request"]["url"])
                if url.netloc != host and url.scheme not in _OWN_SCHEMES:
                    found.append(url.geturl())
        return found
