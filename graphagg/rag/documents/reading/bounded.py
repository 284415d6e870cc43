"""Convert files in a child process, with time and memory limits.

If a converter hangs, takes too much memory or crashes, only that file is lost. A request is a line
of JSON and the bytes of the file. An answer is a line of JSON with a batch of documents; an empty
line requests the next batch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from threading import Timer
from time import monotonic
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Content, Message, Quotation, Unread, fault_of
from graphagg.rag.documents.reading.document import Link, Mark, plain_metadata
from graphagg.rag.documents.reading.kinds import ConversionLimits, converter_of

_MIB = 2**20
_BASE = 512 * _MIB  # address space of Python and its libraries
_BATCH = 100  # documents per answer


class BoundedConverter:
    """Converts files in a child process, with limits per file in seconds and MiB."""

    def __init__(self, seconds: int, memory: int) -> None:
        self._seconds, self._memory = seconds, memory
        self._child: subprocess.Popen[bytes] | None = None
        self._is_busy = False  # whether it is still converting a file

    def convert(
        self, name: str, content: bytes, limits: ConversionLimits
    ) -> Iterator[Content | Unread]:
        """Convert a file; raise `Unread` if it cannot be read or exceeds a limit.

        If the process ends and had converted other files before, we retry the file in a new
        process, so that the files left out do not depend on which files shared a process.
        """
        if self._is_busy:  # the caller stopped in the middle of the previous file
            self.close()
        is_fresh, count, seconds = self._child is None, 0, float(self._seconds)
        request = json.dumps([name, len(content), *limits[:2]]).encode() + b"\n" + content
        try:
            while request:
                start = monotonic()  # time that the caller spends between answers does not count
                answer = self._answer(request, seconds)
                seconds, request = seconds - monotonic() + start, b"\n" * answer["more"]
                count += len(answer["contents"])
                for each in answer["contents"]:
                    yield _read(each) if isinstance(each, dict) else Unread(*each)
        except EOFError as error:
            if is_fresh:
                raise Unread("broken", str(error)) from None
            yield from islice(self.convert(name, content, limits), count, None)
            return
        if answer["missing"]:
            raise MissingExtra(*answer["missing"])
        if answer["fault"]:
            raise Unread(*answer["fault"])

    def _answer(self, request: bytes, seconds: float) -> dict[str, Any]:
        """Send a request; raise `Unread` if the answer is late, `EOFError` if the process ends."""
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None, "both are pipes"
        timer = Timer(max(0, seconds), child.kill)
        timer.start()
        try:
            child.stdin.write(request)
            child.stdin.flush()
            answer: dict[str, Any] = json.loads(child.stdout.readline())
            self._is_busy = answer["more"]
            return answer
        except (OSError, ValueError):
            is_late = not timer.is_alive()
            self.close()
            if is_late:
                reason = f"its conversion took over {self._seconds} s; raise max_seconds"
                raise Unread("too slow", reason) from None
            reason = f"its conversion ended at {self._memory:,} MiB or crashed; raise max_memory"
            raise EOFError(reason) from None
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __name__, str(self._memory)]
        # On a Spark worker, packages that were shipped with a job are only on `sys.path`.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip

    def close(self) -> None:
        """End the child process."""
        child, self._child, self._is_busy = self._child, None, False
        if child is not None:
            child.kill()
            with suppress(OSError):  # the child may not have read all input
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


def _answers(name: str, content: bytes, limits: ConversionLimits) -> Iterator[dict[str, Any]]:
    """Convert a file; the last answer has the error if one ended the conversion."""
    converter = converter_of(name)
    assert converter is not None, "the parent sends only files that have one"
    contents: list[Any] = []
    answer: dict[str, Any] = {"contents": contents, "missing": None, "fault": None, "more": True}
    try:
        for each in converter(content, limits):
            contents.append(_message(each))
            if len(contents) == _BATCH:
                yield answer
                contents.clear()
    except MissingExtra as error:
        answer["missing"] = error.package, error.extra
    except MemoryError:
        raise
    except Exception as error:
        fault = error if isinstance(error, Unread) else fault_of(error)
        answer["fault"] = fault.args
    yield answer | {"more": False}


def _serve(memory: int) -> None:
    """Answer requests until the input ends."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        limit = _BASE + memory * _MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # keep the prints of a converter out of the answers
    for request in source:
        name, size, *limits = json.loads(request)
        for answer in _answers(name, source.read(size), ConversionLimits(*limits)):
            sink.write(json.dumps(answer).encode() + b"\n")
            sink.flush()
            if answer["more"]:
                source.readline()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
