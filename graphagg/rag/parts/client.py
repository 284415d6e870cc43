"""Connections to the processes that serve parts of a corpus."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache, partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graphagg.errors import InvalidParameter, PartUnavailable
from graphagg.store.addresses import Address, parse_location

TOKEN = "GRAPHAGG_PARTS_TOKEN"
"""Environment variable with the token for the processes of parts."""
SECONDS, OPENING_SECONDS = 5.0, 3600.0
"""Time limits of a step, and of finding the names of other parts."""
_HEDGE = 0.5  # seconds after which a step is sent a second time
_LARGEST = 1 << 30  # bytes of an answer


@dataclass(frozen=True)
class PartAddress:
    """The address of a process that serves a part."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InvalidParameter(f"part {self.url!r}: wanted an address such as http://host:8321")

    def __fspath__(self) -> str:
        return self.url


def place_of(location: str | os.PathLike[str]) -> Path | Address | PartAddress:
    """A folder, an address on a store, or the address of a process that serves a part."""
    if os.fspath(location).startswith(("http://", "https://")):
        return PartAddress(os.fspath(location))
    return parse_location(location)


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that wait for parts."""
    return ThreadPoolExecutor(256, thread_name_prefix="parts")


class PartClient:
    """Connections to the process of a part; safe to use from several threads."""

    def __init__(self, address: PartAddress) -> None:
        parts = urlsplit(address.url)
        self.url, self._root = address.url, parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connect = partial(kind, parts.hostname or "", parts.port)
        self._idle: deque[HTTPConnection] = deque(maxlen=64)
        self.unused: deque[str] = deque()
        self._hedging = threading.Lock()

    def about(self) -> dict[str, Any]:
        """Version, instance and manifest of what the part serves."""
        about = json.loads(self.get("about", 2.0))
        if not isinstance(about, dict):
            raise self._failed("an answer that is no object")
        return about

    def version(self) -> tuple[str, str]:
        """The process that answers, and the version that it serves."""
        about = self.about()
        return str(about["instance"]), str(about["manifest"]["data"])

    def get(self, path: str, seconds: float = SECONDS) -> bytes:
        """The content at a path below the routes of a part."""
        return self._send("GET", path, None, seconds)

    def step(self, body: bytes, seconds: float, may_repeat: bool) -> bytes:
        """Run a step; if `may_repeat`, a late one is sent again, and the first answer counts."""
        call = partial(self._send, "POST", "steps", body, seconds)
        return self._hedged(call) if may_repeat else call()

    def _hedged(self, call: Callable[[], bytes]) -> bytes:
        first = _calls().submit(call)
        if wait([first], _HEDGE).done or not self._hedging.acquire(blocking=False):
            return first.result()  # where many are late, more requests would not help
        try:
            return self._first_answer({first, _calls().submit(call)})
        finally:
            self._hedging.release()

    @staticmethod
    def _first_answer(running: set[Future[bytes]]) -> bytes:
        while True:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            answered = next((each for each in done if each.exception() is None), None)
            if answered is not None or not running:
                return (answered or next(iter(done))).result()

    def _send(self, method: str, path: str, body: bytes | None, seconds: float) -> bytes:
        headers = {"content-type": "application/json"}
        if token := os.environ.get(TOKEN):
            headers["authorization"] = f"Bearer {token}"
        for is_last in (False, True):
            is_idle = bool(self._idle) and not is_last
            try:
                connection = self._idle.pop() if is_idle else self._connect(timeout=seconds)
            except IndexError:  # another thread took it
                connection, is_idle = self._connect(timeout=seconds), False
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(seconds)
                connection.request(method, f"{self._root}/v1/parts/{path}", body, headers)
                response = connection.getresponse()
                content, status = response.read(_LARGEST), response.status
            except (HTTPException, OSError) as error:
                connection.close()
                if is_idle and not isinstance(error, TimeoutError):
                    continue  # the server closed an idle connection
                raise self._failed(str(error) or type(error).__name__) from None
            self._idle.append(connection)
            if status != 200:
                answer = content[:200].decode(errors="replace")
                raise PartUnavailable(self.url, f"status {status}: {answer}", status == 404)
            return content
        raise AssertionError("the last connection is a new one")

    def _failed(self, problem: str) -> PartUnavailable:
        return PartUnavailable(self.url, problem)


@cache
def _calls() -> ThreadPoolExecutor:
    """The threads of requests; `pool` waits for them."""
    return ThreadPoolExecutor(512, thread_name_prefix="part-calls")
