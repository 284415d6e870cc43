"""Connections to the processes that serve parts of a corpus.

Messages of a connection are chunks of one request that goes on: an answer is a chunk of its
response. So a step costs a twentieth of an HTTP request.
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
from typing import Any
from urllib.parse import urlsplit

from graphagg.errors import InvalidParameter, PartUnavailable
from graphagg.rag.parts.wire import FAILED, LENGTH, framed
from graphagg.store.addresses import Address, parse_location

TOKEN = "GRAPHAGG_PARTS_TOKEN"
"""Environment variable with the token for the processes of parts."""
SECONDS, OPENING_SECONDS = 5.0, 3600.0
"""Time limits of a step, and of finding the names of other parts."""
_HEDGE = 0.5  # seconds after which a step is sent a second time
_LARGEST = 1 << 30  # bytes of an answer
_MOST_READ = 1 << 16  # bytes


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


class PartClient:
    """Connections to the process of a part; safe to use from several threads."""

    def __init__(self, address: PartAddress) -> None:
        parts = urlsplit(address.url)
        self.url, self._root = address.url, parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connect = partial(kind, parts.hostname or "", parts.port)
        self._idle: deque[_Stream] = deque(maxlen=64)
        self.unused: deque[str] = deque()
        self.hedging = threading.Lock()

    def about(self) -> dict[str, Any]:
        """Version, instance and manifest of what the part serves."""
        about = json.loads(self.get("about", 2.0))
        if not isinstance(about, dict):
            raise self.failed("an answer that is no object")
        return about

    def version(self) -> tuple[str, str]:
        """The process that answers, and the version that it serves."""
        about = self.about()
        return str(about["instance"]), str(about["manifest"]["data"])

    def get(self, path: str, seconds: float) -> bytes:
        """The content at a path below the routes of a part."""
        try:
            connection, response = self._request("GET", path, seconds)
            content = response.read(_LARGEST)
            connection.close()
            return content
        except (HTTPException, OSError) as error:
            raise self.failed(error) from None

    def stream(self, seconds: float) -> _Stream:
        """A new connection for steps."""
        try:
            return _Stream(*self._request("POST", "steps", seconds))
        except (HTTPException, OSError) as error:
            raise self.failed(error) from None

    def idle(self) -> _Stream | None:
        """A connection that was opened before."""
        try:
            return self._idle.pop()
        except IndexError:  # another thread took it
            return None

    def keep(self, stream: _Stream) -> None:
        """Keep a connection whose last answer was read."""
        self._idle.append(stream)

    def _request(
        self, method: str, path: str, seconds: float
    ) -> tuple[HTTPConnection, HTTPResponse]:
        connection = self._connect(timeout=seconds)
        connection.putrequest(method, f"{self._root}/v1/parts/{path}")
        if token := os.environ.get(TOKEN):
            connection.putheader("authorization", f"Bearer {token}")
        if method == "POST":
            connection.putheader("transfer-encoding", "chunked")
        connection.endheaders()
        response = HTTPResponse(connection.sock, method=method)
        response.begin()
        if response.status != 200:
            answer = response.read(200).decode(errors="replace")
            connection.close()
            is_lost = response.status == 404
            raise PartUnavailable(self.url, f"status {response.status}: {answer}", is_lost)
        return connection, response

    def failed(self, problem: object) -> PartUnavailable:
        """The error of a part that cannot be asked."""
        return PartUnavailable(self.url, str(problem) or type(problem).__name__)


class _Stream:
    """One connection for steps; a message is sent after the answer to the one before."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection, self._response = connection, response
        self.socket, self._read, self._answer = connection.sock, bytearray(), bytearray()

    def send(self, message: bytes, seconds: float) -> None:
        """Send a step."""
        self.socket.settimeout(seconds)
        frame = framed(message)
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(frame), frame))

    def receive(self, end: float) -> bytes:
        """The next answer; may be called again where it was not there at `end`."""
        answer, size = self._answer, 0
        while len(answer) < size + LENGTH:
            answer += self._chunk(end)
            size = int.from_bytes(answer[:LENGTH], "little")
            if size > _LARGEST:
                raise HTTPException(f"an answer of {size:,} bytes")
        self._answer = bytearray()
        return bytes(memoryview(answer)[LENGTH:])

    def _chunk(self, end: float) -> bytes:
        while (line := self._read.find(b"\r\n")) < 0:
            self._fill(end)
        first, last = line + 2, line + 2 + int(self._read[:line], 16)
        while len(self._read) < last + 2:
            self._fill(end)
        chunk = bytes(memoryview(self._read)[first:last])
        del self._read[: last + 2]
        if not chunk:
            raise ConnectionError("the connection was closed")
        return chunk

    def _fill(self, end: float) -> None:
        self.socket.settimeout(max(end - time.monotonic(), 1e-3))
        content = self.socket.recv(_MOST_READ)
        if not content:
            raise ConnectionError("the connection was closed")
        self._read += content

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()


class Asked:
    """A step that was sent to a part; if `may_repeat`, a late one is sent again."""

    def __init__(
        self, client: PartClient, message: bytes, seconds: float, may_repeat: bool
    ) -> None:
        self._client, self._message, self._may_repeat = client, message, may_repeat
        self._end = time.monotonic() + seconds
        idle = client.idle()
        self._is_new = idle is None
        self._stream = self._sent_on(idle or client.stream(seconds))

    def _sent_on(self, stream: _Stream) -> _Stream:
        try:
            stream.send(self._message, max(self._end - time.monotonic(), 1e-3))
        except OSError as error:
            return self._again(stream, error)
        return stream

    def _again(self, stream: _Stream, error: Exception) -> _Stream:
        """Send the step on a new connection if the server closed an idle one; else raise."""
        stream.close()
        if self._is_new or isinstance(error, TimeoutError):
            raise self._client.failed(error) from None
        self._is_new = True
        return self._sent_on(self._client.stream(max(self._end - time.monotonic(), 1e-3)))

    def answer(self) -> bytes:
        """The answer; raises `PartUnavailable`."""
        end = min(time.monotonic() + _HEDGE, self._end) if self._may_repeat else self._end
        while True:
            try:
                answer = self._stream.receive(end)
                break
            except TimeoutError as error:
                if end == self._end:
                    self._again(self._stream, error)
                end = self._end
                self._hedge()
            except (HTTPException, OSError, ValueError) as error:
                self._stream = self._again(self._stream, error)
        self._client.keep(self._stream)
        if answer[:1] == FAILED:
            raise PartUnavailable(self._client.url, answer[1:].decode(), b"NoSuchIndex" in answer)
        return answer[1:]

    def _hedge(self) -> None:
        """Send the step a second time, and go on with the connection that answers first."""
        if not self._client.hedging.acquire(blocking=False):
            return  # where many are late, more of them would not help
        try:
            both = [self._stream, self._sent_on(self._client.stream(self._end - time.monotonic()))]
            ready = wait([each.socket for each in both], self._end - time.monotonic())
        finally:
            self._client.hedging.release()
        both.sort(key=lambda each: each.socket in ready)
        both[0].close()
        self._stream = both[1]

    def close(self) -> None:
        """Close the connection of a step whose answer is not wanted any more."""
        self._stream.close()
