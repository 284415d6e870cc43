"""Open an artifact: lock its current version, check its files, memory-map its arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, Self, TypeVar

from graphagg.arrays import Array
from graphagg.checks import shown
from graphagg.errors import CorruptArtifact, GraphAggError, NotAnArtifact
from graphagg.store.addresses import Address
from graphagg.store.layout import ArrayLayout, ArrayRule, Check
from graphagg.store.locks import hold_folder
from graphagg.store.manifest import (
    FileEntry,
    Manifest,
    damaged,
    file_sha256,
    own_file,
    read_manifest,
)
from graphagg.store.ranges import map_array, npy_header
from graphagg.store.strings import StringTable

P = ParamSpec("P")
R = TypeVar("R")
Reader = TypeVar("Reader", bound="ReadsArtifact")


class Closing:
    """Mixin: a `with` block calls `close()` at its end."""

    def close(self) -> None:
        """Release files and locks."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def content_of(path: Path | str) -> Iterator[None]:
    """Context manager: turn parse errors into `CorruptArtifact` errors that name the file."""
    try:
        yield
    except GraphAggError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError,
            NotImplementedError, OSError, RecursionError) as error:  # fmt: skip
        problem = f"bad content ({type(error).__name__}: {shown(str(error))})"
        raise damaged(path, problem) from error


class ReadsArtifact(Protocol):
    """An object that reads an opened version."""

    @property
    def artifact(self) -> Artifact:
        """The opened version."""


def names_damage(
    function: Callable[Concatenate[Reader, P], R],
) -> Callable[Concatenate[Reader, P], R]:
    """Decorator of functions of a version: errors due to damaged files become `CorruptArtifact`.

    Other errors are not changed, so that programming errors stay visible.
    """

    @wraps(function)
    def call(reader: Reader, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(reader, *args, **kwargs)
        except GraphAggError:
            raise
        except Exception as error:
            reader.artifact.raise_damage(error)
            raise

    return call


class NamedArrays(Protocol):
    """Access to arrays by name, in an opened version or in one that is being written."""

    def __contains__(self, name: str) -> bool:
        """Whether a data file of this name exists."""

    def array(self, name: str) -> Array:
        """Return array `name` (without `.npy`), memory-mapped read-only."""

    def strings(self, name: str) -> StringTable:
        """Return string table `name`."""


class ArrayFolder:
    """The arrays in any folder; it need not be an artifact."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()

    def path(self, name: str) -> Path:
        """Return the path of data file `name`."""
        return self.folder / name

    def array(self, name: str) -> Array:
        """Return array `name` (without `.npy`), memory-mapped read-only."""
        return map_array(self.path(f"{name}.npy"))

    def strings(self, name: str) -> StringTable:
        """Return string table `name`."""
        data, offsets = self.array(f"{name}.utf8"), self.array(f"{name}.offsets")
        return StringTable(data, offsets, str(self.folder / f"{name}.utf8.npy"))


class Artifact(ArrayFolder, Closing):
    """An opened index directory. Writers do not remove the opened version before `close`.

    `open_artifact` of `graphagg.store` creates it. Arrays are memory-mapped, read-only.

    Attributes:
        directory: the absolute path of the index on this machine.
        folder: the data folder of the opened version.
        manifest: the manifest: files, parameters and models.
        source: the address of an index on a store; None for a local index.
        is_verified: whether opening compared the checksums; if so, `declare` also checks the values
            of arrays.

    Example:
        >>> import numpy as np
        >>> from graphagg.store import open_artifact, write_artifact
        >>> with write_artifact("idx") as publication:
        ...     publication.writer.array("squares", np.arange(3) ** 2)
        ...     manifest = publication.publish(Manifest("demo"))
        >>> with open_artifact("idx") as artifact:
        ...     print(artifact.manifest.kind, artifact.array("squares"))
        demo [0 1 4]
    """

    def __init__(self, directory: Path, manifest: Manifest, lease: int) -> None:
        super().__init__(directory / manifest.data)
        self.directory = directory
        self.manifest = manifest
        self.source: Address | None = None
        self.is_verified = False
        self._lease = lease
        self._arrays: dict[str, Array] = {}
        self._layout = ArrayLayout(self.folder, manifest)

    @property
    def location(self) -> Path | Address:
        """The location of the index's newest version: an address on a store, or the directory."""
        return self.directory if self.source is None else self.source

    def path(self, name: str) -> Path:
        """Return the path of data file `name`; `CorruptArtifact` if it is not in the manifest."""
        if name not in self.manifest.files:
            raise CorruptArtifact(
                f"{self.directory}: the manifest lists no file {name!r}; rebuild it"
            )
        return self.folder / name

    def array(self, name: str) -> Array:
        """Return array `name` (without `.npy`), memory-mapped read-only, only once."""
        if name not in self._arrays:
            self._arrays[name] = super().array(name)
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def declare(
        self, rules: Iterable[ArrayRule], further: Sequence[Check] = ()
    ) -> Mapping[str, int]:
        """Check dtypes and shapes; return the number for each letter of the shapes."""
        self._layout.add(rules, self.array, further)
        if self.is_verified:
            self.check_values()
        return self._layout.sizes

    def check_values(self) -> None:
        """Check all values of declared arrays, once; this reads the whole index."""
        self._layout.check_values(self.array)

    def raise_damage(self, error: Exception) -> None:
        """Check all values after an error; raises `CorruptArtifact` if they are damaged."""
        try:
            self.check_values()
        except CorruptArtifact as damage:
            advice = f"`graphagg verify {self.location}` checks the whole index"
            raise CorruptArtifact(f"{damage}; {advice}") from error

    def verify(self) -> None:
        """Compare every file with its checksum; `CorruptArtifact` names the first that differs."""
        for name, entry in sorted(self.manifest.files.items()):
            path = self.path(name)
            if (digest := file_sha256(path)) != entry.sha256:
                raise CorruptArtifact(
                    f"{path}: sha256 is {digest}, the manifest lists {entry.sha256}; "
                    "the file was altered: restore it, or build the index again"
                )

    def close(self) -> None:
        """Release the version, so that writers can remove it; its arrays stay valid."""
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()


def open_folder(root: Path, *, kind: str | None = None, verify: bool = False) -> Artifact:
    """Open the current version; check sizes and array headers, and checksums with `verify`."""
    while True:
        manifest = read_manifest(root)
        if kind is not None and manifest.kind != kind:
            raise NotAnArtifact(f"{root}: the index has kind {manifest.kind!r}, expected {kind!r}")
        lease = _take_lease(root, manifest)
        if lease is not None:
            break
    # The path is absolute, because the process may change its working directory.
    artifact = Artifact(root.absolute(), manifest, lease)
    try:
        for name, entry in manifest.files.items():
            _check_file(artifact.folder / name, entry)
        if verify:
            artifact.verify()
            artifact.is_verified = True
    except BaseException:
        artifact.close()
        raise
    return artifact


def _take_lease(root: Path, manifest: Manifest) -> int | None:
    """Lock the data folder; return None if a new version was published in the meantime."""
    folder = root / manifest.data
    if folder.is_symlink():
        raise damaged(folder, "a symbolic link, expected a folder")
    try:
        return hold_folder(folder, shared=True)
    except (FileNotFoundError, NotADirectoryError):
        if read_manifest(root).data != manifest.data:
            return None
        raise damaged(folder, "the data folder is missing") from None


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        size = own_file(path)
    except FileNotFoundError:
        raise damaged(path, "missing") from None
    if size != entry.bytes:
        raise damaged(path, f"{size} bytes, the manifest lists {entry.bytes}")
    if path.suffix == ".npy":
        header = npy_header(path)
        if header != (entry.dtype, entry.shape):
            listed = (entry.dtype, entry.shape)
            raise damaged(path, f"dtype and shape are {header}, the manifest lists {listed}")
