"""Compound files, and in them mail of Outlook and a text of Word 97, made in the tests.

By the open specifications of the formats: a compound file has sectors of 512 bytes, chained by a
table, and streams below 4,096 bytes share one stream of sectors of 64 bytes.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

Tree = dict[str, Any]
"""Streams (bytes) and storages (trees) by name."""
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_SMALL = 4_096  # bytes from which on a stream has sectors of its own


def compound(tree: Tree) -> bytes:
    """A compound file of streams and storages."""
    entries: list[list[Any]] = [["Root Entry", _ROOT, _FREE, _FREE, b""]]  # name, kind, next, child

    def add(folder: int, children: Tree) -> None:
        before = None
        for name in sorted(children, key=lambda name: (len(name), name.upper())):
            content, at = children[name], len(entries)
            is_stream = isinstance(content, bytes)
            entries.append([name, _STREAM if is_stream else _STORAGE, _FREE, _FREE,
                            content if is_stream else b""])  # fmt: skip
            entries[folder if before is None else before][3 if before is None else 2] = at
            before = at
            if not is_stream:
                add(at, content)

    add(0, tree)
    small, small_table = bytearray(), list[int]()
    sectors, table = bytearray(), list[int]()
    starts = [_place(entry[4], 64, small, small_table) if 0 < len(entry[4]) < _SMALL else _END
              for entry in entries]  # fmt: skip
    starts = [_place(entry[4], 512, sectors, table) if len(entry[4]) >= _SMALL else start
              for entry, start in zip(entries, starts, strict=True)]  # fmt: skip
    entries[0][4], starts[0] = bytes(small), _place(bytes(small), 512, sectors, table)
    small_bytes = struct.pack(f"<{len(small_table)}I", *small_table)
    small_start = _place(small_bytes, 512, sectors, table, b"\xff")
    listed = b"".join(map(_entry, entries, starts))
    folder_start = _place(listed, 512, sectors, table)
    count = 1
    while (len(table) + count) > 128 * count:  # the table has sectors too
        count += 1
    own = range(len(table), len(table) + count)
    table += [_TABLE] * count
    sectors += struct.pack(f"<{128 * count}I", *table, *[_FREE] * (128 * count - len(table)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, count, folder_start, 0,
                        _SMALL, small_start, -(-len(small_bytes) // 512), _END, 0,
                        own[0])  # fmt: skip
    head += struct.pack(f"<{count - 1}I", *own[1:])
    return head + b"\xff" * (512 - len(head)) + bytes(sectors)


def _place(
    content: bytes, size: int, sectors: bytearray, table: list[int], fill: bytes = b"\0"
) -> int:
    """Append a stream and chain its sectors; the first of them."""
    count, first = -(-len(content) // size), len(table)
    sectors += content + fill * (count * size - len(content))
    table += [*range(first + 1, first + count), _END] if count else []
    return first if count else _END


def _entry(entry: list[Any], start: int) -> bytes:
    name, kind, following, child, content = entry
    encoded = (name + "\0").encode("utf-16-le")
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBBIII36xIQ", len(encoded), kind, 1, _FREE, following, child, start,
                      len(content))
    )  # fmt: skip


def _properties(head: int, values: dict[int, Any]) -> Tree:
    """The properties of a mail, a recipient or an attachment: texts, bytes, numbers and times."""
    listed, streams = bytes(head), {}
    for identifier, value in values.items():
        kind = {str: 0x1F, bytes: 0x102, int: 3, datetime: 0x40}[type(value)]
        payload = struct.pack("<q", value if kind == 3 else 0)
        if isinstance(value, datetime):
            ticks = int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
            payload = struct.pack("<Q", ticks)
        elif kind != 3:
            content = value.encode("utf-16-le") if kind == 0x1F else value
            streams[f"__substg1.0_{identifier:04X}{kind:04X}"] = content
            payload = struct.pack("<II", len(content) + 2 * (kind == 0x1F), 0)
        listed += struct.pack("<HHI", kind, identifier, 6) + payload
    return {"__properties_version1.0": listed, **streams}


def msg(subject: str, text: str, attachments: dict[str, bytes], html: bytes = b"") -> bytes:
    """A mail of Outlook from Anna to Bert."""
    body = {0x1013: html} if html else {0x1000: text}
    tree = _properties(
        32,
        {0x001A: "IPM.Note", 0x0037: subject, 0x0C1A: "Anna Berg", 0x0C1F: "anna@x.org",
         0x0039: datetime(2024, 5, 27, 8, tzinfo=UTC), 0x3FDE: 65001, **body},
    )  # fmt: skip
    tree["__nameid_version1.0"] = {f"__substg1.0_000{i}0102": b"" for i in (2, 3, 4)}
    to = {0x3001: "Bert", 0x39FE: "bert@x.org", 0x0C15: 1}
    tree["__recip_version1.0_#00000000"] = _properties(8, to)
    for i, (name, content) in enumerate(attachments.items()):
        facts = {0x3707: name, 0x3705: 1, 0x3701: content}
        tree[f"__attach_version1.0_#{i:08X}"] = _properties(8, facts)
    return compound(tree)


def doc(text: str) -> bytes:
    """A text of Word 97: one piece of 8-bit characters; paragraphs end in a carriage return."""
    words, begin = text.replace("\n", "\r").encode("cp1252"), 1_024
    longs = [begin + len(words), 0, 0, len(words), *[0] * 18]
    pairs = [(0, 0)] * 93
    piece = struct.pack("<HIH", 0, begin * 2 | 0x40000000, 0)
    pieces = struct.pack("<BIII", 2, 8 + len(piece), 0, len(words)) + piece
    pairs[33] = (0, len(pieces))
    head = struct.pack("<HHHHHHHIBBHHII", 0xA5EC, 0xC1, 0, 0x409, 0, 0x1200, 0xBF, 0, 0, 0, 0, 0,
                       begin, begin + len(words))  # fmt: skip
    head += struct.pack("<H28x", 14) + struct.pack("<H22I", 22, *longs)
    head += struct.pack("<H186I", 93, *(each for pair in pairs for each in pair)) + bytes(2)
    document = (head.ljust(begin, b"\0") + words).ljust(_SMALL, b"\0")
    return compound({"WordDocument": document, "1Table": pieces.ljust(_SMALL, b"\0")})
