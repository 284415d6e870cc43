"""Find edge files, and read them as bytes or as blocks of whole lines; gzip is decompressed."""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.store.manifest import MANIFEST_NAME

BLOCK = 1 << 23  # bytes of text parsed at once; parsing takes about eight times as much memory
BROKEN_GZIP = (OSError, EOFError, zlib.error)
PARQUET = (".parquet", ".pq")
_BOM = b"\xef\xbb\xbf"


def paths_of(edges: Any) -> list[str] | None:
    """Return the paths if `edges` is a path or a list of paths; else None."""
    paths = list(edges) if isinstance(edges, list | tuple) else [edges]
    are_paths = paths and all(isinstance(path, str | os.PathLike) for path in paths)
    return [os.fspath(path) for path in paths] if are_paths else None


def find_files(path: str) -> list[Path]:
    """List the files of a path by name.

    A folder includes its subfolders, but not names that begin with a dot or an underscore. Patterns
    can use `*`, `?`, `[...]` and `**`. Raises `UnreadableFile` if there is no file, and
    `InvalidGraph` for a folder that is an index or mixes Parquet with other files.
    """
    if os.path.exists(path) or not glob.has_magic(path):
        roots = [Path(path)]
    else:
        roots = [Path(match) for match in sorted(glob.glob(path, recursive=True))]
        if not roots:
            raise UnreadableFile(f"{path}: no file matches this pattern; check it")
    for root in roots:
        if not root.exists():
            raise UnreadableFile(f"{root}: no such file; check the path")
    return [file for root in roots for file in (_below(root) if root.is_dir() else [root])]


def _below(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(map(_is_hidden, file.relative_to(folder).parts))
    )
    if not files:
        raise UnreadableFile(f"{folder}: the folder has no files, expected files of edges")
    if folder / MANIFEST_NAME in files:
        raise InvalidGraph(
            f"{folder}: a graphagg index, expected files of edges; give the files it was built from"
        )
    parquet = [suffix_of(file.name) in PARQUET for file in files]
    if any(parquet) and not all(parquet):
        raise InvalidGraph(mixed_folder(str(folder), str(files[parquet.index(False)])))
    return files


def _is_hidden(name: str) -> bool:
    """Return whether Spark ignores a file or folder name: `_SUCCESS`, `.crc`, but not `_dt=1`."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def mixed_folder(folder: str, other: str) -> str:
    """Return the message for a folder that contains Parquet and other files."""
    return (
        f"{folder}: Parquet and other files ({other}), expected files of one kind; give a pattern, "
        "such as folder/*.parquet"
    )


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case, ignoring `.gz`."""
    suffixes = [suffix.casefold() for suffix in Path(name).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file; gzip is recognized by its magic bytes."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; expected a file of edges") from None
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw) if packed else raw


def read_bytes(path: Path) -> bytes:
    """Read and decompress a file, without byte order mark; `UnreadableFile` if it is damaged."""
    with open_bytes(path) as file:
        try:
            return file.read().removeprefix(_BOM)
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{path}: cannot be read ({error}); fetch it again") from None


def line_blocks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Yield blocks of whole lines, about `BLOCK` bytes each; every line ends in LF."""
    rest = b""
    for chunk in _chunks(file, name):
        end = chunk.rfind(b"\n") + 1
        block, rest = (rest + chunk[:end], chunk[end:]) if end else (b"", rest + chunk)
        if block:
            yield block.replace(b"\r\n", b"\n")
    if rest:
        yield rest.removesuffix(b"\r") + b"\n"


def _chunks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Yield the text in blocks of `BLOCK` bytes, without a byte order mark."""
    try:
        if start := file.read(BLOCK):
            yield start.removeprefix(_BOM)
        while block := file.read(BLOCK):
            yield block
    except BROKEN_GZIP as error:
        raise UnreadableFile(f"{name}: broken gzip stream ({error}); fetch it again") from None
