"""Starts a service on loopback for benchmarks, and has a client for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import DATA

PATIENCE = 300  # timeout of an answer in seconds, on a busy machine
DEMO = Path(__file__).parents[2] / "graphagg" / "rag" / "demo" / "passages.jsonl"


class Client:
    """One keep-alive connection, with the small part of HTTP that the service uses."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Send a request; return the status code and body of the response."""
        return await asyncio.wait_for(self._ask(path, body), PATIENCE)

    async def _ask(self, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        if self._writer is None:
            opened = await asyncio.open_connection("127.0.0.1", self._port)
            self._reader, self._writer = opened
        assert self._reader and self._writer
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:] if line)
        answer = await self._reader.readexactly(int(fields[b"content-length"]))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split(b" ")[1]), answer

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@contextmanager
def serving(options: Sequence[str], root: Path | None = None) -> Iterator[tuple[Any, int]]:
    """Context manager: run `graphagg serve` from a checkout; yield the process and its port."""
    program = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
    environment = dict(os.environ) if root is None else os.environ | {"PYTHONPATH": str(root)}
    command = [*program, *options, "--port", "0"]
    # Python searches the working folder first.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            if "serving on" not in line:
                raise RuntimeError(f"the service did not start: {line}{process.stderr.read()}")
            yield process, int(line.rpartition(":")[2])
            process.wait(PATIENCE)
        finally:
            process.kill()


def questions() -> list[str]:
    """Return the questions of 2WikiMultiHopQA, or three simple ones if the file is missing."""
    from graphagg.rag.documents.rows import read_json_lines

    path = DATA / "2wikimultihopqa" / "questions.jsonl.gz"
    if not path.exists():
        return ["Who lived in London?", "On which river does the city lie?", "Who wrote it?"]
    return [record["question"] for record, _ in read_json_lines(path)]
