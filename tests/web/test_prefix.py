"""The page behind a proxy that has it under a path of its own: everything, and shared links."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from graphagg.serve.http.app import create_app
from graphagg.serve.http.security import Access
from graphagg.serve.http.server import bind, make_server
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import SECONDS, patient
from tests.web.browser import Page

pytestmark = [pytest.mark.web, pytest.mark.slow]

PREFIX = "/tools/rag"


class Proxy:
    """Hands on what lies under the prefix, without it, and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            inside = path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else "/not/here"
            scope = {**scope, "path": inside, "raw_path": inside.encode()}
        await self._app(scope, receive, send)


@pytest.fixture(scope="module", params=["taken off", "handed on"])
def url(small: Sources, request: pytest.FixtureRequest) -> Iterator[str]:
    service = Service(small, patient())
    listening, listens = bind("127.0.0.1", 0), threading.Event()
    app: ASGIApp = create_app(service, Access(root_path=PREFIX))
    if request.param == "taken off":
        app = Proxy(create_app(service))
    running = make_server(app, service.limits, ready=listens.set)
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    assert listens.wait(SECONDS)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}"
    running.should_exit = True
    thread.join(SECONDS)


def test_a_shared_view_is_the_same_under_a_path(visit: Callable[[str], Page], url: str) -> None:
    page = visit(url)
    page.open()
    page.click("#views [data-view=passages]")
    page.ask("Where did the mother of Lothair die?")
    titles, link = page.texts("#hits h2"), page.driver.current_url
    assert link.startswith(f"{url}/#/passages?") and len(titles) == 5
    page.driver.get("about:blank")
    page.driver.get(link)
    page.wait("#hits-about")
    assert page.texts("#hits h2") == titles
    page.community("Valjean")
    assert page.seeds == ["Valjean"] and page.members
