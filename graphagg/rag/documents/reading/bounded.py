"""Conversion of files in a child process, with limits of time and memory.

A converter that hangs, takes too much memory or crashes loses only that file. A request is a line
of JSON and the bytes of the file; an answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Timer
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Content, Message, Quotation, Unread
from graphagg.rag.documents.reading.document import Link, Mark, plain_metadata
from graphagg.rag.documents.reading.kinds import ConversionLimits, converter_of

_MIB = 2**20
_BASE = 512 * _MIB  # address space of Python and its libraries


class BoundedConverter:
    """Converts files in a child process, with limits per file in seconds and MiB."""

    def __init__(self, seconds: int, memory: int) -> None:
        self._seconds, self._memory = seconds, memory
        self._child: subprocess.Popen[bytes] | None = None

    def convert(
        self, name: str, content: bytes, limits: ConversionLimits
    ) -> Iterator[Content | Unread]:
        """Convert a file; raise `Unread` if it cannot be read or passes a limit.

        A file that ends a process which converted others before gets one of its own: what is left
        out does not depend on which files shared a process.
        """
        is_fresh = self._child is None
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None, "both are pipes"
        timer = Timer(self._seconds, child.kill)
        timer.start()
        try:
            child.stdin.write(json.dumps([name, len(content), *limits]).encode() + b"\n")
            child.stdin.write(content)
            child.stdin.flush()
            answer = json.loads(child.stdout.readline())
        except (OSError, ValueError):
            is_late = not timer.is_alive()
            self.close()
            if is_late:
                reason = f"its conversion took over {self._seconds} s; raise max_seconds"
                raise Unread("too slow", reason) from None
            if not is_fresh:
                yield from self.convert(name, content, limits)
                return
            reason = f"its conversion ended at {self._memory:,} MiB or crashed; raise max_memory"
            raise Unread("broken", reason) from None
        finally:
            timer.cancel()
        for each in answer["contents"]:
            yield _read(each) if isinstance(each, dict) else Unread(*each)
        if answer["missing"]:
            raise MissingExtra(*answer["missing"])
        if answer["fault"]:
            raise Unread(*answer["fault"])

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __name__, str(self._memory)]
        # A worker of Spark finds packages that were shipped with a job by `sys.path` alone.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip

    def close(self) -> None:
        """End the child process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(OSError):  # of what it did not read
                child.communicate()


_PARTS: dict[str, Any] = dict(links=Link, refused=Unread, quotations=Quotation, messages=Message)


def _read(fields: dict[str, Any]) -> Content:
    fields["marks"] = tuple(Mark(at, tuple(path), page) for at, path, page in fields["marks"])
    for name, part in _PARTS.items():
        if fields[name] is not None:
            fields[name] = tuple(part(*each) for each in fields[name])
    return Content(**fields)


def _message(content: Content | Unread) -> dict[str, Any] | tuple[str, ...]:
    if isinstance(content, Unread):
        return content.args
    metadata, refused = plain_metadata(content.metadata)
    reasons = (f"metadata {key!r} is {why}" for key, why in refused.items())
    faults = [each.args for each in content.refused]
    faults += [("metadata values", reason, "") for reason in reasons]
    return vars(content) | {
        "metadata": metadata, "refused": faults, "anchors": dict(content.anchors)
    }  # fmt: skip


def faults_of(name: str, error: Exception) -> Unread:
    """The fault of a file whose converter raised an error; converters raise anything."""
    message = " ".join(str(error).split())[:200]
    return Unread("broken", f"it cannot be read ({type(error).__name__}: {message})")


def _answer(name: str, content: bytes, limits: ConversionLimits) -> dict[str, Any]:
    """Convert a file; returns its content, and the error that ended the conversion."""
    converter = converter_of(name)
    assert converter is not None, "the parent asks for files that have one"
    answer: dict[str, Any] = {"contents": [], "missing": None, "fault": None}
    try:
        answer["contents"] += map(_message, converter(content, limits))
    except MissingExtra as error:
        answer["missing"] = error.package, error.extra
    except MemoryError:
        raise
    except Exception as error:
        fault = error if isinstance(error, Unread) else faults_of(name, error)
        answer["fault"] = fault.args
    return answer


def _serve(memory: int) -> None:
    """Answer requests until the input ends."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        limit = _BASE + memory * _MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a converter prints is no answer
    for request in source:
        name, size, *limits = json.loads(request)
        answer = _answer(name, source.read(size), ConversionLimits(*limits))
        sink.write(json.dumps(answer).encode() + b"\n")
        sink.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
