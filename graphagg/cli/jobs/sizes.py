"""How large an input is: its files' sizes, its first rows, Parquet's footers; no more is read."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphagg.errors import UnreadableFile
from graphagg.spark.job import local_path

_HEAD = 1 << 20
_MAGIC = b"\x1f\x8b"
_NODES = re.compile(r"(?i)\b(?:nodes|vertices):\s*([\d,]+)")


@dataclass(frozen=True)
class Input:
    """What is known of an input without reading it.

    Attributes:
        path: as given.
        files: how many.
        bytes: of all of them, as they lie.
        records: how many edges or passages, about.
        record_bytes: bytes of one, unpacked.
        vertices: if a comment or Parquet's footers tell.
        how: what `records` rests on.
    """

    path: str
    files: int
    bytes: int
    records: int
    record_bytes: float
    vertices: int | None
    how: str

    def describe(self) -> str:
        """One line."""
        size = f"{self.files:,} file(s), {self.bytes:,} bytes"
        return f"{self.path}: {size}, about {self.records:,} records ({self.how})"


def measure(source: str, suffixes: tuple[str, ...] = ()) -> Input:
    """Measure an input on a mounted file system.

    Args:
        source: a file, or a folder of files.
        suffixes: of the files of a folder that count; none: all but hidden ones.

    Raises:
        UnreadableFile: it is not there, or lies where only Spark reads.
    """
    path = local_path(source)
    if path is None:
        raise UnreadableFile(
            f"{source}: --dry-run measures files on a mounted file system; mount it, or plan with "
            "a sample that lies on one"
        )
    if not path.exists():
        raise UnreadableFile(f"{source}: not there; check the path")
    files = [path] if path.is_file() else list(_files(path, suffixes))
    if not files:
        raise UnreadableFile(f"{source}: no file in it; check the path")
    size = sum(file.stat().st_size for file in files)
    if files[0].suffix in (".parquet", ".pq"):
        return _parquet(source, files, size)
    if files[0].suffix in (".txt", ".md") and path.is_dir() and suffixes:
        return Input(source, len(files), size, len(files), size / len(files), None, "a file each")
    return _lines(source, files, size)


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        wanted = not suffixes or any(end in suffixes for end in file.suffixes)
        if wanted and file.is_file() and not file.name.startswith((".", "_")):
            yield file


def _parquet(source: str, files: list[Path], size: int) -> Input:
    import pyarrow.parquet as pq

    footers = [pq.ParquetFile(file).metadata for file in files]
    rows = sum(footer.num_rows for footer in footers)
    groups = [footer.row_group(g) for footer in footers for g in range(footer.num_row_groups)]
    mean = sum(group.total_byte_size for group in groups) / max(rows, 1)
    return Input(source, len(files), size, rows, mean, _spread(groups), "Parquet's footers")


def _spread(groups: list[Any]) -> int | None:
    """Integers between the least and the largest id; None where the footers do not say."""
    bounds: list[int] = []
    for group in groups:
        for column in (group.column(c) for c in range(group.num_columns)):
            if column.path_in_schema not in ("src", "dst"):
                continue
            if not column.is_stats_set or not isinstance(column.statistics.min, int):
                return None
            bounds += [column.statistics.min, column.statistics.max]
    return max(bounds) - min(bounds) + 1 if bounds else None


def _lines(source: str, files: list[Path], size: int) -> Input:
    """Records by the mean length of the lines at the head of the first file."""
    head, read = _head(files[0])
    whole = read == size
    *lines, cut = head.split(b"\n")
    if whole and cut:
        lines.append(cut)
    comments = [line for line in lines if line.lstrip().startswith((b"#", b"%"))]
    records = [line for line in lines if line.strip() and line not in comments[:100]]
    mean = (sum(map(len, records)) + len(records)) / max(len(records), 1)
    count, how = len(records), "all of them"
    if not whole:
        count = int(size * len(head) / max(read, 1) / max(mean, 1.0))
        how = f"the mean length of the first {len(records):,}"
    found = _NODES.search(b"\n".join(comments[:100]).decode("utf-8", "replace"))
    vertices = int(found[1].replace(",", "")) if found else None
    return Input(source, len(files), size, count, mean, vertices, how)


def _head(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file, unpacked, and how many bytes of the file they are."""
    with path.open("rb") as file:
        data = file.read(_HEAD)
    if not data.startswith(_MAGIC):
        return data, len(data)
    unpacking = zlib.decompressobj(wbits=31)
    try:
        head = unpacking.decompress(data)
    except zlib.error as error:
        raise UnreadableFile(f"{path}: {error}; unpack or mend it") from None
    return head, len(data) - len(unpacking.unused_data)
