"""Decode files: recognize the encoding, and end every line with a line feed."""

from __future__ import annotations

import codecs

from graphagg.rag.documents.reading.content import Unread

# UTF-32 first: its mark begins with the mark of UTF-16.
_MARKED = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE = 2**16
"""Bytes from which binary files and encodings are recognized."""
_CONTROLS = bytes({*range(32)} - {*b"\t\n\r\f\b\x1b"})
_MOST_CONTROLS = 0.05


def decode(content: bytes) -> str:
    """Decode a file; exact for UTF-8, and for UTF-16 and UTF-32 with a byte order mark.

    Other encodings are recognized by charset-normalizer from the first 64 KiB.

    Raises:
        Unread: the file is binary, or its encoding is not recognized.
    """
    encoding = next((name for mark, name in _MARKED if content.startswith(mark)), None)
    if encoding is None and is_binary(content[:SAMPLE]):
        raise Unread("binary")
    text = _decoded(content, encoding or "utf-8")
    if text is None and encoding is None:
        text = next(filter(None, (_decoded(content, name) for name in _guesses(content))), None)
    if text is None:
        raise Unread(
            "unknown encoding",
            f"not text in {encoding.removesuffix('-sig').upper()}, as its byte order mark says"
            if encoding
            else "neither UTF-8 nor another encoding that is recognized; save it as UTF-8",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _guesses(content: bytes) -> list[str]:
    """Names of encodings, the most likely first."""
    from charset_normalizer import from_bytes

    sample = content
    if len(content) > SAMPLE:  # a cut inside a character would rule its encoding out
        sample = content[: content.rfind(b"\n", 0, SAMPLE) + 1] or content[:SAMPLE]
    return [match.encoding for match in from_bytes(sample)]


def is_binary(sample: bytes) -> bool:
    """Whether the head of a file is not text: a zero byte, or many control characters."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return b"\0" in sample or controls > _MOST_CONTROLS * len(sample)
