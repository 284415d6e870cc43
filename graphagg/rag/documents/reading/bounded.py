"""Conversion of files in a child process, with limits of time and memory.

A converter that hangs, takes too much memory or crashes loses only that file. A message between
parent and child is 8 bytes of length, then JSON or the bytes of the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Timer
from typing import IO, Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Content, Unread
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
        """Convert a file; raise `Unread` if it cannot be read or passes a limit."""
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None, "both are pipes"
        timer = Timer(self._seconds, child.kill)
        timer.start()
        try:
            _send(child.stdin, json.dumps([name, *limits]).encode())
            _send(child.stdin, content)
            answer = json.loads(_receive(child.stdout))
        except (EOFError, OSError):
            is_late = not timer.is_alive()
            self.close()
            if is_late:
                reason = f"its conversion took over {self._seconds} s; raise max_seconds"
                raise Unread("too slow", reason) from None
            reason = f"its conversion ended at {self._memory:,} MiB or crashed; raise max_memory"
            raise Unread("broken", reason) from None
        finally:
            timer.cancel()
        for each in answer:
            yield _read(each)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __name__, str(self._memory)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def close(self) -> None:
        """End the child process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _read(message: Mapping[str, Any]) -> Content | Unread:
    """The content or fault of a message; raises what the child raised."""
    if "missing" in message:
        raise MissingExtra(message["missing"], message["extra"])
    if "kind" in message:
        fault = Unread(message["kind"], message["reason"], message["row"])
        if message["whole"]:
            raise fault
        return fault
    fields = dict(message)
    fields["marks"] = tuple(Mark(at, tuple(path), page) for at, path, page in fields["marks"])
    fields["links"] = tuple(Link(*link) for link in fields["links"])
    fields["refused"] = tuple(Unread(*fault) for fault in fields["refused"])
    return Content(**fields)


def _message(content: Content | Unread, whole: bool = False) -> dict[str, Any]:
    if isinstance(content, Unread):
        fault = {"kind": content.kind, "reason": content.reason, "row": content.row}
        return fault | {"whole": whole}
    metadata, refused = plain_metadata(content.metadata)
    faults = [(each.kind, each.reason, each.row) for each in content.refused]
    faults += [
        ("metadata values", f"metadata {key!r} is {why}", "") for key, why in refused.items()
    ]
    fields = {name: getattr(content, name) for name in content.__dataclass_fields__}
    return fields | {"metadata": metadata, "refused": faults, "anchors": dict(content.anchors)}


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "big"))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    head = pipe.read(8)
    message = pipe.read(int.from_bytes(head, "big"))
    if len(head) < 8 or len(message) < int.from_bytes(head, "big"):
        raise EOFError
    return message


def faults_of(name: str, error: Exception) -> Unread:
    """The fault of a file whose converter raised an error; converters raise anything."""
    message = " ".join(str(error).split())[:200]
    return Unread("broken", f"it cannot be read ({type(error).__name__}: {message})")


def _answer(request: bytes, content: bytes) -> Sequence[dict[str, Any]]:
    name, most, encoding = json.loads(request)
    converter = converter_of(name)
    assert converter is not None, "the parent asks for files that have one"
    messages: list[dict[str, Any]] = []
    try:
        messages += map(_message, converter(content, ConversionLimits(most, encoding)))
    except Unread as fault:
        messages.append(_message(fault, whole=True))
    except MissingExtra as error:
        messages.append({"missing": error.package, "extra": error.extra})
    except MemoryError:
        raise
    except Exception as error:
        messages.append(_message(faults_of(name, error), whole=True))
    return messages


def _serve(memory: int) -> None:
    """Answer requests until the input ends."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        limit = _BASE + memory * _MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a converter prints is no answer
    while True:
        try:
            request, content = _receive(source), _receive(source)
        except EOFError:
            return
        _send(sink, json.dumps(_answer(request, content)).encode())


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
