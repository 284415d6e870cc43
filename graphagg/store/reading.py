"""Opening an artifact: a shared lock on its current version, checks, memory-mapped arrays."""

from __future__ import annotations

import math
import mmap
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact, NotAnArtifact
from graphagg.store.addresses import Address
from graphagg.store.locks import hold_folder
from graphagg.store.manifest import FileEntry, Manifest, file_sha256, read_manifest
from graphagg.store.strings import StringTable

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<|][a-zA-Z][0-9]+)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]*)\), \} *\n"
)


class Closing:
    """Mixin: a `with` block calls `close()` at its end."""

    def close(self) -> None:
        """Release files and locks."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NamedArrays(Protocol):
    """Arrays by name: of an opened version, or of one that is being written."""

    def __contains__(self, name: str) -> bool:
        """Whether there is a data file of this name."""

    def array(self, name: str) -> Array:
        """Array `name` (without `.npy`), memory-mapped read-only."""

    def strings(self, name: str) -> StringTable:
        """String table `name`."""


class ArrayFolder:
    """The arrays in a folder, which need not be of an artifact.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()

    def path(self, name: str) -> Path:
        """The path of data file `name`."""
        return self.folder / name

    def array(self, name: str) -> Array:
        """Array `name` (without `.npy`), memory-mapped read-only."""
        return map_array(self.path(f"{name}.npy"))

    def strings(self, name: str) -> StringTable:
        """String table `name`."""
        return StringTable(self.array(f"{name}.utf8"), self.array(f"{name}.offsets"))


class Artifact(ArrayFolder, Closing):
    """An opened index directory. No writer removes the version that it opened until `close`.

    Use `open_artifact` of `graphagg.store`. Arrays are memory-mapped, read-only.

    Attributes:
        directory: where it lies on this machine, absolute.
        folder: the data folder of the opened version.
        manifest: what it holds.
        source: the address on a store that it came from; None for a local index.
    """

    def __init__(self, directory: Path, manifest: Manifest, lease: int) -> None:
        super().__init__(directory / manifest.data)
        self.directory = directory
        self.manifest = manifest
        self.source: Address | None = None
        self._lease = lease

    @property
    def location(self) -> Path | Address:
        """The location of its newest version: the address that it came from, or its directory."""
        return self.directory if self.source is None else self.source

    def path(self, name: str) -> Path:
        """The path of data file `name`; `CorruptArtifact` if the manifest lists no such file."""
        if name not in self.manifest.files:
            raise CorruptArtifact(
                f"{self.directory}: the manifest lists no file {name!r}; rebuild it"
            )
        return self.folder / name

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def verify(self) -> None:
        """Compare every file with its checksum; `CorruptArtifact` names the first that differs."""
        for name, entry in sorted(self.manifest.files.items()):
            digest = file_sha256(self.folder / name)
            if digest != entry.sha256:
                raise CorruptArtifact(
                    f"{self.folder / name}: sha256 is {digest}, the manifest says {entry.sha256}; "
                    "the file was altered: restore it, or build the index again"
                )

    def close(self) -> None:
        """Let writers remove the version; arrays taken from it stay valid."""
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()


def open_folder(root: Path, *, kind: str | None = None, verify: bool = False) -> Artifact:
    """Open the current version of an index in a local folder, in milliseconds.

    Checks the format, the file sizes and the array headers; with `verify` every checksum too.

    Args:
        root: the index directory.
        kind: the kind wanted; None takes any.
        verify: also compare every checksum.

    Raises:
        NotAnArtifact, UnsupportedFormat, CorruptArtifact: see their docstrings.
    """
    while True:
        manifest = read_manifest(root)
        if kind is not None and manifest.kind != kind:
            raise NotAnArtifact(f"{root}: an index of kind {manifest.kind!r}, wanted {kind!r}")
        lease = _take_lease(root, manifest)
        if lease is not None:
            break
    artifact = Artifact(root.absolute(), manifest, lease)  # wherever the process goes
    try:
        for name, entry in manifest.files.items():
            _check_file(artifact.folder / name, entry)
        if verify:
            artifact.verify()
    except BaseException:
        artifact.close()
        raise
    return artifact


def _take_lease(root: Path, manifest: Manifest) -> int | None:
    """A locked descriptor of the data folder; None if a writer published meanwhile."""
    folder = root / manifest.data
    try:
        return hold_folder(folder, shared=True)
    except FileNotFoundError:
        if read_manifest(root).data != manifest.data:
            return None
        raise CorruptArtifact(
            f"{folder}: the data folder is missing; build the index again"
        ) from None


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise CorruptArtifact(f"{path}: missing; restore it, or build the index again") from None
    if size != entry.bytes:
        raise CorruptArtifact(
            f"{path}: {size} bytes, the manifest says {entry.bytes}; "
            "restore it, or build the index again"
        )
    if path.suffix == ".npy":
        header = npy_header(path)
        if header != (entry.dtype, entry.shape):
            raise CorruptArtifact(
                f"{path}: dtype and shape are {header}, the manifest says "
                f"{(entry.dtype, entry.shape)}; restore it, or build the index again"
            )


def map_array(path: Path) -> Array:
    """A `.npy` file, memory-mapped read-only; an empty array has no byte to map and is read."""
    with path.open("rb") as file:
        header = _plain_header(file)
        if header is not None and 0 not in header[1]:
            dtype, shape = header
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(content) >= file.tell() + math.prod(shape) * dtype.itemsize:
                return np.ndarray(shape, dtype, content, file.tell())
    named = npy_header(path)
    empty = named is not None and 0 in named[1]
    return np.asarray(np.load(path, mmap_mode=None if empty else "r", allow_pickle=False))


def npy_header(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """Dtype and shape by the header of a `.npy` file; None where it is none."""
    with path.open("rb") as file:
        header = _plain_header(file)
        if header is not None:
            return header[0].str, header[1]
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                return None
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError:
            return None
    return dtype.str, tuple(shape)


def _plain_header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Read a header as every array of an index has it; None for any other header.

    The file then stands behind the header. numpy would compile it as a Python expression, which
    takes most of the time to open an index.
    """
    head = file.read(len(_MAGIC) + 2)
    if not head.startswith(_MAGIC):
        return None
    text = file.read(int.from_bytes(head[len(_MAGIC) :], "little"))
    match = _HEADER.fullmatch(text)
    if match is None:
        return None
    shape = tuple(int(size) for size in match["shape"].split(b",") if size.strip())
    return np.dtype(match["descr"].decode()), shape
