"""Files as bytes and as blocks of whole lines; gzip is unpacked."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from graphagg.errors import UnreadableFile

BLOCK = 1 << 23
"""Bytes of text parsed at once; a block needs about eight times as much memory."""

BROKEN_GZIP = (OSError, EOFError, zlib.error)
"""What reading a damaged or truncated gzip stream raises."""


_BOM = b"\xef\xbb\xbf"


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file; gzip is recognized by its magic bytes."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; wanted a readable file of edges") from None
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw) if packed else raw


def read_bytes(path: Path) -> bytes:
    """A whole file, unpacked, without a byte order mark; `UnreadableFile` if it is damaged."""
    with open_bytes(path) as file:
        try:
            return file.read().removeprefix(_BOM)
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{path}: cannot be read ({error}); fetch it again") from None


def line_blocks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Whole lines of about `BLOCK` bytes; each ends in LF alone, the last one too."""
    rest = b""
    for block in _newlines(_chunks(file, name)):
        end = block.rfind(b"\n") + 1
        if end == 0:
            rest += block
            continue
        yield rest + block[:end]
        rest = block[end:]
    if rest:
        yield rest + b"\n"


def _chunks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """The text in blocks of `BLOCK` bytes, without a byte order mark."""
    start = True
    while True:
        try:
            block = file.read(BLOCK)
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{name}: broken gzip stream ({error}); fetch it again") from None
        if not block:
            return
        yield block.removeprefix(_BOM) if start else block
        start = False


def _newlines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """CR LF and CR become LF: Spark ends lines with them too."""
    kept = b""
    for chunk in chunks:
        block = kept + chunk if kept else chunk
        kept = b"\r" if block.endswith(b"\r") else b""  # its LF may begin the next chunk
        if b"\r" in block:
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield block
    if kept:
        yield b"\n"
