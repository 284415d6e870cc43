"""Processes that convert files, copied from one that has imported what converters import.

To start Python and import the libraries takes longer than to convert a file of a test:

    python tests/converters.py SOCKET    # the process itself; SOCKET is a number it inherits
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from graphagg.rag.documents.reading.bounded import BoundedConverter, _serve

IMPORTED = (
    "anydoc", "chardet", "docutils.core", "docutils.parsers.rst.directives",
    "docutils.readers.standalone", "docutils.writers.html5_polyglot", "lxml.html", "oxmsg",
    "pypdfium2.raw", "pyromark", "vobject", "yaml",
)  # fmt: skip
START = BoundedConverter._start
"""How a process starts for users, as the tests of the limits have it."""


def start(converter: BoundedConverter) -> Any:
    """A process for a converter, in place of `START`."""
    return Copy(converter._memory)


class Copy:
    """A copy of the process, with the part of `Popen` that `BoundedConverter` uses."""

    def __init__(self, memory: int) -> None:
        ours, theirs = [*os.pipe()], [*os.pipe()]
        source, sink = ours[0], theirs[1]
        with _LOCK:
            socket.send_fds(_server(), [str(memory).encode()], [source, sink])
            self.pid = int(_server().recv(32))
        os.close(source), os.close(sink)
        self.stdin, self.stdout = os.fdopen(ours[1], "wb"), os.fdopen(theirs[0], "rb")

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> None:
        """Close the input and read the output to its end."""
        try:
            self.stdin.close()
        finally:
            self.stdout.read()
            self.stdout.close()


_LOCK = Lock()


@cache
def _server() -> socket.socket:
    """The process, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        pass_fds=[theirs.fileno()],
    )  # fmt: skip
    theirs.close()
    return ours


def serve(link: socket.socket) -> None:
    """Copy this process for each request, a number of MiB with an input and an output."""
    for name in IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while (request := socket.recv_fds(link, 32, 2))[0]:
        memory, streams, *_ = request
        if child := os.fork():
            link.send(str(child).encode())
            for stream in streams:
                os.close(stream)
            continue
        link.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        try:
            _serve(int(memory))
        finally:
            os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
