"""A proxy before the S3 server that makes the faults which a healthy server does not make."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.store_remote.server import Server

REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the test</Message>'
    b"</Error>"
)


class Faults:
    """What the proxy does to requests.

    Attributes:
        refuse: for number, method and path of a request the code and status to answer with (no
            code: an empty answer); None: it goes to the server.
        cut: whether an answer ends in its middle, by number, method and path.
        hold: waits before a request goes on, by number, method and path.
        seen: method and path of every request.
    """

    def __init__(self) -> None:
        self.refuse: Callable[[int, str, str], tuple[str, int] | None] = lambda *_: None
        self.cut: Callable[[int, str, str], bool] = lambda *_: False
        self.hold: Callable[[int, str, str], object] = lambda *_: None
        self.seen: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)

    def next(self, method: str, path: str) -> int:
        """The number of a request."""
        self.seen.append((method, path))
        return next(self._numbers)


@contextmanager
def faulty(server: Server) -> Iterator[tuple[Server, Faults]]:
    """The server behind a proxy."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            number = faults.next(self.command, self.path)
            faults.hold(number, self.command, self.path)
            refused = faults.refuse(number, self.command, self.path)
            if refused is not None:
                code, status = refused
                self._answer(status, REFUSAL % code.encode() if code else b"")
                return
            upstream = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=60)
            try:
                upstream.putrequest(self.command, self.path, skip_host=True,
                                    skip_accept_encoding=True)  # fmt: skip
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                data = answer.read()
            finally:
                upstream.close()
            cut = faults.cut(number, self.command, self.path)
            if cut and not data:  # of a put: the whole answer is lost
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            size = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
            self.send_header("Content-Length", str(size or 0))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            self.close_connection = cut

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("ETag", '"0"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{proxy.server_address[1]}", server.root), faults
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
