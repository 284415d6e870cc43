"""Messages between the front process and a worker: JSON behind its length, over a socket pair."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from graphagg import errors
from graphagg.errors import GraphAggError, WorkerLost

_LENGTH = 4  # bytes

Message = dict[str, Any]


async def read_frame(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None where the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        message: Message = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message


def write_frame(writer: asyncio.StreamWriter, message: Message) -> None:
    """Queue a message; one to a side that is gone is dropped, which its reader notices."""
    content = json.dumps(message).encode()
    writer.write(len(content).to_bytes(_LENGTH, "big") + content)


def error_json(error: BaseException) -> list[str]:
    """Name and message of an error."""
    return [type(error).__name__, str(error)]


def error_of(name: str, message: str) -> Exception:
    """The error that another process raised: of the same class where it is one of graphagg's."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, GraphAggError):
        error = kind.__new__(kind)  # some constructors take other arguments than a message
        Exception.__init__(error, message)
        return error
    return WorkerLost(f"a worker failed on this request ({name}); its log says why")
