"""A stand-in for an OpenAI-compatible API that streams, stops, lies and waits as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DONE = b"data: [DONE]\n\n"


def event(text: object = None, finish: str | None = None) -> bytes:
    """A piece of a streamed chat completion."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def stream_of(*texts: str) -> list[bytes]:
    """A sound stream of these pieces."""
    return [event(""), *map(event, texts), event(finish="stop"), DONE]


class Upstream:
    """It streams `chunks`, or answers with `body`.

    Attributes:
        asked: the bodies of the requests.
        requests: their paths, and their headers with names in lower case.
        headers: of answers, beside those of the content.
        chunks: of a stream, each sent alone; None: it sends `body` as it is.
        truncated: whether the connection ends without the end of the chunked body.
        hold: while it is not set, nothing is sent; with `hold_after` pieces sent before.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.hold, self.left = threading.Event(), threading.Event()
        self.reset()
        self._listen()

    def reset(self) -> None:
        """Answer soundly again."""
        self.status, self.body = 200, b""
        self.headers: dict[str, str] = {}
        self.chunks: Iterable[bytes] | None = stream_of("In ", "London [1].")
        self.truncated, self.hold_after = False, 0
        self.hold.set()
        self.left.clear()

    def _listen(self) -> None:
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = {name.lower(): value for name, value in self.headers.items()}
                model.requests.append((self.path, sent))
                model.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                try:
                    model.answer(self)
                except OSError:
                    model.left.set()
                self.close_connection = True

            do_GET = do_POST

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if not self.hold_after:
            self.hold.wait(900)
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.chunks is None:
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(self.body)))
            handler.end_headers()
            handler.wfile.write(self.body)
            return
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for number, chunk in enumerate(self.chunks, start=1):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if number == self.hold_after:
                self.hold.wait(900)
        if not self.truncated:
            handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An upstream that ends with the block."""
    made = Upstream()
    try:
        yield made
    finally:
        made.hold.set()
        made.server.shutdown()
        made.server.server_close()
