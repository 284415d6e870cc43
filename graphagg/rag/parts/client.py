"""Connections to the processes that serve parts of a corpus.

A connection is one long HTTP request: each step is a chunk of the request body, and each answer is
a chunk of the response. So a step costs a twentieth of an HTTP request.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from graphagg.errors import InvalidParameter, PartUnavailable
from graphagg.rag.parts.wire import FAILED, LENGTH, framed
from graphagg.store.addresses import Address, parse_location

TOKEN = "GRAPHAGG_PARTS_TOKEN"
"""Environment variable with the token for the servers of parts."""
OPENING_SECONDS = 3600.0
"""Time limit for steps that read a whole part, and for copying a file of a part."""
_HEDGE = 0.5  # seconds without an answer after which a step is sent a second time
_LARGEST = 1 << 30  # largest answer in bytes


@dataclass(frozen=True)
class PartAddress:
    """The address of a process that serves a part."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InvalidParameter(f"part {self.url!r}: expected an address like http://host:8321")

    def __fspath__(self) -> str:
        return self.url


def place_of(location: str | os.PathLike[str]) -> Path | Address | PartAddress:
    """Parse a folder, an address on a store, or the address of a process that serves a part."""
    if os.fspath(location).startswith(("http://", "https://")):
        return PartAddress(os.fspath(location))
    return parse_location(location)


class PartClient:
    """Connections to the server of a part; thread-safe."""

    def __init__(self, address: PartAddress) -> None:
        parts = urlsplit(address.url)
        self.url, self._root = address.url, parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connect = partial(kind, parts.hostname or "", parts.port)
        self.idle: deque[_Stream] = deque(maxlen=64)
        self.unused: deque[str] = deque()
        self.hedging = threading.Lock()

    def about(self) -> dict[str, Any]:
        """Return the version, instance and manifest that the part serves."""
        about = json.loads(self.get("about", 2.0))
        if not isinstance(about, dict):
            raise self.failed("the answer is not a JSON object")
        return about

    def version(self) -> tuple[str, str]:
        """Return the id of the process that answers, and the version that it serves."""
        about = self.about()
        return str(about["instance"]), str(about["manifest"]["data"])

    def get(self, path: str, seconds: float) -> bytes:
        """Return the content at a path below the routes of a part."""
        try:
            stream = self.request("GET", path, seconds)
            content = stream.response.read(_LARGEST)
        except (HTTPException, OSError) as error:
            raise self.failed(error) from None
        stream.close()
        return content

    def request(self, method: str, path: str, seconds: float) -> _Stream:
        """Send a request and open its response; the caller sends the body of a POST in chunks."""
        connection = self._connect(timeout=seconds)
        connection.putrequest(method, f"{self._root}/v1/parts/{path}")
        if token := os.environ.get(TOKEN):
            connection.putheader("authorization", f"Bearer {token}")
        if method == "POST":
            connection.putheader("transfer-encoding", "chunked")
        connection.endheaders()
        response = HTTPResponse(connection.sock, method=method)
        response.begin()
        stream = _Stream(connection, response)
        if response.status != 200:
            answer = response.read(200).decode(errors="replace")
            stream.close()
            is_lost = response.status == 404
            raise PartUnavailable(self.url, f"status {response.status}: {answer}", is_lost)
        return stream

    def failed(self, problem: object) -> PartUnavailable:
        """Return the error for a part that does not answer."""
        return PartUnavailable(self.url, str(problem) or type(problem).__name__)


class _Stream(NamedTuple):
    """One connection for steps; the next step is sent after the answer to the previous one."""

    connection: HTTPConnection
    response: HTTPResponse

    def send(self, message: bytes, end: float) -> None:
        """Send a step as a chunk."""
        self.connection.sock.settimeout(_left(end))
        self.connection.send(b"%x\r\n%b\r\n" % (len(message) + LENGTH, framed(message)))

    def receive(self, end: float) -> bytes:
        """Return the next answer."""
        self.connection.sock.settimeout(_left(end))
        size = int.from_bytes(self.response.read(LENGTH), "little")
        content = self.response.read(min(size, _LARGEST))
        if not content or len(content) < size:
            raise ConnectionError("the connection was closed")
        return content

    def close(self) -> None:
        """Close the connection."""
        self.response.close()
        self.connection.close()


def _left(end: float) -> float:
    return max(end - time.monotonic(), 1e-3)


class Asked:
    """A step that was sent to a part; if `may_repeat`, it is sent again when the answer is late."""

    def __init__(self, client: PartClient, message: bytes, end: float, may_repeat: bool) -> None:
        self._client, self._message, self._may_repeat = client, message, may_repeat
        self._end = end
        try:
            self._stream, self._is_new = client.idle.pop(), False
            self._stream.send(message, self._end)
        except (IndexError, OSError):  # no idle connection, or the server closed it
            self._stream, self._is_new = self._sent_anew(), True

    def _sent_anew(self) -> _Stream:
        """Open a connection and send the step."""
        try:
            stream = self._client.request("POST", "steps", _left(self._end))
            stream.send(self._message, self._end)
        except (HTTPException, OSError) as error:
            raise self._client.failed(error) from None
        return stream

    def answer(self) -> bytes:
        """Return the answer, or raise `PartUnavailable`."""
        try:
            if self._may_repeat and not wait([self._stream.connection.sock], _HEDGE):
                self._hedge()
            answer = self._stream.receive(self._end)
        except (HTTPException, OSError) as error:
            self.close()
            if self._is_new or isinstance(error, TimeoutError):
                raise self._client.failed(error) from None
            self._stream, self._is_new = self._sent_anew(), True  # the server closed an idle stream
            return self.answer()
        self._client.idle.append(self._stream)
        if answer[:1] == FAILED:
            raise PartUnavailable(self._client.url, answer[1:].decode(), b"NoSuchIndex" in answer)
        return answer[1:]

    def _hedge(self) -> None:
        """Send the step again on a second connection; keep the connection that answers first."""
        if not self._client.hedging.acquire(blocking=False):
            return  # if many steps are late, sending more of them would not help
        try:
            both = [self._stream, self._sent_anew()]
            ready = wait([each.connection.sock for each in both], _left(self._end))
        finally:
            self._client.hedging.release()
        both.sort(key=lambda each: each.connection.sock in ready)
        late, self._stream = both
        late.close()

    def close(self) -> None:
        """Close the connection, because the answer is no longer needed."""
        self._stream.close()
